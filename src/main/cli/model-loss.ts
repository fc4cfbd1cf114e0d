// The loss of a model's rows that softshard train minimizes and evaluate tells: its options, read from flags and files, and
// as a model keeps them.

import {
  type EvaluateOptions,
  type FitLossOptions,
  hostMemory,
  type Json,
  readFeatures,
  readMatrix,
  SoftshardError,
} from '../index.js';
import { type LossShapeFlags, lossShapeOf } from './command-options.js';
import type { ReadContext } from './dataset.js';
import { checkWeights } from './npy-inputs.js';
import { counted } from './output.js';

export interface ModelLossFlags extends LossShapeFlags {
  /** A file; for train also "balanced". */
  classWeight?: string;
  sampleWeight?: string;
  mask?: string;
  ignoreIndex?: number;
}

export const BALANCED = 'balanced';

export const modelLossFiles = ({
  classWeight,
  sampleWeight,
  mask,
}: ModelLossFlags): (string | undefined)[] => [
  classWeight === BALANCED ? undefined : classWeight,
  sampleWeight,
  mask,
];

interface RowsOfClasses {
  readonly rows: number;
  readonly classes: number;
}

type CommonOptions = Pick<FitLossOptions & EvaluateOptions, 'sampleWeight' | 'mask' | keyof LossShapeFlags>;

export interface TrainLoss {
  readonly options: FitLossOptions;
  /** What there is one of for each row is too much to be kept with the model: only that there was some. */
  readonly saved: Readonly<Record<string, Json>>;
}

/** Labels have been read with the ignoreIndex already: the engine gets targets that it ignores by default. */
export async function readTrainLoss(
  context: ReadContext,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<TrainLoss> {
  const { classWeight, ignoreIndex } = flags;
  const weight = classWeight === BALANCED ? BALANCED : await readClassWeight(context, classWeight, shape);
  const options = await readCommon(context, flags, shape);
  return {
    options: { ...options, ...(weight && { weight }) },
    saved: {
      ...lossShapeOf(flags),
      ...(weight && { weight: weight === BALANCED ? weight : [...weight] }),
      ...(options.sampleWeight && { sampleWeight: true }),
      ...(options.mask && { mask: true }),
      ...(ignoreIndex !== undefined && { ignoreIndex }),
    },
  };
}

/** As readTrainLoss. */
export async function readEvaluationLoss(
  context: ReadContext,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<CommonOptions & Pick<EvaluateOptions, 'weight'>> {
  const weight = await readClassWeight(context, flags.classWeight, shape);
  return { ...(await readCommon(context, flags, shape)), ...(weight && { weight }) };
}

async function readCommon(
  context: ReadContext,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<CommonOptions> {
  const { sampleWeight: weightPath, mask: maskPath } = flags;
  const sampleWeight =
    weightPath && (await readWeights(context, weightPath, shape.rows, 'row', 'sampleWeight'));
  const mask = maskPath && (await readMask(context, maskPath, shape));
  return { ...lossShapeOf(flags), ...(sampleWeight && { sampleWeight }), ...(mask && { mask }) };
}

const readClassWeight = async (context: ReadContext, path: string | undefined, { classes }: RowsOfClasses) =>
  path === undefined ? undefined : readWeights(context, path, classes, 'class', 'classWeight');

async function readWeights(
  { progress, signal }: ReadContext,
  path: string,
  length: number,
  what: 'class' | 'row',
  argument: 'classWeight' | 'sampleWeight',
): Promise<Float32Array> {
  const options = { signal, onProgress: progress.reading(path) };
  const { data: weights } = (await readMatrix(hostMemory, path, options)).matrix;
  checkWeights(path, weights, 0, what);
  if (weights.length === length) return weights;
  const many = what === 'class' ? counted(length, 'class', 'classes') : counted(length, 'row');
  const message = `${path} has ${counted(weights.length, 'weight')} for ${many}: it needs one for each`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: weights.length });
}

/** Any of the formats of the data; what is not 0 keeps its class. */
async function readMask(
  { progress, signal }: ReadContext,
  path: string,
  { rows, classes }: RowsOfClasses,
): Promise<Uint8Array> {
  const options = { signal, onProgress: progress.reading(path) };
  const { dims, data } = (await readFeatures(hostMemory, path, options)).matrix;
  const [maskRows, columns] = dims;
  if (maskRows === rows && columns === classes)
    return Uint8Array.from(data, (value) => (value === 0 ? 0 : 1));
  const message = `${path} has ${counted(maskRows, 'row')} of ${counted(columns, 'column')}: a mask needs one for each of ${counted(rows, 'row')} and ${counted(classes, 'class', 'classes')}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'mask', value: [maskRows, columns] });
}

// The loss of a model's rows that softshard train minimizes and evaluate tells: its options, read from flags and files, and
// as a model keeps them.

import {
  type EvaluateOptions,
  type FeatureFile,
  type FitLossOptions,
  hostMemory,
  type Json,
  readFeatures,
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
  readonly classNames: readonly string[] | undefined;
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

const readClassWeight = async (
  context: ReadContext,
  path: string | undefined,
  { classes, classNames }: RowsOfClasses,
) =>
  path === undefined ? undefined : readWeights(context, path, classes, 'class', 'classWeight', classNames);

async function readWeights(
  context: ReadContext,
  path: string,
  length: number,
  what: 'class' | 'row',
  argument: 'classWeight' | 'sampleWeight',
  classNames?: readonly string[],
): Promise<Float32Array> {
  const isRight = ({ matrix }: FeatureFile) => matrix.data.length === length;
  const { data } = (await readFitting(context, path, classNames, isRight)).matrix;
  const weights = Float32Array.from(data);
  checkWeights(path, weights, 0, what);
  if (weights.length === length) return weights;
  const many = what === 'class' ? counted(length, 'class', 'classes') : counted(length, 'row');
  const message = `${path} has ${counted(weights.length, 'weight')} for ${many}: it needs one for each`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: weights.length });
}

/** Any of the formats of the data; what is not 0 keeps its class. */
async function readMask(
  context: ReadContext,
  path: string,
  { rows, classes, classNames }: RowsOfClasses,
): Promise<Uint8Array> {
  const isRight = ({ matrix }: FeatureFile) => matrix.dims[0] === rows;
  const { dims, data } = (await readFitting(context, path, classNames, isRight)).matrix;
  const [maskRows, columns] = dims;
  if (maskRows === rows && columns === classes)
    return Uint8Array.from(data, (value) => (value === 0 ? 0 : 1));
  const message = `${path} has ${counted(maskRows, 'row')} of ${counted(columns, 'column')}: a mask needs one for each of ${counted(rows, 'row')} and ${counted(classes, 'class', 'classes')}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'mask', value: [maskRows, columns] });
}

/**
 * Columns that are called as the classes are come in the order of these. Where line 1 may be names or values, the number
 * of values decides.
 */
async function readFitting(
  { progress, signal }: ReadContext,
  path: string,
  classNames: readonly string[] | undefined,
  isRight: (file: FeatureFile) => boolean,
): Promise<FeatureFile> {
  const options = { signal, onProgress: progress.reading(path) };
  const file = await readFeatures(hostMemory, path, options);
  if (file.headerIsGuess && !isRight(file)) {
    const other = await readFeatures(hostMemory, path, { ...options, header: !file.header });
    if (isRight(other)) return other;
  }
  const columns = new Set(file.featureNames);
  const areClasses = columns.size === classNames?.length && classNames.every((name) => columns.has(name));
  return areClasses ? readFeatures(hostMemory, path, { ...options, featureNames: classNames! }) : file;
}

// Loss options of `train` and `evaluate`, read from flags and files.

import { didYouMean } from '../../nearest-name.js';
import { listed, quoted } from '../../printable.js';
import { type Files, hostMemory, readFeatures, SoftshardError, type Training } from '../index.js';
import { given, type LossShapeFlags, lossShapeOf } from './command-options.js';
import { optionsFor } from './dataset.js';
import { UsageError } from './failures.js';
import { counted } from './output.js';
import type { Session } from './session.js';

export interface ModelLossFlags extends LossShapeFlags {
  /** A file, or NAME=WEIGHT,…; for train also "balanced". */
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
}: ModelLossFlags): (string | undefined)[] => [fileOfWeights(classWeight), sampleWeight, mask];

/** The file that --class-weight names, if it names one. */
export const fileOfWeights = (classWeight: string | undefined): string | undefined =>
  classWeight === undefined || classWeight === BALANCED || weightsByName(classWeight)
    ? undefined
    : classWeight;

const NAME_AND_WEIGHT = /^(?<name>.+)=(?<weight>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i;

/** "rare=5,other=0.5"; undefined: it is a file, as "./rare=5" is in any case. */
function weightsByName(
  classWeight: string,
): readonly (readonly [name: string, weight: number])[] | undefined {
  if (/^\.?\.?\//.test(classWeight)) return undefined;
  const parts = classWeight.split(',').map((part) => NAME_AND_WEIGHT.exec(part)?.groups);
  if (parts.includes(undefined)) return undefined;
  return parts.map((groups) => [groups!.name!, Number(groups!.weight)]);
}

interface RowsOfClasses {
  readonly rows: number;
  readonly classes: number;
  readonly classNames: readonly string[] | undefined;
}

interface CommonOptions extends LossShapeFlags {
  readonly sampleWeight?: Float32Array;
  readonly mask?: Uint8Array;
}

export interface TrainLoss {
  readonly options: Training.FitLossOptions;
  /** Stored with the model; of options with one value a row, only that they were given. */
  readonly saved: Readonly<Record<string, Training.Json>>;
}

/** Without ignoreIndex: targetsOf has applied it. */
export async function readTrainLoss(
  session: Session,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<TrainLoss> {
  const { classWeight, ignoreIndex } = flags;
  const weight = classWeight === BALANCED ? BALANCED : await readClassWeight(session, classWeight, shape);
  const options = await readCommon(session, flags, shape);
  return {
    options: { ...options, ...(weight && { weight }) },
    saved: {
      ...lossShapeOf(flags),
      ...(weight && { weight: weight === BALANCED ? weight : [...weight] }),
      ...(options.sampleWeight && { sampleWeight: true }),
      ...(options.mask && { mask: true }),
      ...given({ ignoreIndex }),
    },
  };
}

export async function readEvaluationLoss(
  session: Session,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<CommonOptions & Pick<Training.EvaluateOptions, 'weight'>> {
  const weight = await readClassWeight(session, flags.classWeight, shape);
  return { ...(await readCommon(session, flags, shape)), ...(weight && { weight }) };
}

async function readCommon(
  session: Session,
  flags: ModelLossFlags,
  shape: RowsOfClasses,
): Promise<CommonOptions> {
  const { sampleWeight: weightPath, mask: maskPath } = flags;
  const sampleWeight =
    weightPath === undefined
      ? undefined
      : await readWeights(session, weightPath, shape.rows, 'row', 'sampleWeight');
  const mask = maskPath === undefined ? undefined : await readMask(session, maskPath, shape);
  return { ...lossShapeOf(flags), ...given({ sampleWeight, mask }) };
}

const readClassWeight = async (
  session: Session,
  classWeight: string | undefined,
  { classes, classNames }: RowsOfClasses,
) => {
  if (classWeight === undefined) return undefined;
  const byName = weightsByName(classWeight);
  return byName
    ? weightsOf(byName, classNames ?? Array.from({ length: classes }, (_, index) => String(index)))
    : readWeights(session, classWeight, classes, 'class', 'classWeight', classNames);
};

function weightsOf(
  byName: readonly (readonly [name: string, weight: number])[],
  classes: readonly string[],
): Float32Array {
  const weights = new Float32Array(classes.length).fill(1);
  const seen = new Set<string>();
  for (const [name, weight] of byName) {
    const refuse = (what: string) => new UsageError(`--class-weight has ${what}`);
    const index = classes.indexOf(name);
    if (index < 0) {
      const hint = didYouMean(name, classes);
      throw refuse(
        `a weight for ${quoted(name)}, which is no class${hint}: the classes are ${listed(classes)}`,
      );
    }
    if (seen.has(name)) throw refuse(`two weights for ${quoted(name)}`);
    seen.add(name);
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw refuse(`the weight ${weight} for ${quoted(name)}: it must be finite and at least 0`);
    }
    weights[index] = weight;
  }
  return weights;
}

async function readWeights(
  session: Session,
  path: string,
  length: number,
  what: 'class' | 'row',
  argument: 'classWeight' | 'sampleWeight',
  classNames?: readonly string[],
): Promise<Float32Array> {
  const isRight = ({ matrix }: Files.FeatureFile) => matrix.data.length === length;
  const { data } = (await readFitting(session, path, classNames, isRight)).matrix;
  const weights = Float32Array.from(data);
  checkWeights(path, weights, what);
  if (weights.length === length) return weights;
  const many = what === 'class' ? counted(length, 'class', 'classes') : counted(length, 'row');
  const message = `${path} has ${counted(weights.length, 'weight')} for ${many}: it needs one for each`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: weights.length });
}

/** Weights must be finite and at least 0. */
function checkWeights(path: string, weights: Float32Array, what: 'class' | 'row'): void {
  const index = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (index < 0) return;
  const message = `${path}: ${what} ${index} (from 0): expected a finite weight of at least 0, found ${weights[index]}`;
  throw new SoftshardError('ERR_FORMAT', message, { row: index, value: weights[index] });
}

/** Any nonzero number keeps its class. */
async function readMask(
  session: Session,
  path: string,
  { rows, classes, classNames }: RowsOfClasses,
): Promise<Uint8Array> {
  const isRight = ({ matrix }: Files.FeatureFile) => matrix.dims[0] === rows;
  const { dims, data } = (await readFitting(session, path, classNames, isRight)).matrix;
  const [maskRows, columns] = dims;
  if (maskRows === rows && columns === classes)
    return Uint8Array.from(data, (value) => (value === 0 ? 0 : 1));
  const message = `${path} has ${counted(maskRows, 'row')} of ${counted(columns, 'column')}: a mask needs one for each of ${counted(rows, 'row')} and ${counted(classes, 'class', 'classes')}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'mask', value: [maskRows, columns] });
}

/**
 * Columns named like the classes are put into their order. Where line 1 may be names or values, the expected number of
 * values decides.
 */
async function readFitting(
  { progress, signal }: Session,
  path: string,
  classNames: readonly string[] | undefined,
  isRight: (file: Files.FeatureFile) => boolean,
): Promise<Files.FeatureFile> {
  const read = async (options: Files.CsvOptions) =>
    readFeatures(hostMemory, path, {
      ...(await optionsFor(path, options)),
      signal,
      onProgress: progress.reading(path),
    });
  const file = await read({});
  if (file.headerIsGuess && !isRight(file)) {
    const other = await read({ header: !file.header });
    if (isRight(other)) return other;
  }
  const columns = new Set(file.featureNames);
  const areClasses = columns.size === classNames?.length && classNames.every((name) => columns.has(name));
  return areClasses ? read({ featureNames: classNames! }) : file;
}

// The loss that softshard train minimizes: its options, read from flags and files, and as the model keeps them.

import { type FitLossOptions, type Json, readMatrix, SoftshardError } from '../index.js';
import { type LossShapeFlags, lossShapeOf } from './command-options.js';
import type { ReadContext } from './dataset.js';
import { checkWeights } from './npy-inputs.js';
import { counted } from './output.js';

export interface TrainLossFlags extends LossShapeFlags {
  /** A file or "balanced". */
  classWeight?: string;
  sampleWeight?: string;
  ignoreIndex?: number;
}

const BALANCED = 'balanced';

export const weightFiles = ({ classWeight, sampleWeight }: TrainLossFlags): (string | undefined)[] => [
  classWeight === BALANCED ? undefined : classWeight,
  sampleWeight,
];

export interface TrainLoss {
  readonly options: FitLossOptions;
  /** Sample weights are too many to be kept with the model: only that there were some. */
  readonly saved: Readonly<Record<string, Json>>;
}

/** Labels have been read with the ignoreIndex already: the engine gets targets that it ignores by default. */
export async function readTrainLoss(
  context: ReadContext,
  flags: TrainLossFlags,
  { rows, classes }: { readonly rows: number; readonly classes: number },
): Promise<TrainLoss> {
  const { classWeight, sampleWeight: samplePath, ignoreIndex } = flags;
  const shape = lossShapeOf(flags);
  const weight =
    classWeight === undefined || classWeight === BALANCED
      ? classWeight
      : await readWeights(context, classWeight, classes, 'class');
  const sampleWeight = samplePath && (await readWeights(context, samplePath, rows, 'row'));
  return {
    options: { ...shape, ...(weight && { weight }), ...(sampleWeight && { sampleWeight }) },
    saved: {
      ...shape,
      ...(weight && { weight: weight === BALANCED ? weight : [...weight] }),
      ...(sampleWeight && { sampleWeight: true }),
      ...(ignoreIndex !== undefined && { ignoreIndex }),
    },
  };
}

async function readWeights(
  { engine, progress, signal }: ReadContext,
  path: string,
  length: number,
  what: 'class' | 'row',
): Promise<Float32Array> {
  const { matrix } = await readMatrix(engine, path, { signal, onProgress: progress.reading(path) });
  const weights = matrix.data.slice();
  matrix.free();
  checkWeights(path, weights, 0, what);
  if (weights.length === length) return weights;
  const many = what === 'class' ? counted(length, 'class', 'classes') : counted(length, 'row');
  const message = `${path} has ${counted(weights.length, 'weight')} for ${many}: it needs one for each`;
  const argument = what === 'class' ? 'classWeight' : 'sampleWeight';
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: weights.length });
}

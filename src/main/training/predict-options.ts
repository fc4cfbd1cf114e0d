// What predicting, evaluating and calibrating can be told, by name.
import type { Float32Rows } from '../arguments/matrices.js';
import type { NumericVector } from '../arguments/numeric-vectors.js';
import { RECORD_OPTION_NAMES, type RecordOptions } from '../intake/records.js';
import { LOSS_OPTION_NAMES, type LossOptions } from '../losses/loss-options.js';
import type { OnInvalidInput } from '../models/not-finite.js';
import type { RowTargetOptions } from '../models/row-targets.js';
import type { WeightsByClass } from './class-weights.js';

export interface PredictOptions extends RecordOptions {
  /** For inputs given as a bare array it may be given; it must be the number of features. */
  columns?: number | undefined;
  /**
   * A row whose logits are not finite, because a feature is NaN or infinite or because they overflow: 'throw' (default):
   * ERR_NOT_FINITE names it; 'ignore': its class is -1, its probabilities are NaN, and evaluate leaves it out.
   */
  onInvalidInput?: OnInvalidInput | undefined;
  signal?: AbortSignal | undefined;
}

/** As in crossEntropy, for `loss`, `lossSum` and `weightSum`; ignored rows count in none of the metrics. */
export interface EvaluateOptions
  extends PredictOptions,
    Omit<LossOptions, 'reduction' | 'signal' | 'sampleWeight' | 'weight'>,
    RowTargetOptions {
  /** [classes], each at least 0: the weight of each class; or by name, { rare: 5 }, the others 1. */
  weight?: NumericVector | WeightsByClass | undefined;
  /** For topKAccuracy; default 5, or the number of classes if that is smaller. */
  topK?: number | undefined;
}

/** Rows that do not count may be ignored, as in crossEntropy. */
export interface CalibrateOptions
  extends PredictOptions,
    Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'>,
    Pick<RowTargetOptions, 'sampleWeight'> {}

export interface PredictProbabilitiesOptions extends PredictOptions {
  /** Where to write them, [rows × classes]. */
  into?: Float32Rows | undefined;
}

/** A row without a class has no name. */
export type PredictLabelsOptions = Omit<PredictOptions, 'onInvalidInput'>;

export const PREDICT_LABELS_NAMES: readonly string[] = ['columns', ...RECORD_OPTION_NAMES, 'signal'];
export const PREDICT_NAMES: readonly string[] = [...PREDICT_LABELS_NAMES, 'onInvalidInput'];
export const CALIBRATE_NAMES: readonly string[] = [
  ...PREDICT_NAMES,
  'ignoreIndex',
  'onInvalidTarget',
  'sampleWeight',
];
export const EVALUATE_NAMES: readonly string[] = [
  ...LOSS_OPTION_NAMES.filter((name) => name !== 'reduction'),
  'mask',
  'columns',
  ...RECORD_OPTION_NAMES,
  'onInvalidInput',
  'topK',
];

// Metrics of a whole data set: calibration, perplexity, and scores from a confusion matrix.
import { checkCount, checkLength, checkTargets } from './checks.js';

/** Rows counted by confidence; the counts of parts of a data set add up to those of the whole. */
export interface CalibrationBins {
  /** By bin: how many rows, how many of them right, and the sum of their confidences. */
  readonly rows: Float64Array;
  readonly correct: Float64Array;
  readonly confidenceSum: Float64Array;
}

/**
 * Rows by the probability of their predicted class, in `bins` bins of equal width: bin k holds (k / bins,
 * (k + 1) / bins], the first also 0. confidences and correct (1 or 0) are [rows]. Throws ERR_SHAPE.
 */
export function calibrationBins(
  confidences: ArrayLike<number>,
  correct: ArrayLike<number>,
  bins = 15,
): CalibrationBins {
  checkCount('bins', bins, 1);
  checkLength('correct', correct, confidences.length, 'as confidences');
  const counted = {
    rows: new Float64Array(bins),
    correct: new Float64Array(bins),
    confidenceSum: new Float64Array(bins),
  };
  for (let row = 0; row < confidences.length; row++) {
    const bin = Math.min(Math.max(Math.ceil(confidences[row]! * bins) - 1, 0), bins - 1);
    counted.rows[bin]! += 1;
    counted.correct[bin]! += correct[row]!;
    counted.confidenceSum[bin]! += confidences[row]!;
  }
  return counted;
}

/**
 * Σ_bins (rows of the bin / all rows) · |accuracy - mean confidence|; NaN for no rows. C. Guo et al., "On Calibration of
 * Modern Neural Networks" (2017).
 */
export function expectedCalibrationError({ rows, correct, confidenceSum }: CalibrationBins): number {
  const total = rows.reduce((sum, count) => sum + count, 0);
  return rows.reduce((error, _, bin) => error + Math.abs(correct[bin]! - confidenceSum[bin]!), 0) / total;
}

export interface Perplexity {
  readonly perplexity: number;
  /** NaN for fewer than two rows. */
  readonly standardError: number;
}

/**
 * exp(mean loss) of losses [rows] in nats, with its standard error by the delta method: perplexity · s / √rows, s the
 * sample standard deviation of the losses (divisor rows - 1). Ignored rows are to be left out, not given as 0.
 */
export function perplexity(losses: ArrayLike<number>): Perplexity {
  const values = Float64Array.from(losses);
  const mean = values.reduce((total, loss) => total + loss, 0) / values.length;
  const squares = values.reduce((total, loss) => total + (loss - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (values.length - 1));
  return {
    perplexity: Math.exp(mean),
    standardError: (Math.exp(mean) * deviation) / Math.sqrt(values.length),
  };
}

/** Counts of [target, prediction], [classes × classes]. Throws ERR_SHAPE, ERR_TARGET_RANGE. */
export function confusionMatrix(
  targets: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): Float64Array {
  checkLength('predictions', predictions, targets.length, 'as targets');
  checkTargets(targets, classes);
  checkTargets(predictions, classes, 'predictions');
  const counts = new Float64Array(classes * classes);
  for (let row = 0; row < targets.length; row++) counts[targets[row]! * classes + predictions[row]!]! += 1;
  return counts;
}

/** By class [classes]; a quotient of 0 / 0 is 0, as in scikit-learn. */
export interface ClassScores {
  /** Of the rows predicted to be of the class, the share that is. */
  readonly precision: Float64Array;
  /** Of the rows of the class, the share that is predicted so. */
  readonly recall: Float64Array;
  /** The harmonic mean of both, 2 · right / (rows + predicted). */
  readonly f1: Float64Array;
  /** How many rows the class has. */
  readonly support: Float64Array;
}

/** From a confusion matrix [classes × classes] of [target, prediction]. Throws ERR_SHAPE. */
export function classScores(confusion: ArrayLike<number>, classes: number): ClassScores {
  checkLength('confusion', confusion, classes * classes, 'classes × classes');
  const perClass = (score: (j: number) => number) =>
    Float64Array.from({ length: classes }, (_, j) => score(j));
  const quotient = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const right = perClass((j) => confusion[j * classes + j]!);
  const support = perClass((j) => perClass((k) => confusion[j * classes + k]!).reduce((a, b) => a + b, 0));
  const predicted = perClass((j) => perClass((k) => confusion[k * classes + j]!).reduce((a, b) => a + b, 0));
  return {
    precision: perClass((j) => quotient(right[j]!, predicted[j]!)),
    recall: perClass((j) => quotient(right[j]!, support[j]!)),
    f1: perClass((j) => quotient(2 * right[j]!, support[j]! + predicted[j]!)),
    support,
  };
}

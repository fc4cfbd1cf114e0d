// Metrics computed from counts and exact sums. Everything is rounded once or a few times at the very end, so equal
// tallies give equal bits.
import type { Tensor } from '../memory/tensor.js';
import { quotient, UNIT_BITS } from './exact-sum.js';
import type { Tally } from './tally.js';

export interface CalibrationBin {
  /** Confidences in (from, to]; the first bin also has 0. */
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** Of the bin's rows; NaN for none. */
  readonly accuracy: number;
  /** The mean confidence of the bin's rows; NaN for none. */
  readonly confidence: number;
}

/** By class, [classes]. A quotient of 0 / 0 is 0, as in scikit-learn. */
export interface ClassReport {
  /** Of the rows predicted to be of the class, the share that is. */
  readonly precision: Float64Array;
  /** Of the rows of the class, the share that is predicted so. */
  readonly recall: Float64Array;
  /** 2 · right / (rows of the class + rows predicted to be). */
  readonly f1: Float64Array;
  /** Rows of the class. */
  readonly support: Float64Array;
}

export interface ScoreAverages {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export interface MetricsReport {
  /** Rows counted; all else is about them. */
  readonly rows: number;
  /** Rows left out because of their target. */
  readonly ignored: number;
  /** Mean cross-entropy in nats; NaN for no rows. */
  readonly loss: number;
  readonly lossSum: number;
  /** Of the mean loss: s / √rows, s the sample standard deviation. NaN for fewer than two rows. */
  readonly lossStandardError: number;
  /** exp(loss). */
  readonly perplexity: number;
  /** By the delta method: perplexity · lossStandardError. */
  readonly perplexityStandardError: number;
  /** Rows whose largest logit is the target's; ties go to the lowest class. */
  readonly correct: number;
  readonly accuracy: number;
  /** What the accuracy compares with: the share of the most frequent class. */
  readonly majority: number;
  readonly topK: number;
  readonly topKAccuracy: number;
  /** [topK]: the fraction of rows whose target is among the k largest logits, for k = 1 to topK. */
  readonly accuracyAtK: readonly number[];
  readonly calibration: {
    /** Expected calibration error: Σ (rows of the bin / rows) · |accuracy - confidence|. NaN where a row's softmax is. */
    readonly expectedError: number;
    /** The largest |accuracy - confidence| of a bin with rows. */
    readonly maximumError: number;
    readonly bins: readonly CalibrationBin[];
  };
  readonly perClass: ClassReport;
  /** The mean over the classes that have rows or are predicted. */
  readonly macro: ScoreAverages;
  /** The mean over the classes, weighted by their rows. */
  readonly weighted: ScoreAverages;
  /** Counts of [target, prediction], [classes × classes]; absent beyond 1024 classes. */
  readonly confusion?: Tensor<'float64'>;
}

export function reportOf(tally: Tally): MetricsReport {
  const { rows, ranks, confusion, shape } = tally;
  const { classes, topK } = shape;
  const accuracyAtK: number[] = [];
  for (let k = 0, within = 0; k < topK; k++) {
    within += ranks[k]!;
    accuracyAtK.push(within / rows);
  }
  const perClass = classReport(tally);
  return {
    rows,
    ignored: tally.ignored,
    ...lossReport(tally),
    correct: ranks[0]!,
    accuracy: accuracyAtK[0]!,
    majority: tally.support.reduce((most, count) => Math.max(most, count), 0) / rows,
    topK,
    topKAccuracy: accuracyAtK.at(-1)!,
    accuracyAtK,
    calibration: calibrationReport(tally),
    perClass,
    ...averages(tally, perClass),
    ...(confusion === undefined
      ? {}
      : { confusion: { type: 'float64', dims: [classes, classes], data: confusion.slice() } }),
  };
}

function lossReport({ rows, loss, lossSquares }: Tally) {
  const mean = meanOf(loss.special, loss.units, rows);
  const lossStandardError =
    loss.special === undefined ? standardError(rows, loss.units, lossSquares.units) : Number.NaN;
  const perplexity = Math.exp(mean);
  return {
    loss: mean,
    lossSum: loss.value,
    lossStandardError,
    perplexity,
    perplexityStandardError: perplexity * lossStandardError,
  };
}

function meanOf(special: number | undefined, units: bigint, count: number): number {
  if (special !== undefined) return special;
  return count === 0 ? Number.NaN : quotient(units, BigInt(count) << UNIT_BITS);
}

/** √(s² / n), s² = (n Σ x² - (Σ x)²) / (n (n - 1)): the numerator exact, so no cancellation. */
function standardError(rows: number, units: bigint, squareUnits: bigint): number {
  if (rows < 2) return Number.NaN;
  const count = BigInt(rows);
  // In units of 2^-2148; the squares are in units of 2^-1074.
  const numerator = ((count * squareUnits) << UNIT_BITS) - units * units;
  // Where all losses are equal and their squares' lowest bits were lost, it may fall below 0.
  if (numerator <= 0n) return 0;
  return Math.sqrt(quotient(numerator, (count * count * (count - 1n)) << (2n * UNIT_BITS)));
}

function calibrationReport({ rows, unsure, shape, binRows, binCorrect, binConfidence }: Tally) {
  let gaps = 0n;
  let maximumError = 0;
  const bins = binConfidence.map((confidence, bin): CalibrationBin => {
    const count = binRows[bin]!;
    const gap = (BigInt(binCorrect[bin]!) << UNIT_BITS) - confidence.units;
    const distance = gap < 0n ? -gap : gap;
    gaps += distance;
    if (count > 0) maximumError = Math.max(maximumError, quotient(distance, BigInt(count) << UNIT_BITS));
    return {
      from: bin / shape.bins,
      to: (bin + 1) / shape.bins,
      rows: count,
      accuracy: binCorrect[bin]! / count,
      confidence: meanOf(undefined, confidence.units, count),
    };
  });
  const defined = rows > 0 && unsure === 0;
  return {
    expectedError: defined ? quotient(gaps, BigInt(rows) << UNIT_BITS) : Number.NaN,
    maximumError: defined ? maximumError : Number.NaN,
    bins,
  };
}

function classReport({ right, predicted, support }: Tally): ClassReport {
  const share = (of: (j: number) => number) =>
    Float64Array.from(right, (count, j) => (of(j) === 0 ? 0 : count / of(j)));
  return {
    precision: share((j) => predicted[j]!),
    recall: share((j) => support[j]!),
    f1: share((j) => (support[j]! + predicted[j]!) / 2),
    support: support.slice(),
  };
}

function averages({ rows, support, predicted }: Tally, perClass: ClassReport) {
  const average = (weightOf: (j: number) => number, total: number): ScoreAverages => {
    const mean = (scores: Float64Array) =>
      scores.reduce((sum, score, j) => sum + score * weightOf(j), 0) / total;
    return { precision: mean(perClass.precision), recall: mean(perClass.recall), f1: mean(perClass.f1) };
  };
  const occurs = (j: number) => (support[j]! + predicted[j]! > 0 ? 1 : 0);
  const occurring = support.reduce((count, _, j) => count + occurs(j), 0);
  return { macro: average(occurs, occurring), weighted: average((j) => support[j]!, rows) };
}

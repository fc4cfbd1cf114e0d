// The counts and exact sums that metrics are made of: what is added up, and merges without rounding.
import { ExactSum } from './exact-sum.js';
import type { RowPredictions } from './row-predictions.js';

/** A confusion matrix has classes² entries; beyond this many classes it is left out. */
const MAX_CONFUSION_CLASSES = 1024;

export interface TallyShape {
  readonly classes: number;
  readonly topK: number;
  readonly bins: number;
  readonly ignoreIndex: number;
}

/** Counts are float64 integers: exact up to 2^53 rows. */
export class Tally {
  readonly shape: TallyShape;
  rows = 0;
  ignored = 0;
  /** Rows without a confidence, because their softmax is NaN. */
  unsure = 0;
  readonly loss = new ExactSum();
  readonly lossSquares = new ExactSum();
  /** [topK]: rows whose target has so many classes before it. */
  readonly ranks: Float64Array;
  /** [classes]: rows of the class, rows predicted to be of it, and those that are both. */
  readonly support: Float64Array;
  readonly predicted: Float64Array;
  readonly right: Float64Array;
  /** [classes × classes] of [target, prediction], or undefined for many classes. */
  readonly confusion: Float64Array | undefined;
  /** [bins] of confidence. */
  readonly binRows: Float64Array;
  readonly binCorrect: Float64Array;
  readonly binConfidence: readonly ExactSum[];

  constructor(shape: TallyShape) {
    const { classes, topK, bins } = shape;
    this.shape = shape;
    this.ranks = new Float64Array(topK);
    this.support = new Float64Array(classes);
    this.predicted = new Float64Array(classes);
    this.right = new Float64Array(classes);
    this.confusion = classes <= MAX_CONFUSION_CLASSES ? new Float64Array(classes * classes) : undefined;
    this.binRows = new Float64Array(bins);
    this.binCorrect = new Float64Array(bins);
    this.binConfidence = Array.from({ length: bins }, () => new ExactSum());
  }

  add({ predictions, ranks, losses, confidences }: RowPredictions, classOf: (row: number) => number): void {
    for (let row = 0; row < ranks.length; row++) {
      const rank = ranks[row]!;
      if (rank < 0) {
        this.ignored++;
        continue;
      }
      this.rows++;
      this.#addClass(classOf(row), predictions[row]!);
      if (rank < this.ranks.length) this.ranks[rank]!++;
      this.loss.add(losses[row]!);
      this.lossSquares.addSquare(losses[row]!);
      this.#addConfidence(confidences[row]!, rank === 0);
    }
  }

  /** Adds the counts of a tally of the same shape. */
  merge(other: Tally): void {
    this.rows += other.rows;
    this.ignored += other.ignored;
    this.unsure += other.unsure;
    this.loss.merge(other.loss);
    this.lossSquares.merge(other.lossSquares);
    for (const name of COUNTS) addCounts(this[name], other[name]);
    if (this.confusion !== undefined) addCounts(this.confusion, other.confusion!);
    for (const [bin, sum] of this.binConfidence.entries()) sum.merge(other.binConfidence[bin]!);
  }

  #addClass(target: number, prediction: number): void {
    this.support[target]!++;
    this.predicted[prediction]!++;
    if (target === prediction) this.right[target]!++;
    if (this.confusion !== undefined) this.confusion[target * this.shape.classes + prediction]!++;
  }

  /** Bin k holds (k / bins, (k + 1) / bins]. */
  #addConfidence(confidence: number, correct: boolean): void {
    if (Number.isNaN(confidence)) {
      this.unsure++;
      return;
    }
    const { bins } = this.shape;
    const bin = Math.min(bins - 1, Math.max(0, ceilingOfProduct(confidence, bins) - 1));
    this.binRows[bin]!++;
    if (correct) this.binCorrect[bin]!++;
    this.binConfidence[bin]!.add(confidence);
  }
}

/**
 * The least whole number that is not below the exact product, for counts below 2^24: a float32 times a count is exact, and
 * what a float64 has beyond one decides where their product rounds to a whole number.
 */
function ceilingOfProduct(value: number, count: number): number {
  const product = value * count;
  const whole = Math.ceil(product);
  const high = Math.fround(value);
  return whole === product && (value - high) * count > whole - high * count ? whole + 1 : whole;
}

export const COUNTS = ['ranks', 'support', 'predicted', 'right', 'binRows', 'binCorrect'] as const;

function addCounts(counts: Float64Array, others: Float64Array): void {
  for (let i = 0; i < counts.length; i++) counts[i]! += others[i]!;
}

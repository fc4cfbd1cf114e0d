// How many rows there are of each class, and how well a model does that knows nothing else.
import { IGNORED, type RowTargets } from '../models/row-targets.js';
import { type FitLoss, isConvex } from './fit-loss.js';

export interface ClassCounts {
  /** [classes]; with soft targets of the class with the largest share. */
  readonly rows: Float64Array;
  readonly all: number;
  /** The share of the most frequent class; NaN without rows. */
  readonly majority: number;
}

/** Of the rows with these numbers that are not ignored. */
export function countClasses(
  targets: Pick<RowTargets, 'classes'>,
  rowNumbers: Iterable<number>,
  classes: number,
): ClassCounts {
  const rows = new Float64Array(classes);
  let all = 0;
  for (const row of rowNumbers) {
    const target = targets.classes[row]!;
    if (target === IGNORED) continue;
    rows[target]!++;
    all++;
  }
  return { rows, all, majority: rows.reduce((most, count) => Math.max(most, count), 0) / all };
}

/** Mean losses of models that do not look at the features. */
export interface BaselineLosses {
  /** All classes have the same probability: ln(classes). */
  readonly uniform: number;
  /** Those of the classes' shares, weights included. */
  readonly prior: number;
}

/** Undefined where the loss is not comparable to a cross-entropy of classes. */
export function baselineLosses(
  targets: RowTargets,
  rowNumbers: Uint32Array,
  loss: FitLoss,
  classes: number,
): BaselineLosses | undefined {
  const { weight, labelSmoothing, reduction } = loss;
  if (targets.softTargets !== undefined || targets.mask !== undefined) return undefined;
  if (!isConvex(loss) || reduction !== 'mean' || (weight !== undefined && labelSmoothing > 0))
    return undefined;
  const weights = new Float64Array(classes);
  let all = 0;
  for (const row of rowNumbers) {
    const target = targets.classes[row]!;
    if (target === IGNORED) continue;
    const own = (weight?.[target] ?? 1) * (targets.sampleWeight?.[row] ?? 1);
    weights[target]! += own;
    all += own;
  }
  let prior = 0;
  for (const own of weights) {
    const share = (1 - labelSmoothing) * (own / all) + labelSmoothing / classes;
    if (share > 0) prior -= share * Math.log(share);
  }
  return { uniform: Math.log(classes), prior };
}

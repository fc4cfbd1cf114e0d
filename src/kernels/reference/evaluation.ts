// What a model predicts for labelled rows: class, rank of the target, and accuracy from the ranks.
import { checkCount, checkLength, checkMatrix, checkTargets } from './checks.js';

/**
 * The lowest class of the largest logit. NaN is never the largest; a row of nothing but NaN gives 0, an empty
 * row throws ERR_SHAPE.
 */
export function predictedClass(logits: ArrayLike<number>): number {
  checkCount('the number of logits', logits.length, 1);
  let predicted = -1;
  for (let j = 0; j < logits.length; j++) {
    if (Number.isNaN(logits[j])) continue;
    if (predicted === -1 || logits[j]! > logits[predicted]!) predicted = j;
  }
  return Math.max(predicted, 0);
}

/**
 * How many classes come before the target: those with a larger logit, and those of a lower index with an equal one.
 * 0 means predicted; the number of classes means that the target's logit is NaN. Other NaN come after all
 * numbers. Throws ERR_TARGET_RANGE.
 */
export function rankOfTarget(logits: ArrayLike<number>, target: number): number {
  checkTargets([target], logits.length);
  const targetLogit = logits[target]!;
  if (Number.isNaN(targetLogit)) return logits.length;
  let rank = 0;
  for (let j = 0; j < logits.length; j++) {
    if (logits[j]! > targetLogit || (logits[j] === targetLogit && j < target)) rank += 1;
  }
  return rank;
}

/** Predictions and ranks [rows], the latter empty where no targets were given. */
export interface Evaluation {
  readonly predictions: Int32Array;
  readonly ranks: Int32Array;
}

/** predictedClass and rankOfTarget of each row of logits [rows × classes]. Throws ERR_SHAPE, ERR_TARGET_RANGE. */
export function evaluateRows(
  logits: ArrayLike<number>,
  rows: number,
  classes: number,
  targets?: ArrayLike<number>,
): Evaluation {
  checkMatrix('logits', logits, rows, classes, 'rows × classes');
  if (targets !== undefined) {
    checkLength('targets', targets, rows, 'rows');
    checkTargets(targets, classes);
  }
  const matrix = Float64Array.from(logits);
  const predictions = new Int32Array(rows);
  const ranks = new Int32Array(targets === undefined ? 0 : rows);
  for (let row = 0; row < rows; row++) {
    const logitsOfRow = matrix.subarray(row * classes, (row + 1) * classes);
    predictions[row] = predictedClass(logitsOfRow);
    if (targets !== undefined) ranks[row] = rankOfTarget(logitsOfRow, targets[row]!);
  }
  return { predictions, ranks };
}

/** The share of rows whose target is among the first k classes: rank < k. NaN for no rows; k at least 1 (ERR_SHAPE). */
export function topKAccuracy(ranks: ArrayLike<number>, k: number): number {
  checkCount('k', k, 1);
  let hits = 0;
  for (let row = 0; row < ranks.length; row++) if (ranks[row]! < k) hits += 1;
  return hits / ranks.length;
}

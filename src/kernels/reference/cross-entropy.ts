// Cross-entropy in float64: as the double sum over probabilities, and from logits without ever forming them.
import { checkChoice, checkCount, checkLength, checkMatrix, checkTargets } from './checks.js';
import { logSoftmax } from './softmax.js';

/** How per-row losses become the result: kept, averaged over the rows, or summed. */
export type Reduction = 'none' | 'mean' | 'sum';

/**
 * y [rows × classes]: 1 at each row's target, 0 elsewhere. targets [rows] are class indices. Throws
 * ERR_TARGET_RANGE where one is not in [0, classes).
 */
export function oneHot(targets: ArrayLike<number>, classes: number): Float64Array {
  checkCount('classes', classes);
  checkTargets(targets, classes);
  const encoded = new Float64Array(targets.length * classes);
  for (let row = 0; row < targets.length; row++) encoded[row * classes + targets[row]!] = 1;
  return encoded;
}

/**
 * L = -Σ_i Σ_j y_ij log a_ij, summed over the rows. probabilities and targetProbabilities [rows × classes], the
 * targets one-hot or soft. A term with y_ij = 0 is 0 also where a_ij = 0 (the limit of y log a as y goes to 0);
 * y_ij > 0 with a_ij = 0 gives Infinity, NaN in probabilities gives NaN. With a floor above 0, smaller probabilities
 * count as the floor, so that the loss is finite: log max(a_ij, floor). Throws ERR_SHAPE.
 */
export function crossEntropyOfProbabilities(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
  rows: number,
  classes: number,
  floor = 0,
): number {
  checkMatrix('probabilities', probabilities, rows, classes, 'rows × classes');
  checkMatrix('targetProbabilities', targetProbabilities, rows, classes, 'rows × classes');
  let loss = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < classes; j++) {
      const probability = probabilities[i * classes + j]!;
      const target = targetProbabilities[i * classes + j]!;
      if (target === 0 && !Number.isNaN(probability)) continue;
      loss -= target * Math.log(Math.max(probability, floor));
    }
  }
  return loss;
}

/**
 * loss_i = -log softmax(z_i)[t_i] = logSumExp(z_i) - z_i[t_i], from logits [rows × classes] and class indices
 * targets [rows]. 'none' gives the losses [rows], 'sum' their sum, 'mean' the sum divided by rows (NaN for no
 * rows), as PyTorch's cross_entropy. A row whose logits give a NaN softmax has loss NaN; a target with logit
 * -Infinity in any other row has loss Infinity. Throws ERR_SHAPE, ERR_TARGET_RANGE, ERR_OPTION.
 */
export function crossEntropy(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  reduction: 'none',
): Float64Array;
export function crossEntropy(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  reduction?: 'mean' | 'sum',
): number;
export function crossEntropy(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  reduction: Reduction = 'mean',
): Float64Array | number {
  checkChoice('reduction', reduction, ['none', 'mean', 'sum'] satisfies Reduction[]);
  const losses = lossOfEachRow(logits, targets, rows, classes);
  if (reduction === 'none') return losses;
  const lossSum = losses.reduce((total, loss) => total + loss, 0);
  return reduction === 'sum' ? lossSum : lossSum / rows;
}

function lossOfEachRow(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
): Float64Array {
  checkMatrix('logits', logits, rows, classes, 'rows × classes');
  checkLength('targets', targets, rows, 'rows');
  checkTargets(targets, classes);
  const matrix = Float64Array.from(logits);
  const losses = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const logProbabilities = logSoftmax(matrix.subarray(row * classes, (row + 1) * classes));
    losses[row] = 0 - logProbabilities[targets[row]!]!; // 0 - 0 is 0, where -0 would be the sign's
  }
  return losses;
}

// The gradients of cross-entropy back to the logits: link by link through the chain rule, and the short form a - y.
import { checkLength, checkMatrix } from './checks.js';
import { oneHot } from './cross-entropy.js';
import { mapRows, softmax } from './softmax.js';

/**
 * ∂L/∂a_ij = -y_ij / a_ij for L = -Σ_i Σ_j y_ij log a_ij. Both [any number of rows × classes], the same length
 * (else ERR_SHAPE). 0 where y_ij = 0, also at a_ij = 0; -Infinity where y_ij > 0 and a_ij = 0. 0 also where a_ij is
 * below the floor, for there the loss does not depend on it.
 */
export function crossEntropyGradientOfProbabilities(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
  floor = 0,
): Float64Array {
  checkLength('targetProbabilities', targetProbabilities, probabilities.length, 'as probabilities');
  return Float64Array.from(probabilities, (probability, index) => {
    if (probability < floor) return 0;
    const target = targetProbabilities[index]!;
    return target === 0 && !Number.isNaN(probability) ? 0 : -target / probability;
  });
}

/**
 * J_ij = ∂a_i/∂z_j = a_i (δ_ij - a_j), so J = diag(a) - a aᵀ. One row of probabilities a [classes] in,
 * [classes × classes] out. J is symmetric, and each of its rows and columns sums to 0.
 */
export function softmaxJacobian(probabilities: ArrayLike<number>): Float64Array {
  const classes = probabilities.length;
  const jacobian = new Float64Array(classes * classes);
  for (let i = 0; i < classes; i++) {
    for (let j = 0; j < classes; j++) {
      const identity = i === j ? 1 : 0;
      jacobian[i * classes + j] = probabilities[i]! * (identity - probabilities[j]!);
    }
  }
  return jacobian;
}

/**
 * ∂L/∂z_j = Σ_i J_ij ∂L/∂a_i, the chain rule with the whole Jacobian: for any loss, one row, classes² work.
 * probabilities and gradProbabilities [classes]; throws ERR_SHAPE where they differ in length.
 */
export function softmaxBackwardByJacobian(
  probabilities: ArrayLike<number>,
  gradProbabilities: ArrayLike<number>,
): Float64Array {
  checkLength('gradProbabilities', gradProbabilities, probabilities.length, 'as probabilities');
  const classes = probabilities.length;
  const jacobian = softmaxJacobian(probabilities);
  const gradLogits = new Float64Array(classes);
  for (let j = 0; j < classes; j++) {
    for (let i = 0; i < classes; i++) {
      gradLogits[j]! += jacobian[i * classes + j]! * gradProbabilities[i]!;
    }
  }
  return gradLogits;
}

/**
 * ∂L/∂z_j = a_j (∂L/∂a_j - Σ_i a_i ∂L/∂a_i): the same product without the Jacobian, with `classes` work. One row;
 * shapes as softmaxBackwardByJacobian.
 */
export function softmaxBackward(
  probabilities: ArrayLike<number>,
  gradProbabilities: ArrayLike<number>,
): Float64Array {
  checkLength('gradProbabilities', gradProbabilities, probabilities.length, 'as probabilities');
  let meanGradient = 0;
  for (let i = 0; i < probabilities.length; i++) meanGradient += probabilities[i]! * gradProbabilities[i]!;
  return Float64Array.from(
    probabilities,
    (probability, j) => probability * (gradProbabilities[j]! - meanGradient),
  );
}

/**
 * ∂L/∂z = a - y: what -y/a becomes on its way through the softmax when each row of y sums to 1 (for a row that
 * sums to s it would be s a - y). Both [any number of rows × classes], the same length (else ERR_SHAPE).
 */
export function crossEntropyGradientOfLogits(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
): Float64Array {
  checkLength('targetProbabilities', targetProbabilities, probabilities.length, 'as probabilities');
  return Float64Array.from(probabilities, (probability, index) => probability - targetProbabilities[index]!);
}

/**
 * scale · (softmax(logits) - one-hot(targets)) [rows × classes]: the gradient of scale · (sum of the losses). With
 * the 'mean' reduction scale is 1 / rows, with 'sum' it is 1. targets [rows] are class indices. Rows whose
 * softmax is NaN give NaN. Throws ERR_SHAPE, ERR_TARGET_RANGE.
 */
export function crossEntropyGradient(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  scale = 1,
): Float64Array {
  checkMatrix('logits', logits, rows, classes, 'rows × classes');
  checkLength('targets', targets, rows, 'rows');
  const probabilities = mapRows(logits, rows, classes, softmax);
  const difference = crossEntropyGradientOfLogits(probabilities, oneHot(targets, classes));
  return difference.map((gradient) => scale * gradient);
}

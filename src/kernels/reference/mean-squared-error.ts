// Mean squared error of probabilities in float64: the loss that cross-entropy is measured against.
import { checkLength, checkMatrix } from './checks.js';
import { softmaxBackward } from './gradients.js';

/**
 * 1/n Σ_ij (a_ij - y_ij)² over all n = rows · classes elements, as PyTorch's mse_loss; NaN for no elements. For
 * probabilities it is the Brier score divided by the number of classes (G. W. Brier, 1950). Both
 * [any number of rows × classes], the same length (else ERR_SHAPE).
 */
export function meanSquaredError(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
): number {
  checkLength('targetProbabilities', targetProbabilities, probabilities.length, 'as probabilities');
  let sum = 0;
  for (let index = 0; index < probabilities.length; index++) {
    sum += (probabilities[index]! - targetProbabilities[index]!) ** 2;
  }
  return sum / probabilities.length;
}

/** ∂/∂a_ij = 2 (a_ij - y_ij) / n, n and shapes as in meanSquaredError. Throws ERR_SHAPE. */
export function meanSquaredErrorGradientOfProbabilities(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
): Float64Array {
  checkLength('targetProbabilities', targetProbabilities, probabilities.length, 'as probabilities');
  return Float64Array.from(
    probabilities,
    (probability, index) => (2 * (probability - targetProbabilities[index]!)) / probabilities.length,
  );
}

/**
 * ∂/∂z of meanSquaredError(softmax(z), y), row by row through the softmax's Jacobian. Its factor a_j is what
 * stops learning where a row is confidently wrong. Both [rows × classes]; throws ERR_SHAPE.
 */
export function meanSquaredErrorGradientOfLogits(
  probabilities: ArrayLike<number>,
  targetProbabilities: ArrayLike<number>,
  rows: number,
  classes: number,
): Float64Array {
  checkMatrix('probabilities', probabilities, rows, classes, 'rows × classes');
  const matrix = Float64Array.from(probabilities);
  const gradProbabilities = meanSquaredErrorGradientOfProbabilities(matrix, targetProbabilities);
  const gradLogits = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const begin = row * classes;
    const end = begin + classes;
    gradLogits.set(
      softmaxBackward(matrix.subarray(begin, end), gradProbabilities.subarray(begin, end)),
      begin,
    );
  }
  return gradLogits;
}

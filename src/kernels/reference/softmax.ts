// Softmax and its logarithm for one row in float64: the textbook formula, and the forms that survive any logits.
import { checkLength, checkMatrix } from './checks.js';

/**
 * a_j = exp(z_j) / Σ_k exp(z_k), exactly as written, to show why nobody computes it that way: a logit above
 * about 709.78 makes exp overflow and its class NaN (Infinity / Infinity), and a row whose logits all lie
 * below about -745.13 is NaN (0 / 0). One row [classes] in, one row out.
 */
export function softmaxNaive(logits: ArrayLike<number>): Float64Array {
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit));
  const sum = exponentials.reduce((total, exponential) => total + exponential, 0);
  return exponentials.map((exponential) => exponential / sum);
}

/**
 * a_j = exp(z_j - max z) / Σ_k exp(z_k - max z): the same quotient, both sides divided by exp(max z), so that the
 * largest exponential is 1 and nothing overflows. One row [classes] in, one row out; an empty row stays empty.
 * Edge rows as PyTorch's: a row with NaN, with +Infinity or of nothing but -Infinity is all NaN. A single
 * -Infinity has probability 0.
 */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const rowMax = largest(logits);
  if (!Number.isFinite(rowMax)) return new Float64Array(logits.length).fill(Number.NaN);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - rowMax));
  const rowSum = exponentials.reduce((total, exponential) => total + exponential, 0);
  return exponentials.map((exponential) => exponential / rowSum);
}

/**
 * log a_j = (z_j - max z) - log Σ_k exp(z_k - max z). Never the logarithm of a rounded probability: where a_j
 * underflows to 0 this still gives z_j - logSumExp(z). One row [classes] in, one row out; edge rows as softmax,
 * a single -Infinity stays -Infinity.
 */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const rowMax = largest(logits);
  if (!Number.isFinite(rowMax)) return new Float64Array(logits.length).fill(Number.NaN);
  const logSum = logOfShiftedSum(logits, rowMax);
  return Float64Array.from(logits, (logit) => logit - rowMax - logSum);
}

/**
 * log Σ_k exp(z_k) = max z + log Σ_k exp(z_k - max z). NaN where the row has NaN, else +Infinity where it has
 * +Infinity, -Infinity for a row of nothing but -Infinity and for an empty row.
 */
export function logSumExp(logits: ArrayLike<number>): number {
  const rowMax = largest(logits);
  if (!Number.isFinite(rowMax)) return rowMax;
  return rowMax + logOfShiftedSum(logits, rowMax);
}

/**
 * Applies a function of one row to each row of matrix [rows × columns] and gives the rows it returns:
 * mapRows(logits, rows, classes, softmax). The function must keep the length of a row. Throws ERR_SHAPE where
 * the matrix or a returned row has another length.
 */
export function mapRows(
  matrix: ArrayLike<number>,
  rows: number,
  columns: number,
  operation: (row: Float64Array) => ArrayLike<number>,
): Float64Array {
  checkMatrix('matrix', matrix, rows, columns, 'rows × columns');
  const mapped = Float64Array.from(matrix);
  for (let row = 0; row < rows; row++) {
    const begin = row * columns;
    const result = operation(mapped.slice(begin, begin + columns));
    checkLength('the returned row', result, columns, 'columns');
    mapped.set(result, begin);
  }
  return mapped;
}

/** The largest element; NaN as soon as one is NaN, -Infinity for an empty row. */
function largest(row: ArrayLike<number>): number {
  let found = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < row.length; j++) found = Math.max(found, row[j]!);
  return found;
}

/**
 * log Σ_k exp(z_k - rowMax) as log1p of the sum without the largest term, which is exactly 1: so the tiny loss of
 * a confident row keeps its digits (z = [40, 0] gives 4.2e-18, not 0). P. Blanchard, D. J. Higham, N. J. Higham,
 * "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021).
 */
function logOfShiftedSum(logits: ArrayLike<number>, rowMax: number): number {
  let sumOfOthers = 0;
  let largestSeen = false;
  for (let j = 0; j < logits.length; j++) {
    if (!largestSeen && logits[j] === rowMax) largestSeen = true;
    else sumOfOthers += Math.exp(logits[j]! - rowMax);
  }
  return Math.log1p(sumOfOthers);
}

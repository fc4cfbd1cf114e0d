// The scratch of cross-entropy with options: the numbers of the current row (float64), then four rows of whole vectors.
//
//   header          the numbers below
//   scores          u, -Infinity beyond the last column
//   coefficients    q' but for the one-hot part (coefficientAtTarget); 0 beyond the last column
//   cap slopes      the derivative of the soft cap
//   spare           exponentials, where the scores are still needed after them
//
// Exponentials otherwise overwrite the scores. Padded to whole vectors, these rows need no tails; only the passes that
// read or write the caller's arrays do.
import { LOSS_SCRATCH_HEADER, lossScratchRowBytes } from '../../loss-layout';

/** The largest score. */
export const ROW_MAX: usize = 0;
/** Σ exp(u - max); NaN where the row has no softmax. */
export const ROW_SUM: usize = 8;
/** log of ROW_SUM, small ones with all their digits. */
export const ROW_LOG_SUM: usize = 16;
/** In a confident row (see ROW_DOMINANT) ROW_SUM without the largest term, which is 1. */
export const ROW_OTHERS: usize = 24;
/** Int32. In a row whose sum is below CONFIDENT_SUM the column of the largest score, which is then unique; else -1. */
export const ROW_DOMINANT: usize = 32;
/** Int32. Index of the target, -1 with soft targets. */
export const ROW_TARGET: usize = 36;
/** The target's score. */
export const ROW_TARGET_SCORE: usize = 40;
/** Σ of the coefficients row; 0 when there is none. */
export const ROW_COEFFICIENT_SUM: usize = 48;
/** The share of the one-hot part in the coefficient of the target. */
export const ROW_COEFFICIENT_AT_TARGET: usize = 56;
/** Int32. Whether there is a row of coefficients. */
export const ROW_HAS_COEFFICIENTS: usize = 64;
/** The address of the exponentials. */
export const ROW_EXPONENTIALS: usize = 68;
/** sampleWeight; the gradient multiplies in all its factors. */
export const ROW_WEIGHT: usize = 72;

@inline
function rowBytesOf<T>(columns: i32): usize {
  return <usize>lossScratchRowBytes(columns, <i32>sizeof<T>());
}

@inline
export function scoresOf(scratch: usize): usize {
  return scratch + LOSS_SCRATCH_HEADER;
}

@inline
export function coefficientsOf<T>(scratch: usize, columns: i32): usize {
  return scoresOf(scratch) + rowBytesOf<T>(columns);
}

@inline
export function capSlopesOf<T>(scratch: usize, columns: i32): usize {
  return scoresOf(scratch) + 2 * rowBytesOf<T>(columns);
}

@inline
export function spareOf<T>(scratch: usize, columns: i32): usize {
  return scoresOf(scratch) + 3 * rowBytesOf<T>(columns);
}

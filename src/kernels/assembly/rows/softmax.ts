// Softmax, its logarithm, and the log-sum-exp of rows of logits; the contracts are in kernels.ts.
import { logOfSum } from '../exp/log-sums';
import { fillWithNaN, hasNaN, storeFloat32 } from '../vectors/not-a-number';
import { CONFIDENT_SUM, EXACT, EXACT_STORED_SHIFTS, STORED_SHIFTS } from './exp-unrolled';
import { LOG_SOFTMAX, LOG_SUM_EXP, runNarrow, SOFTMAX } from './narrow/narrow-rows';
import { aheadOf } from './prefetch';
import { exactSumOfExps, sumOfExps, sumOfExpsAs } from './row-sums';
import { loadTail } from './row-tails';
import { rowMax, shiftRow, softmaxRow } from './rows';

/** exp(z - max) / sum of exp(z - max); output may be the logits. */
export function softmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  if (runNarrow(SOFTMAX, output, 0, 0, logits, 0, rows, columns, stride, 0)) return;
  probabilityRows(output, logits, rows, columns, stride);
}

function probabilityRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = (<usize>stride) << 2;
  for (; rows > 0; rows--) {
    softmaxRow(output, logits, columns, rowMax(logits, columns), 1, false, aheadOf(rows, strideBytes));
    logits += strideBytes;
    output += strideBytes;
  }
}

/**
 * (z - max) - log(sum of exp(z - max)); output may be the logits. Error below 3e-7 + 1.2e-7 of the value; the largest
 * element, however close to 0, has the relative error of a loss.
 */
export function logSoftmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  if (runNarrow(LOG_SOFTMAX, output, 0, 0, logits, 0, rows, columns, stride, 0)) return;
  logProbabilityRows(output, logits, rows, columns, stride);
}

function logProbabilityRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = (<usize>stride) << 2;
  let isConfident = false;
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    const tail = loadTail(logits, columns);
    const shiftedTail = f32x4.sub(tail, f32x4.splat(max));
    // The same bits either way. Guesses that a confident row follows another, so that most take one pass.
    let sum = isConfident
      ? sumOfExpsAs(EXACT_STORED_SHIFTS, output, logits, columns, max, tail, aheadOf(rows, strideBytes))
      : sumOfExpsAs(STORED_SHIFTS, output, logits, columns, max, tail, aheadOf(rows, strideBytes));
    if (!isConfident && sum < CONFIDENT_SUM) sum = sumOfExpsAs(EXACT, 0, output, columns, 0, shiftedTail, 0);
    isConfident = sum < 1;
    if (sum == sum) shiftRow(output, columns, shiftedTail, <f32>logOfSum(sum));
    else fillWithNaN(output, columns);
    logits += strideBytes;
    output += strideBytes;
  }
}

/**
 * output [rows] = max + log(sum of exp(z - max)), added up in float64. Error below 4e-7 and one rounding to float32; where
 * exactLogSum applies below 1e-6 of log(sum), apart from that rounding and the one of z - max as softmaxRow says.
 */
export function logSumExpRows(output: usize, logits: usize, rows: i32, columns: i32): void {
  if (runNarrow(LOG_SUM_EXP, output, 0, 0, logits, 0, rows, columns, columns, 0)) return;
  logSums(output, logits, rows, columns);
}

function logSums(output: usize, logits: usize, rows: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    storeLogSum(output, logits, columns, max, logOfSum(sumOfExps(logits, columns, max, aheadOf(rows, rowBytes))));
    logits += rowBytes;
    output += 4;
  }
}

/**
 * logSum is the logarithm of the sum of exponentials. Where the largest logit dominates and is near 0, that logarithm
 * is most of log-sum-exp: it is computed again with all its digits, by log1p. Elsewhere adding max would round them
 * away.
 */
@inline
function exactLogSum(logSum: f64, row: usize, columns: i32, max: f32): f64 {
  if (logSum > LOG_CONFIDENT_SUM || abs(max) > 1) return logSum;
  const sum = exactSumOfExps(row, columns, max);
  return sum < 1 ? logOfSum(sum) : logSum;
}

/** A little more than log(CONFIDENT_SUM). */
const LOG_CONFIDENT_SUM: f64 = 0.41;

/**
 * Stores max + logSum. Where logSum is NaN the result is NaN for a row with a NaN, else the largest logit, which is
 * infinite.
 */
@inline
function storeLogSum(output: usize, row: usize, columns: i32, max: f32, logSum: f64): void {
  if (logSum == logSum) storeFloat32(output, <f64>max + exactLogSum(logSum, row, columns, max));
  else storeFloat32(output, hasNaN(row, columns) ? NaN : <f64>max);
}

// Softmax, its logarithm, and the log-sum-exp of rows of logits; the contracts are in kernels.ts.
import { logOf, logPair } from "./log";
import {
  Four,
  Many,
  narrowRowMax,
  narrowShiftRow,
  narrowSoftmaxRow,
  narrowSumOfExps,
  narrowVectors,
  One,
  Three,
  Two,
  vectorsOf,
} from "./narrow-rows";
import { fillWithNaN, hasNaN, storeFloat32 } from "./not-a-number";
import { CONFIDENT_SUM, exactSumOfExps, sumOfExps, sumOfExpsAs } from "./row-sums";
import { loadTail } from "./row-tails";
import { rowMax, shiftRow, softmaxRow } from "./rows";
import { aheadOf } from "./rows-ahead";
import { EXACT, EXACT_STORED_SHIFTS, STORED_SHIFTS } from "./sum-kinds";

/** exp(z - max) / sum of exp(z - max); output may be the logits. */
export function softmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  switch (narrowVectors(columns)) {
    case 1:
      return probabilityRows<One>(output, logits, rows, columns, stride);
    case 2:
      return probabilityRows<Two>(output, logits, rows, columns, stride);
    case 3:
      return probabilityRows<Three>(output, logits, rows, columns, stride);
    case 4:
      return probabilityRows<Four>(output, logits, rows, columns, stride);
    default:
      return probabilityRows<Many>(output, logits, rows, columns, stride);
  }
}

function probabilityRows<Vectors>(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = <usize>stride << 2;
  for (; rows > 0; rows--) {
    if (vectorsOf<Vectors>()) {
      narrowSoftmaxRow<Vectors>(output, logits, columns, narrowRowMax<Vectors>(logits, columns), 1, false);
    } else {
      softmaxRow(output, logits, columns, rowMax(logits, columns), 1, false, aheadOf(rows, strideBytes));
    }
    logits += strideBytes;
    output += strideBytes;
  }
}

/**
 * (z - max) - log(sum of exp(z - max)); output may be the logits. Error below 3e-7 + 1.2e-7 of the value, and of the
 * largest element, however close to 0, as small a fraction of it as that of a loss.
 */
export function logSoftmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  switch (narrowVectors(columns)) {
    case 1:
      return logProbabilityRows<One>(output, logits, rows, columns, stride);
    case 2:
      return logProbabilityRows<Two>(output, logits, rows, columns, stride);
    case 3:
      return logProbabilityRows<Three>(output, logits, rows, columns, stride);
    case 4:
      return logProbabilityRows<Four>(output, logits, rows, columns, stride);
    default:
      return logProbabilityRows<Many>(output, logits, rows, columns, stride);
  }
}

function logProbabilityRows<Vectors>(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = <usize>stride << 2;
  if (vectorsOf<Vectors>()) {
    // Two logarithms at once, as lossesOf does.
    for (; rows >= 2; rows -= 2) {
      const next = logits + strideBytes;
      const max0 = narrowRowMax<Vectors>(logits, columns);
      const max1 = narrowRowMax<Vectors>(next, columns);
      const sum0 = narrowSumOfExps<Vectors>(logits, columns, max0, true);
      const sum1 = narrowSumOfExps<Vectors>(next, columns, max1, true);
      const areConfident = sum0 < 1 || sum1 < 1;
      const logs = areConfident ? f64x2(logSumOf(sum0), logSumOf(sum1)) : logPair(f64x2(sum0, sum1));
      const log0 = <f32>f64x2.extract_lane(logs, 0);
      const log1 = <f32>f64x2.extract_lane(logs, 1);
      if (log0 == log0) narrowShiftRow<Vectors>(output, logits, columns, max0, log0);
      else fillWithNaN(output, columns);
      output += strideBytes;
      if (log1 == log1) narrowShiftRow<Vectors>(output, next, columns, max1, log1);
      else fillWithNaN(output, columns);
      output += strideBytes;
      logits = next + strideBytes;
    }
  }
  let isConfident = false;
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    const tail = loadTail(logits, columns);
    const shiftedTail = f32x4.sub(tail, f32x4.splat(max));
    // The same bits either way: a confident row is expected after another, so that most take one pass.
    let sum = isConfident
      ? sumOfExpsAs(EXACT_STORED_SHIFTS, output, logits, columns, max, tail, aheadOf(rows, strideBytes))
      : sumOfExpsAs(STORED_SHIFTS, output, logits, columns, max, tail, aheadOf(rows, strideBytes));
    if (!isConfident && sum < CONFIDENT_SUM) sum = sumOfExpsAs(EXACT, 0, output, columns, 0, shiftedTail, 0);
    isConfident = sum < 1;
    if (sum == sum) shiftRow(output, columns, shiftedTail, <f32>logSumOf(sum));
    else fillWithNaN(output, columns);
    logits += strideBytes;
    output += strideBytes;
  }
}

/** The logarithm of the sum of exponentials, of which exactSumOfExps may have left out the 1 of the largest. */
@inline
function logSumOf(sum: f64): f64 {
  return sum < 1 ? Math.log1p(sum) : logOf(sum);
}

/**
 * output [rows] = max + log(sum of exp(z - max)), added up in float64. Error below 4e-7 and one rounding to float32; where
 * exactLogSum applies below 1e-6 of log(sum), apart from that rounding and the one of z - max as softmaxRow says.
 */
export function logSumExpRows(output: usize, logits: usize, rows: i32, columns: i32): void {
  switch (narrowVectors(columns)) {
    case 1:
      return logSums<One>(output, logits, rows, columns);
    case 2:
      return logSums<Two>(output, logits, rows, columns);
    case 3:
      return logSums<Three>(output, logits, rows, columns);
    case 4:
      return logSums<Four>(output, logits, rows, columns);
    default:
      return logSums<Many>(output, logits, rows, columns);
  }
}

function logSums<Vectors>(output: usize, logits: usize, rows: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  if (vectorsOf<Vectors>()) {
    // Two logarithms at once, as lossesOf does.
    for (; rows >= 2; rows -= 2) {
      const next = logits + rowBytes;
      const max0 = narrowRowMax<Vectors>(logits, columns);
      const max1 = narrowRowMax<Vectors>(next, columns);
      const sum0 = narrowSumOfExps<Vectors>(logits, columns, max0, false);
      const sum1 = narrowSumOfExps<Vectors>(next, columns, max1, false);
      const logs = logPair(f64x2(sum0, sum1));
      storeLogSum(output, logits, columns, max0, f64x2.extract_lane(logs, 0));
      storeLogSum(output + 4, next, columns, max1, f64x2.extract_lane(logs, 1));
      logits = next + rowBytes;
      output += 8;
    }
  }
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    storeLogSum(output, logits, columns, max, logOf(sumOfExps(logits, columns, max, aheadOf(rows, rowBytes))));
    logits += rowBytes;
    output += 4;
  }
}

/**
 * The logarithm of the sum of exponentials, given. Where the largest logit dominates and is near 0, so that the logarithm is
 * what there is of log-sum-exp, it is made anew with all its digits, by log1p; elsewhere they would be rounded away.
 */
@inline
function exactLogSum(logSum: f64, row: usize, columns: i32, max: f32): f64 {
  if (logSum > LOG_CONFIDENT_SUM || abs(max) > 1) return logSum;
  const sum = exactSumOfExps(row, columns, max);
  return sum < 1 ? Math.log1p(sum) : logSum;
}

/** A little more than log(CONFIDENT_SUM). */
const LOG_CONFIDENT_SUM: f64 = 0.41;

/**
 * Stores max + logSum, the logarithm of the sum of exponentials. Where that is NaN, so is log-sum-exp in rows with a NaN, but
 * not where the largest logit, the answer, is infinite.
 */
@inline
function storeLogSum(output: usize, row: usize, columns: i32, max: f32, logSum: f64): void {
  if (logSum == logSum) storeFloat32(output, <f64>max + exactLogSum(logSum, row, columns, max));
  else storeFloat32(output, hasNaN(row, columns) ? NaN : <f64>max);
}

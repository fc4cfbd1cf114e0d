// Softmax, its logarithm, and the log-sum-exp of rows of logits; the contracts are in kernels.ts.
import { Four, Many, narrowRowMax, narrowSoftmaxRow, narrowVectors, One, Three, Two, vectorsOf } from "./narrow-rows";
import { fillWithNaN, hasNaN, storeFloat32 } from "./not-a-number";
import { CONFIDENT_SUM, exactSumOfExps, rowMax, shiftRow, softmaxRow, sumOfExps } from "./rows";

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
      softmaxRow(output, logits, columns, rowMax(logits, columns), 1, false);
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
  const strideBytes = <usize>stride << 2;
  let isConfident = false;
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    // The same bits either way: a confident row is expected after another, so that most take one pass.
    let sum = isConfident ? exactSumOfExps(logits, columns, max) : sumOfExps(logits, columns, max);
    if (!isConfident && sum < CONFIDENT_SUM) sum = exactSumOfExps(logits, columns, max);
    isConfident = sum < 1;
    if (sum == sum) shiftRow(output, logits, columns, max, <f32>(isConfident ? Math.log1p(sum) : Math.log(sum)));
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
  for (; rows > 0; rows--) {
    const max = rowMax(logits, columns);
    const sum = sumOfExps(logits, columns, max);
    // The sum is NaN in rows with a NaN, but also where the largest logit is infinite: then that is the answer.
    if (sum == sum) storeFloat32(output, <f64>max + exactLogSum(Math.log(sum), logits, columns, max));
    else storeFloat32(output, hasNaN(logits, columns) ? NaN : <f64>max);
    logits += <usize>columns << 2;
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

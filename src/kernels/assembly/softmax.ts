// Softmax, its logarithm, and the log-sum-exp of rows of logits.
import { expRow, fillWithNaN, hasNaN, loadTail, rowMax, scaleRow, shiftRow, storeFloat32 } from "./rows";

/** exp(z - max) / sum of exp(z - max); output may be the logits. */
export function softmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = <usize>stride << 2;
  for (; rows > 0; rows--) {
    const tail = loadTail(logits, columns);
    const max = rowMax(logits, columns, tail);
    const sum = expRow(true, output, logits, columns, tail, max);
    if (sum == sum) scaleRow(output, columns, tail, max, <f32>(1 / sum));
    else fillWithNaN(output, columns);
    logits += strideBytes;
    output += strideBytes;
  }
}

/** z - max - log(sum of exp(z - max)); output may be the logits. */
export function logSoftmaxRows(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = <usize>stride << 2;
  for (; rows > 0; rows--) {
    const tail = loadTail(logits, columns);
    const max = rowMax(logits, columns, tail);
    const sum = expRow(false, 0, logits, columns, tail, max);
    if (sum == sum) shiftRow(output, logits, columns, tail, max, <f32>Math.log(sum));
    else fillWithNaN(output, columns);
    logits += strideBytes;
    output += strideBytes;
  }
}

/** output [rows] = max + log(sum of exp(z - max)), added up in float64. */
export function logSumExpRows(output: usize, logits: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    const tail = loadTail(logits, columns);
    const max = rowMax(logits, columns, tail);
    const sum = expRow(false, 0, logits, columns, tail, max);
    // The sum is NaN in rows with a NaN, but also where the largest logit is infinite: then that is the answer.
    if (sum == sum) storeFloat32(output, <f64>max + Math.log(sum));
    else storeFloat32(output, hasNaN(logits, columns) ? NaN : <f64>max);
    logits += <usize>columns << 2;
    output += 4;
  }
}

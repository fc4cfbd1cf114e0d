// Softmax, its logarithm, and the log-sum-exp of rows of float64 logits; the contracts are in ../loss-kernels.ts.
import { fillWithNaN64, storeFloat64 } from '../vectors/not-a-number';
import { rowMax64, shiftRow64, softmaxRow64, sumOfOthers } from './rows64';

/** exp(z - max) / sum of exp(z - max). Relative error below 1e-15 + |z - max| · 2^-53; results below 2^-1022 may be 0. */
export function softmaxRows64(output: usize, logits: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    const sum = softmaxRow64(output, logits, columns, rowMax64(logits, columns));
    if (sum != sum) fillWithNaN64(output, columns);
    logits += (<usize>columns) << 3;
    output += (<usize>columns) << 3;
  }
}

/** (z - max) - log(sum of exp(z - max)), the log by log1p; the error as the contract says. */
export function logSoftmaxRows64(output: usize, logits: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    const max = rowMax64(logits, columns);
    const logSum = Math.log1p(sumOfOthers(logits, columns, max));
    // The difference is 0, or NaN for an infinity.
    if (logSum + (max - max) == logSum) shiftRow64(output, logits, columns, max, logSum);
    else fillWithNaN64(output, columns);
    logits += (<usize>columns) << 3;
    output += (<usize>columns) << 3;
  }
}

/** output [rows] = max + log(sum of exp(z - max)), the log by log1p; the error as the contract says. */
export function logSumExpRows64(output: usize, logits: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    const max = rowMax64(logits, columns);
    storeFloat64(output, max + Math.log1p(sumOfOthers(logits, columns, max)));
    logits += (<usize>columns) << 3;
    output += 8;
  }
}

// A kernel that only the benchmarks need: rows taken one at a time.

import { rowMax, softmaxRow } from '../../src/kernels/assembly/rows/rows';

/** softmaxRows by the passes for rows of any length, one row after the other, whatever the number of columns. */
export function softmaxRowByRow(output: usize, logits: usize, rows: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows--) {
    softmaxRow(output, logits, columns, rowMax(logits, columns), 1, false, 0);
    logits += rowBytes;
    output += rowBytes;
  }
}

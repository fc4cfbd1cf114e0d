// Results of the operations on rows against the float64 reference, on a sample of rows: all elements of each.

import {
  crossEntropy,
  crossEntropyGradient,
  logSoftmax,
  logSumExp,
  softmax,
} from '#softshard/kernels/reference/index.js';
import type { Matrix } from '#softshard/main/index.js';
import { checkClose, sampleRows } from './values.js';

/** Of float32 results; what the tests promise is ten times finer, but they also take longer. */
const RELATIVE = 1e-5;
/** Where a difference cancels (p - 1 at the target, a logarithm near 0). */
const ABSOLUTE = 1e-5;
const ROWS_CHECKED = 8;

export interface RowCopy {
  readonly row: number;
  readonly values: Float32Array;
}

const rowOf = ({ dims: [, columns], data }: Matrix, row: number): Float32Array =>
  data.subarray(row * columns, (row + 1) * columns);

/** The sampled rows as they are before an operation may overwrite them. */
export const copyRows = (matrix: Matrix): readonly RowCopy[] =>
  sampleRows(matrix.dims[0], ROWS_CHECKED).map((row) => ({ row, values: rowOf(matrix, row).slice() }));

export function checkRowMap(kind: 'softmax' | 'logSoftmax', rows: readonly RowCopy[], output: Matrix): void {
  for (const { row, values } of rows) {
    const expected = kind === 'softmax' ? softmax(values) : logSoftmax(values);
    const absolute = kind === 'softmax' ? 0 : ABSOLUTE;
    checkClose(`${kind} row ${row}`, rowOf(output, row), expected, { relative: RELATIVE, absolute });
  }
}

export function checkRowValues(what: string, rows: readonly RowCopy[], got: Float32Array): void {
  const sampled = rows.map(({ row }) => got[row]!);
  const expected = rows.map(({ values }) => logSumExp(values));
  checkClose(`${what} of the sampled rows`, sampled, expected, { relative: RELATIVE, absolute: ABSOLUTE });
}

/** `losses` of all rows, sampled against the reference; `mean` against their mean. */
export function checkLosses(
  rows: readonly RowCopy[],
  targets: Int32Array,
  losses: Float32Array | Float64Array,
  mean: number,
): void {
  const sampled = rows.map(({ row }) => losses[row]!);
  const expected = rows.map(({ row, values }) => crossEntropy(values, [targets[row]!], 1, values.length));
  checkClose('losses of the sampled rows', sampled, expected, { relative: RELATIVE, absolute: ABSOLUTE });
  const sum = Array.from(losses).reduce((total, loss) => total + loss, 0);
  checkClose('mean loss', [mean], [sum / losses.length], { relative: RELATIVE, absolute: 0 });
}

/** The gradient of the mean loss. */
export function checkGradient(rows: readonly RowCopy[], targets: Int32Array, gradLogits: Matrix): void {
  const scale = 1 / gradLogits.dims[0];
  for (const { row, values } of rows) {
    const target = targets[row]!;
    const expected = crossEntropyGradient(values, [target], 1, values.length, scale);
    const got = rowOf(gradLogits, row);
    const what = `gradient row ${row}`;
    const sides = [
      [0, target, 0],
      [target, target + 1, ABSOLUTE * scale],
      [target + 1, values.length, 0],
    ] as const;
    for (const [begin, end, absolute] of sides) {
      const tolerance = { relative: RELATIVE, absolute };
      checkClose(
        `${what} from ${begin} on`,
        got.subarray(begin, end),
        expected.subarray(begin, end),
        tolerance,
      );
    }
  }
}

// What the tests of the row losses share.
import { randomValues } from '../../kernels/workbench.js';

export const rowOf = <Values extends Float32Array | Float64Array>(
  values: Values,
  row: number,
  columns: number,
) => values.subarray(row * columns, (row + 1) * columns);

/** Sums of each row. */
export const rowSums = (values: ArrayLike<number>, columns: number): number[] =>
  Array.from({ length: values.length / columns }, (_, row) => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += values[row * columns + j]!;
    return sum;
  });

/** In [0, 1]. */
export const uniform = (length: number, seed: number) => randomValues(length, 0.5, seed).map((v) => v + 0.5);

/** A relative bound, for expectWithin. */
export const near = (bound: number) => (wanted: number) => bound * Math.abs(wanted) + 1e-30;

// What the tests of the losses beside crossEntropy share.
import { expect } from 'vitest';
import type { SoftshardError } from '#softshard/main/index.js';

/** The error that a call rejects with. */
export async function failureOf(call: () => Promise<unknown>): Promise<SoftshardError> {
  try {
    await call();
  } catch (error) {
    return error as SoftshardError;
  }
  return expect.fail('the call did not throw');
}

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

// The float64 reference, as the tests of the row kernels ask it: one row and one target at a time.
import * as reference from '#softshard/kernels/reference/index.js';

export {
  logSoftmax,
  logSumExp,
  predictedClass as prediction,
  rankOfTarget as rank,
  softmax,
} from '#softshard/kernels/reference/index.js';

export function loss(row: ArrayLike<number>, target: number): number {
  return -reference.logSoftmax(row)[target]!;
}

export function gradient(row: ArrayLike<number>, target: number, scale: number): Float64Array {
  return reference.crossEntropyGradient(row, [target], 1, row.length, scale);
}

/** NaN if there is one. */
export const largest = (row: ArrayLike<number>): number =>
  Array.from(row).reduce((most, z) => (Number.isNaN(most) || z <= most ? most : z), -Infinity);

// Compares arrays within a bound, edge values exactly, and says which element is off.
import { expect } from 'vitest';

/**
 * Fails unless |got - expected| ≤ bound · max(1, |expected|) for each element; NaN and ±Infinity must match as
 * they are. The failure lists index, expected and got.
 */
export function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  const differing: { index: number; expected: number; got: number }[] = [];
  for (let index = 0; index < Math.max(got.length, expected.length); index++) {
    const [left, right] = [got[index] ?? Number.NaN, expected[index] ?? Number.NaN];
    if (Object.is(left, right)) continue;
    if (Math.abs(left - right) <= bound * Math.max(1, Math.abs(right)) && Number.isFinite(right)) continue;
    differing.push({ index, expected: right, got: left });
  }
  expect(differing, `elements further apart than ${bound}`).toEqual([]);
  expect(got.length, 'length').toBe(expected.length);
}

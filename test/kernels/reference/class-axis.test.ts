// Walking along the class axis: by hand, there and back, and against rows that lie together.
import { describe, expect, it } from 'vitest';
import {
  classAxis,
  logSumExp,
  mapAxis,
  reduceAxis,
  rowBegins,
  rowsAlongAxis,
  rowsIntoAxis,
  softmax,
} from '#softshard/kernels/reference/index.js';
import { randomValues } from '../workbench.js';

describe('the class axis', () => {
  it('1 of [2, 5, 3, 4] leaves 2 outer and 12 inner positions, 24 rows', () => {
    expect(classAxis([2, 5, 3, 4], 1)).toEqual({ outer: 2, classes: 5, inner: 12, rows: 24 });
    expect(classAxis([2, 5, 3, 4], -3)).toEqual(classAxis([2, 5, 3, 4], 1));
  });

  it('-1 of one dimension leaves one row', () => {
    expect(classAxis([7], -1)).toEqual({ outer: 1, classes: 7, inner: 1, rows: 1 });
  });

  it('takes the rows of [2, 3, 2] in the order of targets [2, 2]', () => {
    const place = classAxis([2, 3, 2], 1);
    expect(rowBegins(place)).toEqual([0, 1, 6, 7]);
    const array = Array.from({ length: 12 }, (_, i) => i);
    expect([...rowsAlongAxis(array, [2, 3, 2], 1)]).toEqual([0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
  });

  it.each([0, 1, 2, 3, -1, -2])('%d is left as it was by rowsIntoAxis after rowsAlongAxis', (axis) => {
    const dims = [2, 3, 5, 4];
    const array = Float64Array.from(randomValues(120, 1, 7));
    expect(rowsIntoAxis(rowsAlongAxis(array, dims, axis), dims, axis)).toEqual(array);
  });

  it('of no elements has no rows', () => {
    expect(classAxis([0, 3], 1).rows).toBe(0);
    expect(mapAxis([], [0, 3], 1, softmax)).toEqual(new Float64Array(0));
    expect(reduceAxis([], [4, 0, 3], 2, logSumExp)).toEqual(new Float64Array(0));
  });

  it('0 of a matrix is softmax down its columns', () => {
    const down = mapAxis([0, 5, 0, 5, 0, 5], [3, 2], 0, softmax);
    expect(down).toEqual(new Float64Array(6).fill(1 / 3));
    expect(reduceAxis([0, 5, 0, 5], [2, 2], 0, logSumExp)).toEqual(
      Float64Array.of(Math.log1p(1), 5 + Math.log1p(1)),
    );
  });

  it.each([2, -3, 0.5])('%d is refused for two dimensions', (axis) => {
    expect(() => classAxis([2, 3], axis)).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION',
        argument: 'axis',
        value: axis,
        message: `axis is ${axis}; for 2 dimensions it must be an integer from -2 to 1.`,
      }),
    );
  });

  it('refuses dims that are no counts, and an array of another size', () => {
    expect(() => classAxis([2, -3], 0)).toThrow(expect.objectContaining({ argument: 'dims[1]', value: -3 }));
    expect(() => rowsAlongAxis([1, 2, 3], [2, 2], 0)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'array', value: 3 }),
    );
  });
});

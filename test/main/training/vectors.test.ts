// Vectors of solvers, through the pool.
import { describe, expect, test } from 'vitest';
import { Vectors } from '#softshard/main/training/vectors.js';
import { bitsOf } from '../../bits.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { createInsides } from './steps.js';

/** Neumaier's sum: as good as exact here. */
function sumOf(values: Iterable<number>): number {
  let [sum, lost] = [0, 0];
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

const productsOf = (x: Float32Array, y: Float32Array) => Float64Array.from(x, (value, i) => value * y[i]!);

const ALPHA = Math.fround(0.3);

describe.each(builds)('vectors (%s)', (numerics) => {
  // The first ones are tiny jobs.
  test.each([0, 1, 16384, 16385, 131_073, 400_003])(
    'of %i elements: products and norms are within 1e-14 of float64, sums exactly those in float32, with the same bits for 1, 2, 3 and 8 threads',
    async (length) => {
      const [x, y] = [randomValues(length, 10, 1), randomValues(length, 3, 2)];
      const dot = sumOf(productsOf(x, y));
      const magnitudes = sumOf(productsOf(x, y).map(Math.abs));
      const norm = Math.sqrt(sumOf(productsOf(x, x)));
      const most = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const moved = y.map((value, i) => value + Math.fround(ALPHA * x[i]!));
      const scaled = moved.map((value) => value * ALPHA);
      const bits = new Set<string>();
      for (const threads of [1, 2, 3, 8]) {
        await using insides = createInsides(threads, numerics);
        const { resources, scope } = insides;
        const vectors = new Vectors(resources, scope, length);
        const place = (values: Float32Array) => {
          const ptr = scope.allocate(length * 4, 'a vector');
          resources.arena.view('float32', ptr, length).set(values);
          return ptr;
        };
        const [xPtr, yPtr] = [place(x), place(y)];
        const got = [await vectors.dot(xPtr, yPtr), await vectors.norm(xPtr), await vectors.maxNorm(xPtr)];
        expect(Math.abs(got[0]! - dot)).toBeLessThanOrEqual(1e-14 * magnitudes);
        expect(Math.abs(got[1]! - norm)).toBeLessThanOrEqual(1e-14 * norm);
        expect(got[2]).toBe(most);
        await vectors.axpy(yPtr, ALPHA, xPtr);
        expect(bitsOf(resources.arena.view('float32', yPtr, length))).toBe(bitsOf(moved));
        await vectors.scale(yPtr, ALPHA);
        expect(bitsOf(resources.arena.view('float32', yPtr, length))).toBe(bitsOf(scaled));
        bits.add(bitsOf(...got));
      }
      expect(bits.size).toBe(1);
    },
  );

  test('a NaN anywhere shows in products and in both norms', async () => {
    await using insides = createInsides(2, numerics);
    const { resources, scope } = insides;
    const length = 150_000;
    const vectors = new Vectors(resources, scope, length);
    const x = scope.allocate(length * 4, 'a vector');
    for (const at of [0, 16_383, 149_999]) {
      resources.arena.view('float32', x, length).fill(1)[at] = Number.NaN;
      expect([await vectors.dot(x, x), await vectors.norm(x), await vectors.maxNorm(x)]).toEqual([
        Number.NaN,
        Number.NaN,
        Number.NaN,
      ]);
    }
  });
});

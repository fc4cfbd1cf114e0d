// Kernels on whole vectors, against the same operations one by one: both builds give exactly these bits.
import { describe, expect, test } from 'vitest';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { expectSameBits } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { guarded } from './shapes.js';

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1000, 1003];
const ALPHA = Math.fround(-0.7);

/** Eight sums, of every eighth element each, added in pairs; then what is left in order. */
function dot(x: Float32Array, y: Float32Array): number {
  const whole = x.length - (x.length % 8);
  const s = new Float64Array(8);
  for (let i = 0; i < whole; i++) s[i % 8]! += x[i]! * y[i]!;
  const even = s[0]! + s[2]! + (s[4]! + s[6]!);
  const odd = s[1]! + s[3]! + (s[5]! + s[7]!);
  let sum = even + odd;
  for (let i = whole; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

describe.each(builds)('kernels on vectors (%s)', (numerics) => {
  const bench = new Workbench(numerics, 16);
  const { kernels } = bench;

  test.each(LENGTHS)('of %i elements at any alignment', (length) => {
    for (const offset of [0, 4, 8, 12]) {
      bench.reset();
      const [x, y] = [randomValues(length, 5, length), randomValues(length, 2, length + 1)];
      const xs = guarded(bench, x, offset);
      const ys = guarded(bench, y, (offset + 4) % 16);
      expect(kernels.dot(xs.ptr, ys.ptr, length)).toBe(dot(x, y));
      kernels.axpy(ys.ptr, xs.ptr, length, ALPHA);
      const moved = y.map((value, i) => value + Math.fround(ALPHA * x[i]!));
      expectSameBits(ys.bits(), bitsOf(moved), 'axpy');
      kernels.axpy(ys.ptr, ys.ptr, length, 1);
      const doubled = moved.map((value) => value + value);
      expectSameBits(ys.bits(), bitsOf(doubled), 'axpy to itself');
      kernels.scale(ys.ptr, length, ALPHA);
      expectSameBits(ys.bits(), bitsOf(doubled.map((value) => value * ALPHA)), 'scale');
      expectSameBits(xs.bits(), bitsOf(x), 'x, only read');
      for (const grid of [xs, ys]) grid.checkGuards();
    }
  });

  test('products of the largest and the smallest numbers are exact', () => {
    const values = Float32Array.of(3.4e38, 1e-45, -3.4e38, 1e-45);
    const { ptr } = guarded(bench, values);
    expect(kernels.dot(ptr, ptr, 4)).toBe(values.reduce((sum, value) => sum + value * value, 0));
    expect(kernels.dot(offsetBy(ptr, 4), offsetBy(ptr, 4), 1)).toBe(values[1]! ** 2);
  });
});

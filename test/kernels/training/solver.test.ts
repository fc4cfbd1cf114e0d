// Kernels of full-batch solvers, against the same operations one by one: both builds give exactly these bits.
import { describe, expect, test } from 'vitest';
import { guarded } from '../linear/shapes.js';
import { expectSameBits } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1003];
const SHAPES = [
  [1, 1],
  [3, 2],
  [5, 3],
  [2, 4],
  [7, 5],
  [4, 8],
  [3, 10],
  [6, 13],
  [2, 259],
] as const;
const OFFSETS = [0, 4, 8, 12];
const ALPHA = Math.fround(-0.7);
const { fround } = Math;

const bits32 = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** Rows of positive numbers that sum to about 1. */
function randomProbabilities(rows: number, columns: number, seed: number): Float32Array {
  const values = randomValues(rows * columns, 3, seed).map(Math.exp);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * columns, (row + 1) * columns);
    const sum = own.reduce((all, value) => all + value, 0);
    for (let i = 0; i < columns; i++) own[i]! /= sum;
  }
  return values;
}

/** p · u in float64: of whole fours, columns 0, 2, 4, … and 1, 3, 5, … apart; each of these in two chains. */
function meanOf(u: Float32Array, p: Float32Array): number {
  const whole = u.length - (u.length % 4);
  const s = new Float64Array(4);
  for (let i = 0; i < whole; i++) s[i % 4]! += u[i]! * p[i]!;
  let mean = s[0]! + s[2]! + (s[1]! + s[3]!);
  for (let i = whole; i < u.length; i++) mean += u[i]! * p[i]!;
  return mean;
}

describe.each(builds)('kernels of solvers (%s)', (numerics) => {
  const bench = new Workbench(numerics, 16);
  const { kernels } = bench;

  test.each(LENGTHS)('addScaled and addToFloat64 of %i elements at any alignment', (length) => {
    for (const offset of OFFSETS) {
      bench.reset();
      const [x, y] = [randomValues(length, 5, length), randomValues(length, 2, length + 1)];
      const xs = guarded(bench, x, offset);
      const ys = guarded(bench, y, (offset + 4) % 16);
      const output = guarded(bench, new Float32Array(length), (offset + 8) % 16);
      kernels.addScaled(output.ptr, xs.ptr, ys.ptr, length, ALPHA);
      const wanted = x.map((value, i) => value + fround(ALPHA * y[i]!));
      expectSameBits(output.bits(), bits32(wanted), 'addScaled');
      const sums = bench.allocate((length + 2) * 8, offset === 0 ? 0 : 8);
      const doubles = bench.float64(sums, length + 2).fill(0.1);
      kernels.addToFloat64(sums, xs.ptr, length);
      kernels.addToFloat64(sums, ys.ptr, length);
      expect(doubles.slice(0, length)).toEqual(Float64Array.from(x, (value, i) => 0.1 + value + y[i]!));
      expect(doubles.slice(length)).toEqual(Float64Array.of(0.1, 0.1));
      expectSameBits(xs.bits(), bits32(x), 'x, only read');
      expectSameBits(ys.bits(), bits32(y), 'y, only read');
      kernels.addScaled(ys.ptr, xs.ptr, ys.ptr, length, ALPHA);
      expectSameBits(ys.bits(), bits32(wanted), 'addScaled in the place of y');
      kernels.addScaled(xs.ptr, xs.ptr, output.ptr, length, 1);
      const both = x.map((value, i) => value + wanted[i]!);
      expectSameBits(xs.bits(), bits32(both), 'addScaled in the place of x');
      for (const grid of [xs, ys, output]) grid.checkGuards();
    }
  });

  test.each(SHAPES)('addToRows and scaleRows of %i × %i', (rows, columns) => {
    for (const offset of OFFSETS) {
      bench.reset();
      const values = randomValues(rows * columns, 2, rows);
      const addend = randomValues(columns, 1, columns);
      const factors = randomValues(rows, 3, rows + columns);
      const grid = guarded(bench, values, offset);
      const addends = guarded(bench, addend, (offset + 4) % 16);
      const scales = guarded(bench, factors, (offset + 8) % 16);
      kernels.addToRows(grid.ptr, addends.ptr, rows, columns);
      const moved = values.map((value, i) => value + addend[i % columns]!);
      expectSameBits(grid.bits(), bits32(moved), 'addToRows');
      kernels.scaleRows(grid.ptr, scales.ptr, rows, columns);
      const scaled = moved.map((value, i) => value * factors[Math.floor(i / columns)]!);
      expectSameBits(grid.bits(), bits32(scaled), 'scaleRows');
      expectSameBits(addends.bits(), bits32(addend), 'the addend, only read');
      expectSameBits(scales.bits(), bits32(factors), 'the factors, only read');
      for (const one of [grid, addends, scales]) one.checkGuards();
    }
  });

  test.each(SHAPES)('curvatureRows of %i × %i: c (p ∘ u - p (p · u))', (rows, columns) => {
    for (const offset of OFFSETS) {
      bench.reset();
      const vectors = randomValues(rows * columns, 2, rows);
      const probabilities = randomProbabilities(rows, columns, columns);
      const curvatures = randomValues(rows, 1, 7).map(Math.abs);
      const grid = guarded(bench, vectors, offset);
      const shares = guarded(bench, probabilities, (offset + 4) % 16);
      const factors = guarded(bench, curvatures, (offset + 8) % 16);
      kernels.curvatureRows(grid.ptr, shares.ptr, factors.ptr, rows, columns);
      const wanted = new Float32Array(rows * columns);
      for (let row = 0; row < rows; row++) {
        const own = [row * columns, (row + 1) * columns] as const;
        const mean = fround(meanOf(vectors.subarray(...own), probabilities.subarray(...own)));
        for (let i = own[0]; i < own[1]; i++) {
          wanted[i] = curvatures[row]! * fround(probabilities[i]! * fround(vectors[i]! - mean));
        }
      }
      expectSameBits(grid.bits(), bits32(wanted), 'curvatureRows');
      expectSameBits(shares.bits(), bits32(probabilities), 'the probabilities, only read');
      expectSameBits(factors.bits(), bits32(curvatures), 'the curvatures, only read');
      for (const one of [grid, shares, factors]) one.checkGuards();
    }
  });

  test.each(SHAPES)(
    'addCurvatures of %i × %i, with and without padding: Σ c (diag(p) - p pᵀ)',
    (rows, columns) => {
      for (const [index, offset] of OFFSETS.entries()) {
        bench.reset();
        const stride = columns + index;
        const probabilities = randomProbabilities(rows, stride, columns);
        const curvatures = randomValues(rows, 1, 7).map(Math.abs);
        const before = randomValues(columns ** 2, 1, 8);
        const grid = guarded(bench, before, offset);
        const shares = guarded(bench, probabilities, (offset + 4) % 16);
        const factors = guarded(bench, curvatures, (offset + 8) % 16);
        kernels.addCurvatures(grid.ptr, shares.ptr, factors.ptr, rows, columns, stride);
        const wanted = before.slice();
        for (let row = 0; row < rows; row++) {
          for (let i = 0; i < columns; i++) {
            const share = fround(curvatures[row]! * probabilities[row * stride + i]!);
            wanted[i * columns + i]! += share;
            for (let j = 0; j < columns; j++) {
              wanted[i * columns + j]! -= fround(share * probabilities[row * stride + j]!);
            }
          }
        }
        expectSameBits(grid.bits(), bits32(wanted), 'addCurvatures');
        expectSameBits(shares.bits(), bits32(probabilities), 'the probabilities, only read');
        for (const one of [grid, shares, factors]) one.checkGuards();
      }
    },
  );

  test.each(SHAPES)(
    'addCurvatureProducts and addCurvatureDiagonals of %i × %i, with and without padding',
    (rows, columns) => {
      for (const [index, offset] of OFFSETS.entries()) {
        bench.reset();
        const stride = columns + index;
        const probabilities = randomProbabilities(rows, stride, columns);
        const curvatures = randomValues(rows, 1, 7).map(Math.abs);
        const vector = randomValues(columns, 2, 9);
        const before = randomValues(columns, 1, 8);
        const products = guarded(bench, before, offset);
        const diagonals = guarded(bench, before, (offset + 4) % 16);
        const vectors = guarded(bench, vector, (offset + 8) % 16);
        const shares = guarded(bench, probabilities, (offset + 4) % 16);
        const factors = guarded(bench, curvatures, (offset + 8) % 16);
        const rest = [shares.ptr, factors.ptr, rows, columns, stride] as const;
        kernels.addCurvatureProducts(products.ptr, vectors.ptr, ...rest);
        kernels.addCurvatureDiagonals(diagonals.ptr, ...rest);
        const [wantedProducts, wantedDiagonals] = [before.slice(), before.slice()];
        for (let row = 0; row < rows; row++) {
          const own = probabilities.subarray(row * stride, row * stride + columns);
          const mean = fround(meanOf(vector, own));
          for (const [i, share] of own.entries()) {
            const curvature = curvatures[row]!;
            wantedProducts[i]! += fround(curvature * fround(share * fround(vector[i]! - mean)));
            wantedDiagonals[i]! += fround(curvature * fround(share * fround(1 - share)));
          }
        }
        expectSameBits(products.bits(), bits32(wantedProducts), 'addCurvatureProducts');
        expectSameBits(diagonals.bits(), bits32(wantedDiagonals), 'addCurvatureDiagonals');
        expectSameBits(shares.bits(), bits32(probabilities), 'the probabilities, only read');
        for (const one of [products, diagonals, vectors, shares, factors]) one.checkGuards();
      }
    },
  );
});

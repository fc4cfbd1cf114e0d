// Softmax, log-softmax and log-sum-exp against float64, for every column count that takes another way through them.

import { describe, expect, test } from 'vitest';
import { builds, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectSameBits, expectWithin, Grid, probabilityBound, rowCountsFor } from './grid.js';
import * as oracle from './oracle.js';

/** Where the kernels put their output, and at which distance from 16-byte alignment. */
const PLACES = [
  { inPlace: false, inputOffset: 0, outputOffset: 0, gap: 0 },
  { inPlace: false, inputOffset: 4, outputOffset: 12, gap: 3 },
  { inPlace: true, inputOffset: 8, outputOffset: 8, gap: 1 },
];

describe.each(builds)('row kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  /** Runs a kernel of softmax's signature on rows in every place, each against the float64 formula. */
  function expectEverywhere(
    kernel: typeof kernels.softmaxRows,
    columns: number,
    amplitude: number,
    formula: (logits: Float32Array) => Float64Array,
    bound: (expected: number, distance: number) => number,
  ): void {
    for (const rows of rowCountsFor(columns)) {
      const values = randomValues(rows * columns, amplitude, columns * 31 + rows);
      const logits = Array.from({ length: rows }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
      const maxima = logits.map(oracle.largest);
      const expected = logits.map(formula);
      for (const { inPlace, inputOffset, outputOffset, gap } of PLACES) {
        bench.reset();
        const input = new Grid(bench, rows, columns, columns + gap, inputOffset).fill(values);
        const before = input.bits();
        const output = inPlace ? input : new Grid(bench, rows, columns, columns + gap, outputOffset);
        kernel(output.ptr, input.ptr, rows, columns, columns + gap);
        input.checkGuards();
        output.checkGuards();
        if (!inPlace) expectSameBits(input.bits(), before, 'input');
        for (let i = 0; i < rows; i++) {
          const distanceBound = (v: number, j: number) => bound(v, logits[i]![j]! - maxima[i]!);
          expectWithin(output.row(i), expected[i]!, distanceBound, `row ${i}`);
        }
      }
    }
  }

  describe.each(COLUMN_COUNTS)('%i columns', (columns) => {
    test('softmax is within 2e-6 relative of float64 for logits in [-8, 8)', () => {
      expectEverywhere(kernels.softmaxRows, columns, 8, oracle.softmax, (p) => p * 2e-6);
    });

    test('softmax is within 6e-7 + |z - max| 2^-24 relative of float64 for logits in [-80, 80)', () => {
      expectEverywhere(kernels.softmaxRows, columns, 80, oracle.softmax, probabilityBound);
    });

    test('log-softmax is within 3e-7 + 1.2e-7 relative of float64', () => {
      for (const amplitude of [8, 1000]) {
        expectEverywhere(
          kernels.logSoftmaxRows,
          columns,
          amplitude,
          oracle.logSoftmax,
          (v) => 3e-7 - v * 1.2e-7,
        );
      }
    });

    test('log-sum-exp is within 3e-7 and one float32 rounding of float64', () => {
      for (const amplitude of [8, 1000]) {
        for (const rows of rowCountsFor(columns)) {
          bench.reset();
          const values = randomValues(rows * columns, amplitude, columns + rows);
          const input = new Grid(bench, rows, columns, columns, 4).fill(values);
          const output = new Grid(bench, 1, rows, rows, 8);
          kernels.logSumExpRows(output.ptr, input.ptr, rows, columns);
          output.checkGuards();
          const expected = Array.from({ length: rows }, (_, i) => oracle.logSumExp(input.row(i)));
          expectWithin(output.row(0), expected, (v) => 3e-7 + Math.abs(v) * 2 ** -24, 'row');
        }
      }
    });
  });

  test('the probabilities of a row add up to 1 within 1e-6, also for 131,072 classes', () => {
    for (const columns of COLUMN_COUNTS) {
      bench.reset();
      const grid = new Grid(bench, 1, columns).fill(randomValues(columns, 12, columns));
      kernels.softmaxRows(grid.ptr, grid.ptr, 1, columns, columns);
      const sum = grid.row(0).reduce((total, p) => total + p, 0);
      expect(Math.abs(sum - 1), `${columns} columns`).toBeLessThanOrEqual(1e-6);
    }
  });

  test('equal logits give the same probability in every column, whatever their size', () => {
    for (const columns of COLUMN_COUNTS) {
      for (const logit of [0, -0, 1e-40, 1e4, -1e4, 3.4e38, -3.4e38]) {
        bench.reset();
        const grid = new Grid(bench, 1, columns).fill(new Float32Array(columns).fill(logit));
        kernels.softmaxRows(grid.ptr, grid.ptr, 1, columns, columns);
        expect(new Set(grid.row(0)), `${columns} columns of ${logit}`).toStrictEqual(
          new Set([Math.fround(1 / columns)]),
        );
      }
    }
  });

  test('no rows is no work', () => {
    bench.reset();
    const grid = new Grid(bench, 1, 5).fill(Float32Array.of(1, 2, 3, 4, 5));
    kernels.softmaxRows(grid.ptr, grid.ptr, 0, 5, 5);
    kernels.logSoftmaxRows(grid.ptr, grid.ptr, 0, 5, 5);
    kernels.logSumExpRows(grid.ptr, grid.ptr, 0, 5);
    expect([...grid.row(0)]).toStrictEqual([1, 2, 3, 4, 5]);
  });
});

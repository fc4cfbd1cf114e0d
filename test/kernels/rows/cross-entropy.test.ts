// Losses and gradients against float64, the loss's finite differences, and what an invalid target leaves untouched.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectWithin, Grid, probabilityBound, rowCountsFor } from './grid.js';
import * as oracle from './oracle.js';

const SCALE = 0.25;
const lossBound = (loss: number) => 3e-7 + Math.abs(loss) * 2 ** -24;

describe.each(builds)('cross-entropy kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  describe.each(COLUMN_COUNTS)('%i columns', (columns) => {
    for (const rows of rowCountsFor(columns)) {
      const values = randomValues(rows * columns, 12, columns * 7 + rows);
      const targets = randomTargets(rows, columns, rows);
      const rowsOf = Array.from({ length: rows }, (_, i) => values.subarray(i * columns, (i + 1) * columns));
      const lossesOf = () => rowsOf.map((row, i) => oracle.loss(row, targets[i]!));

      test(`losses of ${rows} rows are within 3e-7 and one float32 rounding of float64, and their sum adds to lossSum`, () => {
        bench.reset();
        const logits = new Grid(bench, rows, columns, columns, 4).fill(values);
        const losses = new Grid(bench, 1, rows, rows, 12);
        const lossSum = bench.float64Cell();
        const targetsPtr = bench.putInt32(targets);
        const expected = lossesOf();
        const expectedSum = expected.reduce((total, loss) => total + loss, 0);
        const { ptr } = lossSum;
        expect(kernels.crossEntropyRows(losses.ptr, ptr, logits.ptr, targetsPtr, rows, columns)).toBe(
          STATUS_OK,
        );
        expectWithin(losses.row(0), expected, lossBound, 'losses');
        losses.checkGuards();
        expect(Math.abs(lossSum.read() - expectedSum)).toBeLessThanOrEqual(rows * 3e-7);
        // Again, without losses: the sum is added to what the cell holds.
        expect(kernels.crossEntropyRows(NULL_PTR, ptr, logits.ptr, targetsPtr, rows, columns)).toBe(
          STATUS_OK,
        );
        expect(Math.abs(lossSum.read() - 2 * expectedSum)).toBeLessThanOrEqual(2 * rows * 3e-7);
        expectWithin(logits.bits(), new Uint32Array(values.buffer), () => 0, 'logits');
      });

      test(`the gradient of ${rows} rows is within 2e-6 relative of float64, at the target within 4e-7 scale, and adds up to 0 within 1e-6 scale`, () => {
        const expected = rowsOf.map((row, i) => oracle.gradient(row, targets[i]!, SCALE));
        const maxima = rowsOf.map(oracle.largest);
        for (const gap of [0, 5]) {
          for (const inPlace of [false, true]) {
            bench.reset();
            const stride = columns + gap;
            const logits = new Grid(bench, rows, columns, stride, 8).fill(values);
            const output = inPlace ? logits : new Grid(bench, rows, columns, stride, 4);
            const losses = new Grid(bench, 1, rows);
            const { ptr, read } = bench.float64Cell();
            const status = kernels.crossEntropyGradientRows(
              output.ptr,
              losses.ptr,
              ptr,
              logits.ptr,
              bench.putInt32(targets),
              rows,
              columns,
              stride,
              SCALE,
            );
            expect(status).toBe(STATUS_OK);
            output.checkGuards();
            logits.checkGuards();
            losses.checkGuards();
            expectWithin(losses.row(0), lossesOf(), lossBound, 'losses');
            const expectedSum = lossesOf().reduce((total, loss) => total + loss, 0);
            expect(Math.abs(read() - expectedSum)).toBeLessThanOrEqual(rows * 3e-7);
            for (let i = 0; i < rows; i++) {
              const got = output.row(i);
              const bound = (wanted: number, j: number) =>
                j === targets[i]
                  ? 4e-7 * SCALE
                  : Math.min(2e-6 * wanted, probabilityBound(wanted, rowsOf[i]![j]! - maxima[i]!));
              expectWithin(got, expected[i]!, bound, `row ${i}`);
              const sum = got.reduce((total, g) => total + g, 0);
              expect(Math.abs(sum), `sum of row ${i}`).toBeLessThanOrEqual(1e-6 * SCALE);
            }
          }
        }
      });
    }
  });

  test('the gradient is the central difference of the float64 loss within 1e-6', () => {
    const step = 1e-5;
    for (const columns of [1, 2, 3, 10, 33, 127]) {
      bench.reset();
      const values = randomValues(columns, 3, columns);
      for (let target = 0; target < columns; target += Math.ceil(columns / 5)) {
        const grid = new Grid(bench, 1, columns).fill(values);
        const { ptr } = bench.float64Cell();
        const targetsPtr = bench.putInt32([target]);
        kernels.crossEntropyGradientRows(
          grid.ptr,
          NULL_PTR,
          ptr,
          grid.ptr,
          targetsPtr,
          1,
          columns,
          columns,
          1,
        );
        const differences = Array.from(values, (_, j) => {
          const moved = (by: number) =>
            oracle.loss(
              Array.from(values, (z, k) => (k === j ? z + by : z)),
              target,
            );
          return (moved(step) - moved(-step)) / (2 * step);
        });
        expectWithin(grid.row(0), differences, () => 1e-6, `${columns} columns, target ${target}`);
      }
    }
  });

  test('both kernels give the same losses and the same lossSum, bit by bit', () => {
    for (const columns of COLUMN_COUNTS) {
      bench.reset();
      const rows = 3;
      const logits = new Grid(bench, rows, columns).fill(randomValues(rows * columns, 20, columns));
      const targetsPtr = bench.putInt32(randomTargets(rows, columns, 5));
      const [lossesA, lossesB] = [new Grid(bench, 1, rows), new Grid(bench, 1, rows)];
      const [sumA, sumB] = [bench.float64Cell(), bench.float64Cell()];
      kernels.crossEntropyRows(lossesA.ptr, sumA.ptr, logits.ptr, targetsPtr, rows, columns);
      const { ptr } = logits;
      kernels.crossEntropyGradientRows(
        ptr,
        lossesB.ptr,
        sumB.ptr,
        ptr,
        targetsPtr,
        rows,
        columns,
        columns,
        1,
      );
      expect(lossesB.bits(), `${columns} columns`).toStrictEqual(lossesA.bits());
      expect(sumB.read(), `${columns} columns`).toBe(sumA.read());
    }
  });

  describe.each([-1, 7, 8, -(2 ** 31), 2 ** 31 - 1])('an invalid target %i among 7 classes', (bad) => {
    const columns = 7;
    const values = randomValues(5 * columns, 4, 3);

    test.each([0, 2, 4])('in row %i stops there: earlier rows are done, later ones untouched', (badRow) => {
      const targets = Int32Array.of(6, 0, 3, 1, 5);
      targets[badRow] = bad;
      const expected = Array.from({ length: badRow }, (_, i) =>
        oracle.loss(values.subarray(i * columns, (i + 1) * columns), targets[i]!),
      );
      const expectedSum = expected.reduce((total, loss) => total + loss, 0);
      bench.reset();
      const targetsPtr = bench.putInt32(targets);
      const logits = new Grid(bench, 5, columns).fill(values);
      const output = new Grid(bench, 5, columns).fill(new Float32Array(35).fill(-77));
      const runs = [
        (losses: Grid, lossSum: Ptr) =>
          kernels.crossEntropyRows(losses.ptr, lossSum, logits.ptr, targetsPtr, 5, columns),
        (losses: Grid, lossSum: Ptr) =>
          kernels.crossEntropyGradientRows(
            output.ptr,
            losses.ptr,
            lossSum,
            logits.ptr,
            targetsPtr,
            5,
            columns,
            columns,
            1,
          ),
      ];
      for (const run of runs) {
        const losses = new Grid(bench, 1, 5).fill(new Float32Array(5).fill(-77));
        const lossSum = bench.float64Cell();
        expect(run(losses, lossSum.ptr)).toBe(badRow);
        expectWithin(losses.row(0).subarray(0, badRow), expected, lossBound, 'losses');
        expect([...losses.row(0).subarray(badRow)]).toStrictEqual(new Array(5 - badRow).fill(-77));
        expect(Math.abs(lossSum.read() - expectedSum)).toBeLessThanOrEqual(5 * 3e-7);
      }
      for (let i = 0; i < 5; i++) {
        const done = [...output.row(i)].every((g) => g !== -77);
        const untouched = [...output.row(i)].every((g) => g === -77);
        expect(i < badRow ? done : untouched, `row ${i}`).toBe(true);
      }
      output.checkGuards();
    });
  });
});

// The small losses of rows that are sure of themselves: all their digits, in every way through the kernels.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectWithin, Grid } from './grid.js';
import * as oracle from './oracle.js';

describe.each(builds)('confident rows (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;

  /** Everything the kernels say of one row. */
  function runAll(values: Float32Array, target: number, scale: number) {
    bench.reset();
    const columns = values.length;
    const logits = new Grid(bench, 1, columns, columns, 4).fill(values);
    const [gradient, logSoftmax] = [new Grid(bench, 1, columns), new Grid(bench, 2, columns)];
    const losses = new Grid(bench, 1, 3);
    const sums = [bench.float64Cell(), bench.float64Cell()] as const;
    const targetPtr = bench.putInt32([target]);
    const predictionPtr = bench.putInt32([0, 0]);
    const alone = kernels.crossEntropyRows(losses.ptr, sums[0].ptr, logits.ptr, targetPtr, 1, columns);
    expect(alone).toBe(STATUS_OK);
    kernels.crossEntropyGradientRows(
      gradient.ptr,
      offsetBy(losses.ptr, 4),
      sums[1].ptr,
      logits.ptr,
      targetPtr,
      1,
      columns,
      columns,
      scale,
    );
    kernels.evaluateRows(
      predictionPtr,
      offsetBy(predictionPtr, 4),
      offsetBy(losses.ptr, 8),
      logits.ptr,
      targetPtr,
      1,
      columns,
      columns,
    );
    // Twice the row: after a confident one the second goes another way.
    const twice = new Grid(bench, 2, columns).fill(Float32Array.of(...values, ...values));
    kernels.logSoftmaxRows(logSoftmax.ptr, twice.ptr, 2, columns, columns);
    expect(sums[1].read(), 'sum of the losses').toBe(sums[0].read());
    expect(logSoftmax.row(1)).toStrictEqual(logSoftmax.row(0));
    const bits = losses.bits();
    expect([bits[1], bits[2]], 'losses of the three kernels').toStrictEqual([bits[0], bits[0]]);
    return { loss: sums[0].read(), gradient: gradient.row(0), logSoftmax: logSoftmax.row(0) };
  }

  test.each(COLUMN_COUNTS.filter((columns) => columns > 1 && columns < 30_000))(
    '%i columns: losses from 1e-17 to 1, their log-probabilities and gradients have a relative error below 1e-6 + |z - max| 2^-24',
    (columns) => {
      for (const [lead, seed] of [
        [40, 1],
        [25, 2],
        [12, 3],
        [6, 4],
        [3, 5],
        [1, 6],
      ] as const) {
        const values = randomValues(columns, 1, seed * columns);
        // Every place in the first and the last group of columns.
        for (const target of new Set([0, 1, 3, 5, 17, 31, 32, columns - 1, columns - 2, columns - 4])) {
          if (target < 0 || target >= columns) continue;
          const row = values.slice();
          row[target] = lead + Math.log(columns);
          const got = runAll(row, target, 0.25);
          // What the rounding of z - max to float32 does to an exponential is not the sum's fault.
          const limit = 1e-6 + row[target]! * 2 ** -24;
          const what = `${lead} ahead at ${target}`;
          const expected = oracle.loss(row, target);
          expectWithin([got.loss], [expected], (loss) => limit * loss, `loss, ${what}`);
          expectWithin([got.logSoftmax[target]!], [-expected], (v) => limit * -v, `log-softmax, ${what}`);
          const slope = oracle.gradient(row, target, 0.25)[target]!;
          // The oracle's p - 1 itself has lost digits: expm1 has them.
          const exact = 0.25 * Math.expm1(-expected);
          expect(Math.abs(slope - exact)).toBeLessThan(1e-14);
          expectWithin([got.gradient[target]!], [exact], (g) => (limit + 1e-6) * -g, `gradient, ${what}`);
        }
      }
    },
  );

  test.each(COLUMN_COUNTS.filter((columns) => columns > 1 && columns < 30_000))(
    '%i columns: log-sum-exp near 0 is max + log1p of the others, within 1e-6 + |z - max| 2^-24 of that and one rounding',
    (columns) => {
      for (const lead of [70, 40, 25, 12, 6, 3, 1]) {
        const row = randomValues(columns, 1, columns);
        const place = (columns * 7) % columns;
        for (const max of [0, 1e-12, -1e-12, 3e-5, -0.3, 0.99, -1, 1.01, 50]) {
          bench.reset();
          const shift = lead + Math.log(columns) + 1;
          const values = row.map((value) => value - shift + max);
          values[place] = max;
          const logits = new Grid(bench, 1, columns, columns, 4).fill(values);
          const output = new Grid(bench, 1, 1);
          kernels.logSumExpRows(output.ptr, logits.ptr, 1, columns);
          output.checkGuards();
          const largest = values[place]!;
          let others = 0;
          values.forEach((value, j) => {
            if (j !== place) others += Math.exp(value - largest);
          });
          const log = Math.log1p(others);
          const wanted = largest + log;
          const limit = Math.abs(max) <= 1 ? (1e-6 + (shift + 1) * 2 ** -24) * log : 4e-7;
          const rounding = Math.abs(wanted) * 2 ** -24 + 2 ** -149;
          expectWithin(output.row(0), [wanted], () => limit + rounding, `${max}, ${lead} ahead`);
        }
      }
    },
  );

  test('[0, -40, -40] has the log-sum-exp 2 exp(-40) = 8.5e-18, not 0', () => {
    bench.reset();
    const logits = new Grid(bench, 1, 3).fill(Float32Array.of(0, -40, -40));
    const output = new Grid(bench, 1, 1);
    kernels.logSumExpRows(output.ptr, logits.ptr, 1, 3);
    expect(Math.abs(output.row(0)[0]! / (2 * Math.exp(-40)) - 1)).toBeLessThan(1e-6);
  });

  test('[40, 0, 0] has the loss 2 exp(-40) = 8.5e-18 and the gradient -8.5e-18, not 0', () => {
    const exact = Math.log1p(2 * Math.exp(-40));
    const got = runAll(Float32Array.of(40, 0, 0), 0, 1);
    expect(Math.abs(got.loss / exact - 1)).toBeLessThan(1e-6);
    expect(Math.abs(got.gradient[0]! / -exact - 1)).toBeLessThan(1e-6);
    expect(Math.abs(got.logSoftmax[0]! / -exact - 1)).toBeLessThan(1e-6);
  });

  test('a target that ties with another, or that does not lead, is as in other rows', () => {
    for (const [row, target] of [
      [[3, 3, -50], 0],
      [[0, -1e-9, -50], 0],
      [[40, 0, 0], 1],
      [[40, 0, 0, 0, 0, 0, 0, 0, 39], 0],
    ] as const) {
      const got = runAll(Float32Array.from(row), target, 1);
      const expected = oracle.loss(Float32Array.from(row), target);
      expectWithin([got.loss], [expected], (loss) => 1e-6 * loss, `${row}`);
      expectWithin(got.gradient, oracle.gradient(row, target, 1), () => 4e-7, `${row}`);
    }
  });
});

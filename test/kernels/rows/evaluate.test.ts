// Predictions, ranks and losses of evaluateRows against their definitions, ties and NaN included.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectWithin, Grid, rowCountsFor } from './grid.js';
import * as oracle from './oracle.js';

describe.each(builds)('evaluateRows (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);

  function evaluate(rows: readonly Float32Array[], targets: ArrayLike<number>, gap = 0, offsetBytes = 0) {
    bench.reset();
    const columns = rows[0]!.length;
    const logits = new Grid(bench, rows.length, columns, columns + gap, offsetBytes);
    rows.forEach((row, i) => {
      logits.row(i).set(row);
    });
    const predictionsPtr = bench.putInt32(new Int32Array(rows.length).fill(-77));
    const ranksPtr = bench.putInt32(new Int32Array(rows.length).fill(-77));
    const losses = new Grid(bench, 1, rows.length).fill(new Float32Array(rows.length).fill(-77));
    const status = bench.kernels.evaluateRows(
      predictionsPtr,
      ranksPtr,
      losses.ptr,
      logits.ptr,
      targets.length === 0 ? NULL_PTR : bench.putInt32(targets),
      rows.length,
      columns,
      columns + gap,
    );
    losses.checkGuards();
    logits.checkGuards();
    return {
      status,
      predictions: [...bench.int32(predictionsPtr, rows.length)],
      ranks: [...bench.int32(ranksPtr, rows.length)],
      losses: [...losses.row(0)],
    };
  }

  test.each(COLUMN_COUNTS)(
    '%i columns: predictions and ranks are exact with many ties, losses within 3e-7',
    (columns) => {
      for (const rows of rowCountsFor(columns)) {
        // Small integers, so that most logits have equals on both sides of the target.
        const tied = randomValues(rows * columns, 4, columns + rows).map(Math.round);
        const all = Array.from({ length: rows }, (_, i) => tied.subarray(i * columns, (i + 1) * columns));
        const targets = randomTargets(rows, columns, columns);
        for (const [gap, offset] of [
          [0, 0],
          [3, 4],
        ] as const) {
          const got = evaluate(all, targets, gap, offset);
          expect(got.status).toBe(STATUS_OK);
          expect(got.predictions).toStrictEqual(all.map(oracle.prediction));
          expect(got.ranks).toStrictEqual(all.map((row, i) => oracle.rank(row, targets[i]!)));
          const expected = all.map((row, i) => oracle.loss(row, targets[i]!));
          expectWithin(got.losses, expected, (loss) => 3e-7 + loss * 2 ** -24, 'losses');
        }
      }
    },
  );

  test.each([1, 2, 3, 4, 5, 8, 13, 33])('%i columns: every target of a row has its own rank', (columns) => {
    const row = randomValues(columns, 3, columns).map(Math.round);
    const targets = Array.from({ length: columns }, (_, j) => j);
    const { ranks } = evaluate(new Array(columns).fill(row), targets);
    expect(ranks).toStrictEqual(targets.map((target) => oracle.rank(row, target)));
    expect([...ranks].sort((a, b) => a - b)).toStrictEqual(targets);
  });

  test('the prediction is -1 exactly where the softmax of the row is NaN, whatever column is at fault', () => {
    const above = randomValues(40, 3, 7);
    for (const columns of [1, 2, 3, 4, 5, 9, 40]) {
      const rows = [NaN, Infinity, -Infinity, -3.4e38, 3.4e38].flatMap((value) =>
        Array.from({ length: columns }, (_, column) => {
          const row = above.slice(0, columns);
          row[column] = value;
          return row;
        }),
      );
      rows.push(new Float32Array(columns).fill(NaN), new Float32Array(columns).fill(-Infinity));
      const expected = rows.map((row) =>
        Number.isNaN(oracle.softmax(row)[0]) ? -1 : oracle.prediction(row),
      );
      expect(evaluate(rows, []).predictions, `${columns} columns`).toStrictEqual(expected);
      expect(expected.filter((prediction) => prediction === -1).length).toBeGreaterThan(2 * columns);
    }
  });

  test('a target whose logit is NaN ranks behind all columns; other NaN count as neither larger nor equal', () => {
    const row = Float32Array.of(2, NaN, 3, NaN, 2, 1);
    const { ranks, losses, predictions } = evaluate([row, row, row], [1, 4, 2]);
    expect(ranks).toStrictEqual([6, 2, 0]);
    expect(losses).toStrictEqual([NaN, NaN, NaN]);
    expect(predictions).toStrictEqual([-1, -1, -1]);
  });

  test('0 and -0 are equal logits', () => {
    expect(evaluate([Float32Array.of(-1, -0, 0, -0, 0)], [4])).toMatchObject({
      predictions: [1],
      ranks: [3],
    });
  });

  test('without targets only predictions are written', () => {
    const rows = [Float32Array.of(1, 2, 3), Float32Array.of(3, 2, 1)];
    expect(evaluate(rows, [])).toStrictEqual({
      status: STATUS_OK,
      predictions: [2, 0],
      ranks: [-77, -77],
      losses: [-77, -77],
    });
  });

  test.each([-1, 3])(
    'an invalid target %i stops at its row and leaves it and later ones untouched',
    (bad) => {
      const row = Float32Array.of(1, 2, 3);
      const got = evaluate([row, row, row], [2, bad, 0]);
      expect(got).toMatchObject({ status: 1, predictions: [2, -77, -77], ranks: [0, -77, -77] });
      expect(got.losses.slice(1)).toStrictEqual([-77, -77]);
    },
  );
});

// The bits of a row depend on its logits and column count alone: not on addresses, strides, neighbors or where a batch is cut.

import { describe, expect, test } from 'vitest';
import { MOST_GROUP_COLUMNS, STATUS_OK } from '#softshard/kernels/layout.js';
import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectSameBits, Grid } from './grid.js';

/** Where rows are taken in groups, more than a group. */
const rowsOf = (columns: number): number => (columns <= MOST_GROUP_COLUMNS ? 39 : 7);

describe.each(builds)('bits of the row kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  interface Place {
    readonly inPlace: boolean;
    readonly gap: number;
    readonly inputOffset: number;
    readonly outputOffset: number;
    /** Row counts of the calls; the last one's are the rest. */
    readonly pieces: readonly number[];
  }
  const whole: Place = { inPlace: false, gap: 0, inputOffset: 0, outputOffset: 0, pieces: [] };
  const others: readonly Place[] = [
    { ...whole, inPlace: true },
    ...[4, 8, 12].map((offset) => ({ ...whole, inPlace: true, inputOffset: offset })),
    ...[4, 8, 12].map((offset) => ({ ...whole, inputOffset: offset, outputOffset: (offset + 4) % 16 })),
    { ...whole, gap: 1 },
    { ...whole, gap: 5, inPlace: true },
    { ...whole, pieces: [1, 1, 1, 1, 1, 1] },
    { ...whole, pieces: [3], inPlace: true, inputOffset: 4 },
    { ...whole, pieces: [2, 3, 14, 17], gap: 3, inPlace: true },
  ];

  /** The bits of everything the row kernels give for these logits. */
  function runAll(values: Float32Array, targets: Int32Array, columns: number, place: Place): Uint32Array[] {
    const { inPlace, gap, inputOffset, outputOffset, pieces } = place;
    const stride = columns + gap;
    const rowCount = rowsOf(columns);
    const results: Uint32Array[] = [];
    const run = (kernel: (outputPtr: Ptr, inputPtr: Ptr, begin: number, rows: number) => void) => {
      bench.reset();
      const input = new Grid(bench, rowCount, columns, stride, inputOffset).fill(values);
      const output = inPlace ? input : new Grid(bench, rowCount, columns, stride, outputOffset);
      let begin = 0;
      for (const piece of [...pieces, rowCount]) {
        const rows = Math.min(piece, rowCount - begin);
        const bytes = begin * stride * 4;
        kernel(offsetBy(output.ptr, bytes), offsetBy(input.ptr, bytes), begin, rows);
        begin += rows;
      }
      results.push(output.bits());
    };
    run((output, input, _, rows) => kernels.softmaxRows(output, input, rows, columns, stride));
    run((output, input, _, rows) => kernels.logSoftmaxRows(output, input, rows, columns, stride));
    const lossSum = new Float64Array(1);
    const losses = new Uint32Array(rowCount);
    run((output, input, begin, rows) => {
      const targetsPtr = bench.putInt32(targets.subarray(begin, begin + rows));
      const lossesPtr = bench.allocate(rows * 4);
      const cell = bench.allocate(8);
      const words = bench.uint32(cell, 2);
      words.set(new Uint32Array(lossSum.buffer));
      const status = kernels.crossEntropyGradientRows(
        output,
        lossesPtr,
        cell,
        input,
        targetsPtr,
        rows,
        columns,
        stride,
        1 / 3,
      );
      expect(status).toBe(STATUS_OK);
      losses.set(bench.uint32(lossesPtr, rows), begin);
      new Uint32Array(lossSum.buffer).set(words);
    });
    results.push(losses, new Uint32Array(lossSum.buffer));
    return results;
  }

  test.each(COLUMN_COUNTS)(
    '%i columns: the same in place, misaligned, with gaps, and in pieces',
    (columns) => {
      for (const amplitude of [6, 200]) {
        const rows = rowsOf(columns);
        const values = randomValues(rows * columns, amplitude, columns);
        // One row and the last are spoiled: also the rare path must not depend on the place.
        values[3 * columns] = NaN;
        values[values.length - 1] = NaN;
        const targets = randomTargets(rows, columns, 9);
        const names = ['softmax', 'log-softmax', 'gradient', 'losses', 'lossSum'];
        const expected = runAll(values, targets, columns, whole);
        for (const place of others) {
          runAll(values, targets, columns, place).forEach((bits, k) => {
            expectSameBits(bits, expected[k]!, `${names[k]} ${JSON.stringify(place)}`);
          });
        }
      }
    },
  );
});

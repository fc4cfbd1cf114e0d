// The float64 row kernels against an oracle with more digits, for every column count that takes another way through them.

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { Block } from '../tiles/block.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import {
  expectWithin64,
  logSoftmaxBound,
  logSumExpBound,
  type RowResults,
  randomValues64,
  rowResults,
  softmaxBound,
} from './oracle.js';

const COLUMN_COUNTS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 31, 33, 64, 67, 1000, 1023, 1024, 4097, 131072,
];
const QUIET_NAN = 0x7ff8000000000000n;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Distances from 16-byte alignment. */
const PLACES = [
  { inPlace: false, inputOffset: 0, outputOffset: 0 },
  { inPlace: false, inputOffset: 8, outputOffset: 0 },
  { inPlace: true, inputOffset: 0, outputOffset: 0 },
  { inPlace: true, inputOffset: 8, outputOffset: 8 },
];

describe.each(builds)('float64 row kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;
  beforeEach(() => bench.reset());

  /** Runs the three kernels on rows in one place, and checks that nothing else was written. */
  function runAll(logits: Float64Array, rows: number, columns: number, place = PLACES[0]!) {
    bench.reset();
    const run = (kernel: typeof kernels.softmaxRows64) => {
      const input = new Block(bench, logits.byteLength, place.inputOffset);
      input.float64.set(logits);
      const output = place.inPlace ? input : new Block(bench, logits.byteLength, place.outputOffset);
      kernel(output.ptr, input.ptr, rows, columns);
      input.checkGuards();
      output.checkGuards();
      if (!place.inPlace)
        expect(Buffer.from(input.bytes).equals(Buffer.from(new Uint8Array(logits.buffer)))).toBe(true);
      return output;
    };
    const softmax = run(kernels.softmaxRows64);
    const logSoftmax = run(kernels.logSoftmaxRows64);
    const input = new Block(bench, logits.byteLength, place.inputOffset);
    input.float64.set(logits);
    const logSumExp = new Block(bench, rows * 8, place.outputOffset);
    kernels.logSumExpRows64(logSumExp.ptr, input.ptr, rows, columns);
    logSumExp.checkGuards();
    return { softmax, logSoftmax, logSumExp };
  }

  function expectRow(
    got: ReturnType<typeof runAll>,
    row: Float64Array,
    i: number,
    expected: RowResults,
  ): void {
    const part = (block: Block) => block.float64.subarray(i * row.length, (i + 1) * row.length);
    const what = `of row ${i} of ${row.length} columns`;
    const bound = (p: number, j: number) => {
      const distance = row[j]! - expected.max;
      return softmaxBound(p, Number.isFinite(distance) ? distance : 0);
    };
    expectWithin64(part(got.softmax), expected.softmax, bound, `softmax ${what}`);
    const logBound = (v: number) => logSoftmaxBound(v, expected);
    expectWithin64(part(got.logSoftmax), expected.logSoftmax, logBound, `log-softmax ${what}`);
    const logSumExp = got.logSumExp.float64.subarray(i, i + 1);
    expectWithin64(logSumExp, [expected.logSumExp], () => logSumExpBound(expected), `log-sum-exp ${what}`);
  }

  test.each(COLUMN_COUNTS)(
    '%i columns: softmax and the log of the sum within 1e-15 + |z - max| 2^-53',
    (columns) => {
      const rows = columns > 10_000 ? 2 : columns > 500 ? 5 : 23;
      for (const amplitude of [0.01, 8, 80, 1500]) {
        const seed = columns * 7 + amplitude;
        const values = randomValues64(
          randomValues(rows * columns, amplitude, seed),
          randomValues(rows * columns, amplitude, seed + 1),
        );
        const rowsOfLogits = Array.from({ length: rows }, (_, i) =>
          values.subarray(i * columns, (i + 1) * columns),
        );
        const expected = rowsOfLogits.map(rowResults);
        let bits: BigUint64Array | undefined;
        for (const place of PLACES) {
          const got = runAll(values, rows, columns, place);
          rowsOfLogits.forEach((row, i) => {
            expectRow(got, row, i, expected[i]!);
          });
          const words = got.softmax.uint64.slice();
          bits ??= words;
          expect(
            Buffer.from(words.buffer).equals(Buffer.from(bits.buffer)),
            'the same bits in every place',
          ).toBe(true);
        }
      }
    },
  );

  test("a confident row's log-softmax and log-sum-exp keep their digits: within 2e-15 down to exp(-700)", () => {
    for (const columns of [2, 3, 8, 9, 17, 100]) {
      for (const gap of [1, 20, 37, 40, 100, 700]) {
        for (let at = 0; at < columns; at += 1) {
          const row = new Float64Array(columns).fill(-gap);
          row[at] = 0;
          const got = runAll(row, 1, columns);
          expectRow(got, row, 0, rowResults(row));
          // By other means: log1p((columns - 1) exp(-gap)).
          const small = Math.log1p((columns - 1) * Math.exp(-gap));
          expect(Math.abs(got.logSoftmax.float64[at]! + small) / small).toBeLessThan(2e-15);
          expect(Math.abs(got.logSumExp.float64[0]! - small) / small).toBeLessThan(2e-15);
        }
      }
    }
  });

  test('equal logits give the same probability everywhere, 1 / columns within one rounding', () => {
    for (const columns of COLUMN_COUNTS) {
      for (const logit of [0, -0, 5e-324, 1e300, -1.7e308]) {
        const got = runAll(new Float64Array(columns).fill(logit), 1, columns);
        expect(new Set(got.softmax.float64), `${columns} of ${logit}`).toStrictEqual(new Set([1 / columns]));
      }
    }
  });

  // docs/edge-values.md
  test.each<[number[], number[], number[], number]>([
    [[1, nan, 2], [nan, nan, nan], [nan, nan, nan], nan],
    [[1, inf, 2], [nan, nan, nan], [nan, nan, nan], inf],
    [[inf, inf], [nan, nan], [nan, nan], inf],
    [[inf, -inf], [nan, nan], [nan, nan], inf],
    [[nan, inf], [nan, nan], [nan, nan], nan],
    [[inf, nan], [nan, nan], [nan, nan], nan],
    [[nan, -inf], [nan, nan], [nan, nan], nan],
    [[-inf, -inf], [nan, nan], [nan, nan], -inf],
    [[nan], [nan], [nan], nan],
    [[inf], [nan], [nan], inf],
    [[-inf], [nan], [nan], -inf],
    [[-inf, 5], [0, 1], [-inf, 0], 5],
    [[1.7e308, -1.7e308], [1, 0], [0, -inf], 1.7e308],
    [[1e4, -1e4], [1, 0], [0, -2e4], 1e4],
    [[5e-324, 1e-323], [0.5, 0.5], [-Math.LN2, -Math.LN2], Math.LN2],
    [[7], [1], [0], 7],
  ])(
    '%j gives what float32 rows of the kind give, NaN canonical',
    (logits, softmax, logSoftmax, logSumExp) => {
      const got = runAll(Float64Array.from(logits), 1, logits.length);
      const bound = (v: number) => Math.abs(v) * 2e-16;
      for (const [block, expected] of [
        [got.softmax, softmax],
        [got.logSoftmax, logSoftmax],
        [got.logSumExp, [logSumExp]],
      ] as const) {
        expectWithin64(block.float64, expected, bound, 'result');
        block.uint64.forEach((word, j) => {
          if (Number.isNaN(expected[j])) expect(word).toBe(QUIET_NAN);
        });
      }
    },
  );

  test('one NaN, +Infinity or -Infinity in any column does what it does to a short row, and nothing to its neighbors', () => {
    for (const columns of [1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 25]) {
      for (let j = 0; j < columns; j++) {
        for (const value of [nan, inf, -inf]) {
          const logits = Float64Array.from({ length: 3 * columns }, (_, k) => (k * 37) % 11);
          logits[columns + j] = value;
          const got = runAll(logits, 3, columns);
          for (let i = 0; i < 3; i++) {
            const row = logits.subarray(i * columns, (i + 1) * columns);
            expectRow(got, row, i, rowResults(row));
          }
        }
      }
    }
  });

  test('NaN of any sign and payload comes out as the one quiet NaN', () => {
    for (const columns of [1, 2, 9]) {
      const logits = new Float64Array(columns).fill(1);
      new BigUint64Array(logits.buffer)[columns - 1] = 0xfff4000000abcdefn;
      const got = runAll(logits, 1, columns);
      const words = [...got.softmax.uint64, ...got.logSoftmax.uint64, ...got.logSumExp.uint64];
      expect(new Set(words)).toStrictEqual(new Set([QUIET_NAN]));
    }
  });

  test('any float64 bit patterns: NaN where the formula has it, else within the bounds of ordinary rows', () => {
    const row = fc.array(fc.oneof(fc.double(), fc.double({ min: -700, max: 700, noNaN: true })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(row, (logits) => {
        const values = Float64Array.from(logits);
        expectRow(runAll(values, 1, values.length), values, 0, rowResults(values));
      }),
      { numRuns: 2000, seed: 20 },
    );
  });

  test('no rows is no work', () => {
    const block = new Block(bench, 64);
    kernels.softmaxRows64(block.ptr, block.ptr, 0, 8);
    kernels.logSoftmaxRows64(block.ptr, block.ptr, 0, 8);
    kernels.logSumExpRows64(block.ptr, block.ptr, 0, 8);
    expect(new Set(block.bytes)).toStrictEqual(new Set([0x71]));
  });
});

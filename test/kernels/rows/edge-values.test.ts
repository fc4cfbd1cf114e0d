// The table of docs/edge-values.md, row by row, and arbitrary bit patterns: what infinities, NaN and extreme logits give.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { builds, Workbench } from '../workbench.js';
import { expectWithin, Grid, probabilityBound } from './grid.js';
import * as oracle from './oracle.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const QUIET_NAN_BITS = 0x7fc00000;
const QUIET_NAN_BITS_64 = 0x7ff8000000000000n;

interface EdgeRow {
  readonly logits: readonly number[];
  readonly target: number;
  readonly softmax: readonly number[];
  readonly logSoftmax: readonly number[];
  readonly logSumExp: number;
  readonly loss: number;
  readonly gradient: readonly number[];
}

const spoiled = (logits: readonly number[], logSumExp: number, target = 0): EdgeRow => {
  const row = logits.map(() => nan);
  return { logits, target, softmax: row, logSoftmax: row, logSumExp, loss: nan, gradient: row };
};

/** From PyTorch 1.13: softmax, log_softmax, logsumexp, cross_entropy and its backward, float32 on the CPU. */
const EDGE_ROWS: readonly EdgeRow[] = [
  spoiled([1, nan, 2], nan),
  spoiled([1, inf, 2], inf),
  spoiled([1, inf, 2], inf, 1),
  spoiled([inf, inf], inf),
  spoiled([inf, -inf], inf),
  spoiled([nan, inf], nan),
  spoiled([inf, nan], nan),
  spoiled([nan, -inf], nan),
  spoiled([-inf, -inf], -inf),
  spoiled([nan], nan),
  spoiled([inf], inf),
  spoiled([-inf], -inf),
  {
    logits: [0, -inf, 1],
    target: 2,
    softmax: [0.2689414322376251, 0, 0.7310585975646973],
    logSoftmax: [-1.31326162815094, -inf, -0.31326165795326233],
    logSumExp: 1.31326162815094,
    loss: 0.31326165795326233,
    gradient: [0.2689414322376251, 0, -0.26894140243530273],
  },
  {
    logits: [0, -inf, 1],
    target: 1,
    softmax: [0.2689414322376251, 0, 0.7310585975646973],
    logSoftmax: [-1.31326162815094, -inf, -0.31326165795326233],
    logSumExp: 1.31326162815094,
    loss: inf,
    gradient: [0.2689414322376251, -1, 0.7310585975646973],
  },
  {
    logits: [-inf, 5],
    target: 1,
    softmax: [0, 1],
    logSoftmax: [-inf, 0],
    logSumExp: 5,
    loss: 0,
    gradient: [0, 0],
  },
  {
    logits: [-inf, 5],
    target: 0,
    softmax: [0, 1],
    logSoftmax: [-inf, 0],
    logSumExp: 5,
    loss: inf,
    gradient: [-1, 1],
  },
  {
    logits: [3.4e38, -3.4e38],
    target: 1,
    softmax: [1, 0],
    logSoftmax: [0, -inf],
    logSumExp: 3.4e38,
    loss: inf,
    gradient: [1, -1],
  },
  {
    logits: [1e4, -1e4],
    target: 1,
    softmax: [1, 0],
    logSoftmax: [0, -2e4],
    logSumExp: 1e4,
    loss: 2e4,
    gradient: [1, -1],
  },
  {
    logits: [1e-40, 2e-40],
    target: 0,
    softmax: [0.5, 0.5],
    logSoftmax: [-0.6931471824645996, -0.6931471824645996],
    logSumExp: 0.6931471824645996,
    loss: 0.6931471824645996,
    gradient: [-0.5, 0.5],
  },
  { logits: [7], target: 0, softmax: [1], logSoftmax: [0], logSumExp: 7, loss: 0, gradient: [0] },
];

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

/** One bit pattern for NaN; everything else within 2e-7, zeros and infinities exactly. */
function expectRow(got: Float32Array, expected: readonly number[], what: string): void {
  const bound = (v: number) => (v === 0 ? 0 : 2e-7);
  expectWithin(got, expected, bound, what);
  const words = new Uint32Array(got.buffer, got.byteOffset, got.length);
  words.forEach((word, j) => {
    if (Number.isNaN(got[j]) && word !== QUIET_NAN_BITS) {
      throw new Error(`bits of ${what}[${j}]: expected 0x7fc00000, got 0x${word.toString(16)}`);
    }
  });
}

describe.each(builds)('edge values (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;

  /** Everything the kernels say about one row. */
  function runAll(logits: ArrayLike<number>, target: number) {
    bench.reset();
    const columns = logits.length;
    const values = Float32Array.from(logits);
    const input = new Grid(bench, 1, columns, columns, 4).fill(values);
    const softmax = new Grid(bench, 1, columns);
    const logSoftmax = new Grid(bench, 1, columns);
    const gradient = new Grid(bench, 1, columns).fill(values);
    const scalars = new Grid(bench, 1, 3);
    const lossSum = bench.float64Cell();
    const targetsPtr = bench.putInt32([target]);
    const { ptr } = gradient;
    kernels.softmaxRows(softmax.ptr, input.ptr, 1, columns, columns);
    kernels.logSoftmaxRows(logSoftmax.ptr, input.ptr, 1, columns, columns);
    kernels.logSumExpRows(scalars.ptr, input.ptr, 1, columns);
    kernels.crossEntropyRows(offsetBy(scalars.ptr, 4), lossSum.ptr, input.ptr, targetsPtr, 1, columns);
    kernels.crossEntropyGradientRows(
      ptr,
      offsetBy(scalars.ptr, 8),
      lossSum.ptr,
      ptr,
      targetsPtr,
      1,
      columns,
      columns,
      1,
    );
    for (const grid of [input, softmax, logSoftmax, gradient, scalars]) grid.checkGuards();
    return {
      softmax: softmax.row(0),
      logSoftmax: logSoftmax.row(0),
      gradient: gradient.row(0),
      scalars: scalars.row(0),
      lossSum: lossSum.read(),
    };
  }

  test.each(EDGE_ROWS)('$logits with target $target are what PyTorch gives', (row) => {
    const got = runAll(row.logits, row.target);
    expectRow(got.softmax, row.softmax, 'softmax');
    expectRow(got.logSoftmax, row.logSoftmax, 'logSoftmax');
    expectRow(got.gradient, row.gradient, 'gradient');
    expectRow(got.scalars, [row.logSumExp, row.loss, row.loss].map(Math.fround), 'log-sum-exp, losses');
    if (Number.isFinite(row.loss)) expect(got.lossSum).toBeCloseTo(2 * row.loss, 6);
    else if (Number.isNaN(row.loss)) expect(got.lossSum).toBeNaN();
    else expect(got.lossSum).toBeGreaterThan(3e38);
  });

  test('one NaN, +Infinity or -Infinity in any column does what it does to a short row', () => {
    for (const columns of [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17, 31, 32, 33, 38, 64, 67]) {
      for (let j = 0; j < columns; j++) {
        const logits = Array.from({ length: columns }, (_, k) => (k * 37) % 11);
        for (const value of [nan, inf, -inf]) {
          logits[j] = value;
          const got = runAll(logits, (j + 1) % columns);
          if (value === -inf && columns > 1) {
            const atColumn = [got.softmax[j], got.logSoftmax[j], got.gradient[j]];
            expect(atColumn, `column ${j} of ${columns}`).toStrictEqual([0, -inf, 0]);
            expectWithin(got.softmax, oracle.softmax(logits), (p) => 2e-6 * p, `softmax of ${columns}`);
          } else {
            const spoiledRow = logits.map(() => nan);
            expectRow(got.softmax, spoiledRow, `softmax of ${columns}`);
            expectRow(got.logSoftmax, spoiledRow, `log-softmax of ${columns}`);
            expectRow(got.gradient, spoiledRow, `gradient of ${columns}`);
            expectRow(got.scalars, [value, nan, nan], `scalars of ${columns}`);
          }
        }
      }
    }
  });

  test('a NaN of any sign and payload comes out as the one quiet NaN, and so does a lossSum that becomes NaN', () => {
    for (const word of [0x7fc00000, 0xffc00000, 0x7f800001, 0xffabcdef, 0x7fffffff]) {
      for (const columns of [1, 3, 4, 9, 40]) {
        bench.reset();
        const grid = new Grid(bench, 2, columns).fill(new Float32Array(2 * columns).fill(1));
        bench.uint32(grid.ptr, columns).fill(word, columns - 1);
        const losses = new Grid(bench, 1, 2);
        const lossSumPtr = bench.allocate(8);
        bench.uint32(lossSumPtr, 2).fill(0);
        const targetsPtr = bench.putInt32([0, 0]);
        const { ptr } = grid;
        kernels.crossEntropyGradientRows(
          ptr,
          losses.ptr,
          lossSumPtr,
          ptr,
          targetsPtr,
          2,
          columns,
          columns,
          1,
        );
        expect([...grid.bits().subarray(0, columns)]).toStrictEqual(new Array(columns).fill(QUIET_NAN_BITS));
        expect(losses.bits()[0]).toBe(QUIET_NAN_BITS);
        const [low, high] = bench.uint32(lossSumPtr, 2);
        expect((BigInt(high!) << 32n) | BigInt(low!)).toBe(QUIET_NAN_BITS_64);
        // A spoiled row leaves its neighbor alone.
        expect(losses.row(0)[1]).toBeCloseTo(Math.log(columns), 6);
      }
    }
  });

  test('any float32 bit patterns: NaN where the float64 formula has it, else within the bounds of ordinary rows', () => {
    const row = fc.array(fc.oneof(fc.float(), fc.float({ min: -100, max: 100, noNaN: true })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(row, fc.nat(), (logits, seed) => {
        const target = seed % logits.length;
        const got = runAll(logits, target);
        const max = oracle.largest(logits);
        const expected = oracle.softmax(logits);
        expectWithin(got.softmax, expected, (p, j) => probabilityBound(p, logits[j]! - max), 'softmax');
        expectWithin(got.logSoftmax, oracle.logSoftmax(logits), (v) => 3e-7 - v * 1.2e-7, 'log-softmax');
        const gradient = oracle.gradient(logits, target, 1);
        const gradientBound = (p: number, j: number) =>
          j === target ? 4e-7 : probabilityBound(p, logits[j]! - max);
        expectWithin(got.gradient, gradient, gradientBound, 'gradient');
        const loss = oracle.loss(logits, target);
        const scalars = [oracle.logSumExp(logits), loss, loss];
        expectWithin(got.scalars, scalars, (v) => 3e-7 + Math.abs(v) * 2 ** -24, 'scalars');
        expect(bitsOf(got.scalars[1]!)).toBe(bitsOf(got.scalars[2]!));
      }),
      { numRuns: 2000, seed: 20 },
    );
  });
});

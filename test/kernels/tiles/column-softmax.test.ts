// Softmax, log-softmax and log-sum-exp of columns that lie apart: the same results as rows, whatever the shape and place.

import { beforeEach, describe, expect, test } from 'vitest';
import { columnScratchBytes } from '#softshard/kernels/loss-layout.js';
import { expectWithin, probabilityBound } from '../rows/grid.js';
import * as oracle32 from '../rows/oracle.js';
import {
  expectWithin64,
  logSoftmaxBound,
  logSumExpBound,
  randomValues64,
  rowResults,
  softmaxBound,
} from '../rows64/oracle.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { Block, halfBits, halfNumber, TYPES } from './block.js';

const COLUMNS = [1, 2, 3, 7, 8, 9, 16, 17, 21, 64, 100];
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** outer, inner, rowBegin, rows: whole groups of 16, ragged ones of every size, and rows across several outers. */
const SHAPES = [
  [1, 16, 0, 16],
  [1, 48, 0, 48],
  [2, 49, 3, 90],
  [7, 5, 2, 31],
  [9, 1, 1, 7],
  [1, 40, 7, 1],
  [3, 23, 20, 30],
] as const;

describe.each(builds)('column kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;
  beforeEach(() => bench.reset());

  describe.each(TYPES)('$name', (storage) => {
    const resultBytes = storage.bytes === 8 ? 8 : 4;

    function logitsOf(length: number, amplitude: number, seed: number): Float64Array {
      const values = randomValues(length, amplitude, seed);
      if (storage.bytes === 8) return randomValues64(values, randomValues(length, amplitude, seed + 1));
      if (storage.bytes === 4) return Float64Array.from(values);
      return Float64Array.from(values, (value) => halfNumber(storage, halfBits(storage, value)));
    }

    /** Runs all three kernels; `offset` bytes off the 16-byte alignment. */
    function runAll(
      values: ArrayLike<number>,
      columns: number,
      [, inner, rowBegin, rows]: readonly [number, number, number, number],
      place: { inPlace: boolean; offset: number } = { inPlace: false, offset: 0 },
    ) {
      bench.reset();
      const bytes = values.length * storage.bytes;
      const scratch = new Block(bench, columnScratchBytes(columns));
      const run = (kernel: typeof kernels.softmaxColumns) => {
        const input = new Block(bench, bytes, place.offset).put(storage, values);
        const output = place.inPlace ? input : new Block(bench, bytes, storage.bytes);
        const before = output.bytes.slice();
        scratch.bytes.fill(0xff);
        kernel(output.ptr, input.ptr, storage.type, rowBegin, rows, columns, inner, scratch.ptr);
        input.checkGuards();
        output.checkGuards();
        scratch.checkGuards();
        return { output, before };
      };
      const softmax = run(kernels.softmaxColumns);
      const logSoftmax = run(kernels.logSoftmaxColumns);
      const input = new Block(bench, bytes, place.offset).put(storage, values);
      const logSumExp = new Block(bench, rows * resultBytes, resultBytes);
      const { ptr } = logSumExp;
      kernels.logSumExpColumns(ptr, input.ptr, storage.type, rowBegin, rows, columns, inner, scratch.ptr);
      logSumExp.checkGuards();
      return { softmax, logSoftmax, logSumExp };
    }

    const indexOf = (row: number, column: number, columns: number, inner: number) =>
      (Math.floor(row / inner) * columns + column) * inner + (row % inner);

    /** Compares every row with its formula, and requires all other elements to be as they were. */
    function expectRows(
      got: ReturnType<typeof runAll>,
      values: ArrayLike<number>,
      columns: number,
      [, inner, rowBegin, rows]: readonly [number, number, number, number],
    ): void {
      const softmax = got.softmax.output.elements(storage);
      const logSoftmax = got.logSoftmax.output.elements(storage);
      const logSumExp = resultBytes === 8 ? got.logSumExp.float64 : got.logSumExp.float32;
      const touched = new Set<number>();
      for (let i = 0; i < rows; i++) {
        const places = Array.from({ length: columns }, (_, j) => indexOf(rowBegin + i, j, columns, inner));
        for (const place of places) touched.add(place);
        const row = places.map((place) => values[place]!);
        const p = places.map((place) => softmax[place]!);
        const logP = places.map((place) => logSoftmax[place]!);
        const what = `row ${rowBegin + i} of ${columns} columns, inner ${inner}`;
        if (resultBytes === 8) {
          const expected = rowResults(row);
          const distance = (j: number) =>
            Number.isFinite(row[j]! - expected.max) ? row[j]! - expected.max : 0;
          expectWithin64(p, expected.softmax, (v, j) => softmaxBound(v, distance(j)), `softmax, ${what}`);
          expectWithin64(
            logP,
            expected.logSoftmax,
            (v) => logSoftmaxBound(v, expected),
            `log-softmax, ${what}`,
          );
          expectWithin64(
            [logSumExp[i]!],
            [expected.logSumExp],
            () => logSumExpBound(expected),
            `log-sum-exp, ${what}`,
          );
        } else {
          // Half types: the bounds of float32, then half a unit of the type.
          const unit = { float32: 0, bfloat16: 2 ** -8, float16: 2 ** -11 }[storage.name as 'float32'];
          const least = { float32: 0, bfloat16: 2 ** -134, float16: 2 ** -25 }[storage.name as 'float32'];
          const max = oracle32.largest(row);
          const rounding = (v: number) => Math.abs(v) * unit * 1.001 + least;
          const softmaxLimit = (v: number, j: number) => probabilityBound(v, row[j]! - max) + rounding(v);
          expectWithin(p, oracle32.softmax(row), softmaxLimit, `softmax, ${what}`);
          // The relative bound also holds for the smallest results.
          const logLimit = (v: number) => Math.min(3e-7 - v * 1.2e-7, -v * 8e-6 + 2 ** -126) + rounding(v);
          expectWithin(logP, oracle32.logSoftmax(row), logLimit, `log-softmax, ${what}`);
          const sumLimit = (v: number) => 3e-7 + Math.abs(v) * 2 ** -24;
          expectWithin([logSumExp[i]!], [oracle32.logSumExp(row)], sumLimit, `log-sum-exp, ${what}`);
        }
      }
      for (const { output, before } of [got.softmax, got.logSoftmax]) {
        output.bytes.forEach((byte, k) => {
          if (!touched.has(Math.floor(k / storage.bytes)) && byte !== before[k]) {
            throw new Error(`byte ${k} belongs to no row of the call, and was written`);
          }
        });
      }
    }

    test('a row with one dominating logit: log-softmax there and log-sum-exp are ∓log1p of the others, not 0', () => {
      const slack = storage.bytes === 8 ? 2e-15 : 1e-6;
      const unit = storage.bytes === 8 ? 2 ** -52 : storage.bytes === 4 ? 2 ** -23 : 2 ** -8;
      for (const columns of COLUMNS.filter((count) => count > 1)) {
        for (const gap of [3, 16, 40, 80]) {
          const rows = 21;
          const values = new Float64Array(columns * rows).fill(-gap);
          // The largest logit of row i in column i % columns.
          for (let i = 0; i < rows; i++) values[(i % columns) * rows + i] = 0;
          const got = runAll(values, columns, [1, rows, 0, rows]);
          const logSoftmax = got.logSoftmax.output.elements(storage);
          const logSumExp = resultBytes === 8 ? got.logSumExp.float64 : got.logSumExp.float32;
          const wanted = Math.log1p((columns - 1) * Math.exp(-gap));
          for (let i = 0; i < rows; i++) {
            const largest = logSoftmax[(i % columns) * rows + i]!;
            // float16 has no numbers between 0 and 6e-8.
            const least = storage.name === 'float16' ? 2 ** -24 : 0;
            const limit = (slack + unit) * wanted + least;
            expect(Math.abs(largest + wanted), `${columns} columns, ${gap} ahead`).toBeLessThanOrEqual(limit);
            expect(Math.abs(logSumExp[i]! - wanted)).toBeLessThanOrEqual((slack + 2 ** -23) * wanted);
            if (resultBytes === 8) expect(Math.abs(logSumExp[i]! / wanted - 1)).toBeLessThan(3e-15);
          }
        }
      }
    });

    test.each(COLUMNS)(
      '%i columns: within the bounds of the row kernels, in every shape and place',
      (columns) => {
        for (const shape of SHAPES) {
          const length = shape[0] * columns * shape[1];
          for (const amplitude of [8, 80]) {
            const values = logitsOf(length, amplitude, columns + length);
            expectRows(runAll(values, columns, shape), values, columns, shape);
            const moved = runAll(values, columns, shape, { inPlace: true, offset: storage.bytes });
            expectRows(moved, values, columns, shape);
          }
        }
      },
    );

    test('the bits of a row are the same alone, in any group, at any inner, in place or not', () => {
      for (const columns of [2, 9, 21]) {
        const rows = 37;
        const turned = logitsOf(rows * columns, 30, columns);
        // Copied: the next run has the same memory.
        const snapshot = (got: ReturnType<typeof runAll>) => ({
          softmax: Buffer.from(got.softmax.output.bytes),
          logSoftmax: Buffer.from(got.logSoftmax.output.bytes),
          logSumExp: Buffer.from(got.logSumExp.bytes),
        });
        const bitsAt = (bytes: Buffer, index: number, width = storage.bytes as number) =>
          bytes.subarray(index * width, (index + 1) * width).toString('hex');
        const whole = snapshot(runAll(turned, columns, [1, rows, 0, rows]));
        // As rows one after the other (inner 1), and each alone in its call.
        const flat = Float64Array.from(
          turned,
          (_, k) => turned[(k % columns) * rows + Math.floor(k / columns)]!,
        );
        const flatPlace = { inPlace: true, offset: 0 };
        const inRows = snapshot(runAll(flat, columns, [rows, 1, 0, rows], flatPlace));
        expect(inRows.logSumExp.equals(whole.logSumExp)).toBe(true);
        for (let i = 0; i < rows; i++) {
          const alone = snapshot(runAll(turned, columns, [1, rows, i, 1]));
          for (let j = 0; j < columns; j++) {
            for (const kernel of ['softmax', 'logSoftmax'] as const) {
              const bits = bitsAt(whole[kernel], j * rows + i);
              expect(bitsAt(alone[kernel], j * rows + i)).toBe(bits);
              expect(bitsAt(inRows[kernel], i * columns + j)).toBe(bits);
            }
          }
          expect(alone.logSumExp.toString('hex')).toBe(bitsAt(whole.logSumExp, i, resultBytes));
        }
      }
    });

    test('NaN and infinities in any column spoil their own row alone, and NaN is canonical', () => {
      const quiet = { float32: 0x7fc00000, float64: 0x7ff8000000000000n, bfloat16: 0x7fc0, float16: 0x7e00 }[
        storage.name
      ];
      for (const columns of [1, 2, 9]) {
        for (const inner of [1, 6, 16, 19]) {
          const shape = [1, inner, 0, inner] as const;
          const values = logitsOf(columns * inner, 4, inner);
          for (let i = 0; i < inner; i++) {
            // A row in three each, of which the last is all -Infinity.
            const special = [nan, inf, -inf][i % 3]!;
            for (let j = 0; j < columns; j++) {
              if (j === i % columns || i % 6 === 5) values[indexOf(i, j, columns, inner)] = special;
            }
          }
          const got = runAll(values, columns, shape);
          expectRows(got, values, columns, shape);
          for (const { output } of [got.softmax, got.logSoftmax]) {
            const words =
              storage.bytes === 8 ? output.uint64 : storage.bytes === 4 ? output.uint32 : output.uint16;
            output.elements(storage).forEach((element, k) => {
              if (Number.isNaN(element)) expect(words[k]).toBe(quiet);
            });
          }
        }
      }
    });

    test('no rows is no work', () => {
      const block = new Block(bench, 128);
      kernels.softmaxColumns(block.ptr, block.ptr, storage.type, 0, 0, 2, 4, block.ptr);
      kernels.logSumExpColumns(block.ptr, block.ptr, storage.type, 0, 0, 2, 4, block.ptr);
      expect(new Set(block.bytes)).toStrictEqual(new Set([0x71]));
    });
  });
});

// loadTile and storeTile move every element to its place, whatever the shape, and nothing else.

import { beforeEach, describe, expect, test } from 'vitest';
import { builds, Workbench } from '../workbench.js';
import { Block, halfBits, halfNumber, type StorageType, TYPES } from './block.js';

const COLUMNS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 20, 33, 64];
const INNERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33];

describe.each(builds)('tiles (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;
  beforeEach(() => bench.reset());

  /** Values that differ from their neighbors and that the type holds exactly. */
  const valueAt = (storage: StorageType, i: number): number => {
    const value = (((i * 37) % 251) - 125) / 4;
    return storage.bytes === 2
      ? halfNumber(storage, halfBits(storage, value))
      : value + (storage.bytes === 8 ? 1e-12 : 0);
  };

  describe.each(TYPES)('$name', (storage) => {
    const tileBytes = storage.bytes === 8 ? 8 : 4;

    function check(
      outer: number,
      columns: number,
      inner: number,
      rowBegin: number,
      rows: number,
      offset: number,
    ): void {
      bench.reset();
      const length = outer * columns * inner;
      const values = Array.from({ length }, (_, i) => valueAt(storage, i));
      const source = new Block(bench, length * storage.bytes, offset).put(storage, values);
      const tile = new Block(bench, rows * columns * tileBytes, tileBytes * (offset ? 1 : 0));
      kernels.loadTile(tile.ptr, source.ptr, storage.type, rowBegin, rows, columns, inner);
      source.checkGuards();
      tile.checkGuards();
      const what = `[${outer} × ${columns} × ${inner}], rows ${rowBegin} + ${rows}`;
      const placeOf = (i: number, j: number) => {
        const row = rowBegin + i;
        return (Math.floor(row / inner) * columns + j) * inner + (row % inner);
      };
      const got = storage.bytes === 8 ? tile.float64 : tile.float32;
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const expected = values[placeOf(i, j)]!;
          if (got[i * columns + j] !== expected) {
            throw new Error(`${what}: tile [${i}, ${j}]: expected ${expected}, got ${got[i * columns + j]}`);
          }
        }
      }
      // Back into an array of other values: the rows' elements come, all others stay.
      const before = Array.from({ length }, (_, i) => valueAt(storage, i + 101));
      const target = new Block(bench, length * storage.bytes, offset).put(storage, before);
      kernels.storeTile(target.ptr, tile.ptr, storage.type, rowBegin, rows, columns, inner);
      tile.checkGuards();
      target.checkGuards();
      const expected = before;
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) expected[placeOf(i, j)] = values[placeOf(i, j)]!;
      }
      target.elements(storage).forEach((element, k) => {
        if (element !== expected[k]) {
          throw new Error(`${what}: target[${k}]: expected ${expected[k]}, got ${element}`);
        }
      });
    }

    test.each(COLUMNS)(
      '%i columns: every inner length, first row and number of rows, into the next outer',
      (columns) => {
        for (const inner of INNERS) {
          const outer = Math.ceil(24 / inner) + 1;
          for (const rowBegin of [0, 1, Math.floor(inner / 2), inner - 1]) {
            for (const rows of [1, 2, 3, 4, 5, 8, 13, 23]) {
              if (rowBegin + rows <= outer * inner) check(outer, columns, inner, rowBegin, rows, 0);
            }
          }
        }
      },
    );

    test('at any alignment of the element', () => {
      for (let offset = 0; offset < 16; offset += storage.bytes) {
        for (const [columns, inner] of [
          [5, 1],
          [5, 9],
          [17, 6],
          [2, 11],
          [9, 1],
        ] as const) {
          check(3, columns, inner, 1, inner + 1, offset);
        }
      }
    });

    test('columns 4096 bytes apart', () => {
      check(2, 19, 4096 / storage.bytes, 4096 / storage.bytes - 9, 18, 0);
    });

    test('no rows is no work', () => {
      const source = new Block(bench, 64);
      const tile = new Block(bench, 64);
      for (const inner of [1, 4]) {
        kernels.loadTile(tile.ptr, source.ptr, storage.type, 0, 0, 2, inner);
        kernels.storeTile(source.ptr, tile.ptr, storage.type, 0, 0, 2, inner);
      }
      expect(new Set([...tile.bytes, ...source.bytes])).toStrictEqual(new Set([0x71]));
    });
  });

  test('float32 and float64 are moved bit for bit, signaling NaN and negative zero too', () => {
    const words = Uint32Array.from(
      { length: 96 },
      (_, i) => [0x7f800001, 0xffc12345, 0x80000000, 1][i % 4]! + i * 8,
    );
    for (const { type, bytes } of TYPES.filter((storage) => storage.bytes >= 4)) {
      for (const inner of [1, 3, 6]) {
        bench.reset();
        const source = new Block(bench, 384);
        source.uint32.set(words);
        const tile = new Block(bench, 384);
        const target = new Block(bench, 384);
        const rows = 384 / bytes / 4;
        kernels.loadTile(tile.ptr, source.ptr, type, 0, rows, 4, inner);
        kernels.storeTile(target.ptr, tile.ptr, type, 0, rows, 4, inner);
        expect([...target.uint32]).toStrictEqual([...words]);
      }
    }
  });
});

// bfloat16 and float16: every value in, every value and every tie out.

import { beforeEach, describe, expect, test } from 'vitest';
import { builds, randomValues, Workbench } from '../workbench.js';
import { Block, halfBits, halfNumber, TYPES } from './block.js';

const HALVES = TYPES.filter(({ bytes }) => bytes === 2);
const COUNT = 65536;

describe.each(builds)('half types (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;
  beforeEach(() => bench.reset());

  describe.each(HALVES)('$name', (storage) => {
    const quietNaN = halfBits(storage, Number.NaN);

    /** Through a tile and back; inner 1 converts in place order, 64 goes by blocks, 3 by single elements. */
    function throughTile(bits: Uint16Array, columns: number, inner: number) {
      const source = new Block(bench, bits.length * 2);
      source.uint16.set(bits);
      const tile = new Block(bench, bits.length * 4);
      const target = new Block(bench, bits.length * 2);
      const rows = bits.length / columns;
      kernels.loadTile(tile.ptr, source.ptr, storage.type, 0, rows, columns, inner);
      kernels.storeTile(target.ptr, tile.ptr, storage.type, 0, rows, columns, inner);
      for (const block of [source, tile, target]) block.checkGuards();
      return { widened: tile, narrowed: target.uint16 };
    }

    test.each([
      [1, 1],
      [64, 1],
      [64, 64],
      [2, 64],
      [64, 2],
    ])(
      'all 65,536 values, %i columns, inner %i: widened exactly, and back to the same bits, NaN to the quiet NaN',
      (columns, inner) => {
        const bits = Uint16Array.from({ length: COUNT }, (_, i) => i);
        const { widened, narrowed } = throughTile(bits, columns, inner);
        const values = widened.float32;
        // Where element i of the array lies in the tile.
        const placeOf = (i: number) => {
          const outer = Math.floor(i / (columns * inner));
          const column = Math.floor(i / inner) % columns;
          return (outer * inner + (i % inner)) * columns + column;
        };
        for (let i = 0; i < COUNT; i++) {
          const number = halfNumber(storage, i);
          const got = values[placeOf(i)]!;
          if (!Object.is(got, number)) throw new Error(`0x${i.toString(16)}: expected ${number}, got ${got}`);
          const wanted = Number.isNaN(number) ? quietNaN : i;
          if (narrowed[i] !== wanted) {
            throw new Error(
              `0x${i.toString(16)}: expected 0x${wanted.toString(16)}, got 0x${narrowed[i]!.toString(16)}`,
            );
          }
        }
      },
    );

    test('widening keeps the sign and payload of every NaN', () => {
      const bits = Uint16Array.from({ length: COUNT }, (_, i) => i);
      const words = throughTile(bits, 1, 1).widened.uint32;
      let seen = 0;
      for (let i = 0; i < COUNT; i++) {
        if (!Number.isNaN(halfNumber(storage, i))) continue;
        seen++;
        const fraction = storage.name === 'bfloat16' ? (i & 0x7f) << 16 : (i & 0x3ff) << 13;
        const expected = (((i & 0x8000) << 16) | 0x7f800000 | fraction) >>> 0;
        if (words[i] !== expected) throw new Error(`0x${i.toString(16)}: 0x${words[i]!.toString(16)}`);
      }
      expect(seen).toBe(storage.name === 'bfloat16' ? 2 * 127 : 2 * 1023);
    });

    /** Stores float32 values in both ways and gives the bits, which must agree. */
    function store(values: Float32Array): Uint16Array {
      bench.reset();
      const length = Math.ceil(values.length / 16) * 16;
      const tile = new Block(bench, length * 4);
      tile.float32.fill(0).set(values);
      const flat = new Block(bench, length * 2);
      kernels.storeTile(flat.ptr, tile.ptr, storage.type, 0, length / 4, 4, 1);
      const turned = new Block(bench, length * 2);
      kernels.storeTile(turned.ptr, tile.ptr, storage.type, 0, length / 4, 4, length / 4);
      for (let i = 0; i < length; i++) {
        const other = turned.uint16[(i % 4) * (length / 4) + Math.floor(i / 4)];
        if (other !== flat.uint16[i])
          throw new Error(`element ${i}: ${flat.uint16[i]} in order, ${other} turned`);
      }
      return flat.uint16.slice(0, values.length);
    }

    function expectNearest(values: Float32Array): void {
      const got = store(values);
      values.forEach((value, i) => {
        const expected = halfBits(storage, value);
        if (got[i] !== expected) {
          throw new Error(`${value}: expected 0x${expected.toString(16)}, got 0x${got[i]!.toString(16)}`);
        }
      });
    }

    test('every tie goes to the even neighbor, and the float32 next to a tie to the nearer one, up to Infinity', () => {
      const infinity = storage.name === 'bfloat16' ? 0x7f80 : 0x7c00;
      const candidates: number[] = [];
      const word = new Uint32Array(1);
      const float = new Float32Array(word.buffer);
      for (let bits = 0; bits < infinity; bits++) {
        const value = halfNumber(storage, bits);
        const next =
          bits + 1 === infinity ? 2 * value - halfNumber(storage, bits - 1) : halfNumber(storage, bits + 1);
        // Exact: a tie has one more bit than a half, and float32 has that everywhere but in bfloat16's denormals,
        // whose ties are float32 denormals.
        float[0] = (value + next) / 2;
        const tie = word[0]!;
        for (const near of [tie - 1, tie, tie + 1]) {
          word[0] = near;
          candidates.push(float[0]!, -float[0]!);
        }
      }
      expectNearest(Float32Array.from(candidates));
    });

    test('float32 numbers of every exponent are rounded to the nearest', () => {
      const words = new Uint32Array(randomValues(1 << 17, 1, 5).buffer);
      // Random fractions under every sign and exponent.
      words.forEach((word, i) => {
        words[i] = (word & 0x7fffff) | ((i & 0x1ff) << 23);
      });
      const values = new Float32Array(words.buffer).filter((value) => !Number.isNaN(value));
      expect(values.length).toBeGreaterThan(130_000);
      expectNearest(values);
    });

    test('infinities stay, and every NaN becomes the quiet NaN', () => {
      const words = Uint32Array.of(
        0x7f800000,
        0xff800000,
        0x7fc00000,
        0xffc00000,
        0x7f800001,
        0xffffffff,
        0x7fabcdef,
      );
      const infinity = storage.name === 'bfloat16' ? 0x7f80 : 0x7c00;
      const tile = new Block(bench, 32 * 4);
      tile.uint32.fill(0x7f812345).set(words);
      const target = new Block(bench, 32 * 2);
      kernels.storeTile(target.ptr, tile.ptr, storage.type, 0, 32, 1, 1);
      const expected = new Array<number>(32).fill(quietNaN);
      expected.splice(0, 2, infinity, infinity | 0x8000);
      expect([...target.uint16]).toStrictEqual(expected);
    });
  });
});

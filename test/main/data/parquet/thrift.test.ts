import { expect, test } from 'vitest';
import { structEnd } from '#softshard/main/data/parquet/thrift.js';

const end = (...bytes: number[]) => structEnd(Uint8Array.from(bytes), 0);

test('a struct ends where its fields do', () => {
  expect(end(0)).toBe(1);
  // Field 1, the integer 3; field 2, two bytes; a list of two integers; a struct in it; true.
  expect(end(0x15, 6, 0x18, 2, 65, 66, 0x19, 0x25, 2, 4, 0x1c, 0, 0x11, 0, 99)).toBe(14);
});

test('it is cut off where the bytes end, or hold fewer than a list or text says', () => {
  expect(end()).toBeUndefined();
  expect(end(0x15)).toBeUndefined();
  expect(end(0x18, 200, 1, 65)).toBeUndefined();
  // A list of 2^28 elements, which nobody allocates.
  expect(end(0x19, 0xf5, 0x80, 0x80, 0x80, 0x80, 1, 2)).toBeUndefined();
});

test('what no struct is, is refused: unknown types, endless integers, structs without end', () => {
  expect(() => end(0x1d)).toThrow('type 13');
  expect(() => end(0x15, ...Array(20).fill(0xff))).toThrow('more than 64 bits');
  expect(() => end(...Array(100).fill(0x1c))).toThrow('nested deeper');
  expect(() => end(...Array(100).fill([0x19, 0x19]).flat())).toThrow('nested deeper');
});

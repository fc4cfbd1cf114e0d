// Rows in one piece of memory that grows: in the arena, then outside it, to a bound.
import { expect, test } from 'vitest';
import { GrowingRows } from '#softshard/main/intake/growing-rows.js';
import { Arena } from '#softshard/main/memory/arena.js';
import { residentPtr } from '#softshard/main/memory/arena-tensor.js';

const COLUMNS = 1000;
const fill = (rows: GrowingRows, count: number) => {
  for (let row = 0; row < count; row++) rows.next(COLUMNS).fill(row);
};
const firsts = (data: Float32Array) =>
  Array.from({ length: data.length / COLUMNS }, (_, row) => data[row * COLUMNS]);

test('rows lie in the arena, in no more than they take, also where others allocate meanwhile', () => {
  const arena = new Arena(2 ** 24);
  const before = arena.usedBytes;
  const rows = new GrowingRows(arena, 'inputs');
  fill(rows, 20);
  const other = arena.allocate(128, 'something else');
  for (let row = 20; row < 500; row++) rows.next(COLUMNS).fill(row);
  const { tensor, free } = rows.finish(COLUMNS);
  expect(residentPtr(arena, tensor)).toBeDefined();
  expect(tensor.dims).toEqual([500, COLUMNS]);
  expect(firsts(tensor.data)).toEqual([...Array(500).keys()]);
  expect(arena.usedBytes - before).toBe(500 * COLUMNS * 4 + 128);
  free();
  arena.release(other);
  expect(arena.usedBytes).toBe(before);
});

test('rows beyond half of the arena lie in ordinary memory', () => {
  const arena = new Arena(2 ** 21);
  const before = arena.usedBytes;
  const rows = new GrowingRows(arena, 'inputs');
  fill(rows, 400);
  expect(arena.usedBytes).toBe(before);
  const { tensor } = rows.finish(COLUMNS);
  expect(residentPtr(arena, tensor)).toBeUndefined();
  expect(firsts(tensor.data)).toEqual([...Array(400).keys()]);
});

test('rows beyond the bound are refused, and the memory is given back', () => {
  const arena = new Arena(2 ** 21);
  const before = arena.usedBytes;
  const rows = new GrowingRows(arena, 'inputs', () => 2 ** 21);
  expect(() => fill(rows, 2000)).toThrow(
    /inputs holds more rows than the machine has memory for.*partialFit/,
  );
  rows.free();
  expect(arena.usedBytes).toBe(before);
});

test('a number of rows that is known is allocated at once', () => {
  const arena = new Arena(2 ** 24);
  const rows = new GrowingRows(arena, 'inputs');
  const first = rows.next(COLUMNS, 499 * COLUMNS);
  expect(rows.next(499 * COLUMNS).byteOffset).toBe(first.byteOffset + first.byteLength);
  rows.free();
});

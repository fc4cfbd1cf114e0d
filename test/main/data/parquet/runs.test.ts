import fc from 'fast-check';
import { expect, test } from 'vitest';
import { areAllDefined, areRegular, expandLevels } from '#softshard/main/data/parquet/levels.js';
import { readRuns } from '#softshard/main/data/parquet/runs.js';

/** Values of so many bits, least significant first, as one packed run. */
function packed(values: readonly number[], bitWidth: number): Uint8Array {
  const groups = Math.ceil(values.length / 8);
  const bits = values.flatMap((value) =>
    Array.from({ length: bitWidth }, (_, bit) => Math.floor(value / 2 ** bit) % 2),
  );
  const bytes = Array.from({ length: groups * bitWidth }, (_, at) =>
    Array.from({ length: 8 }, (_, bit) => (bits[8 * at + bit] ?? 0) << bit).reduce(
      (sum, part) => sum + part,
      0,
    ),
  );
  return Uint8Array.from([2 * groups + 1, ...bytes]);
}

test('packed values of any width come back, whatever the width', () => {
  const cases = fc
    .integer({ min: 1, max: 32 })
    .chain((bitWidth) =>
      fc.tuple(
        fc.constant(bitWidth),
        fc.array(fc.integer({ min: 0, max: 2 ** bitWidth - 1 }), { minLength: 1, maxLength: 100 }),
      ),
    );
  fc.assert(
    fc.property(cases, ([bitWidth, values]) => {
      expect([...readRuns(packed(values, bitWidth), bitWidth, values.length)]).toEqual(values);
    }),
  );
});

test('a run is one value many times, and runs follow each other', () => {
  const bytes = Uint8Array.of(6, 9, 4, 1, ...packed([1, 2, 3, 4, 5, 6, 7, 8], 4));
  expect([...readRuns(bytes, 4, 13)]).toEqual([9, 9, 9, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('values of no bits, which indices of a dictionary of one value are, are 0', () => {
  expect([...readRuns(Uint8Array.of(3), 0, 5)]).toEqual([0, 0, 0, 0, 0]);
  expect([...readRuns(Uint8Array.of(10), 0, 5)]).toEqual([0, 0, 0, 0, 0]);
  expect(() => readRuns(Uint8Array.of(), 0, 5)).toThrow('missing');
});

test('runs that end early, or have nothing in them, are refused', () => {
  expect(() => readRuns(Uint8Array.of(6), 4, 3)).toThrow();
  expect(() => readRuns(Uint8Array.of(0, 1), 4, 3)).toThrow('empty run');
  expect(() => readRuns(Uint8Array.of(200), 4, 3)).toThrow();
  expect(() => readRuns(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), 4, 3)).toThrow('too long');
  expect(() => readRuns(Uint8Array.of(2, 0), 40, 1)).toThrow('40 bits');
});

test('lists of one length are told from others, however their levels are written', () => {
  const levels = (lengths: readonly number[]) =>
    lengths.flatMap((length) => Array.from({ length }, (_, i) => (i === 0 ? 0 : 1)));
  const written = (values: readonly number[], isPacked: boolean) =>
    isPacked
      ? Uint8Array.from(values.flatMap((_, i) => (i % 8 === 0 ? [...packed(values.slice(i, i + 8), 1)] : [])))
      : Uint8Array.from(values.flatMap((value) => [2, value]));
  const cases = fc.tuple(
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }),
    fc.boolean(),
  );
  fc.assert(
    fc.property(cases, ([width, lengths, isPacked]) => {
      const values = levels(lengths);
      const page = { entries: values.length, repetition: written(values, isPacked), definition: undefined };
      // The last list may go on in the next page.
      const isRegular = lengths.every(
        (length, i) => length === width || (i === lengths.length - 1 && length < width),
      );
      expect(areRegular(page, 0, width)).toBe(isRegular);
    }),
  );
});

test('a run of levels that goes on beyond its page is damage', () => {
  const run = Uint8Array.of(2 * 20, 1);
  const levels = { entries: 16, repetition: undefined, definition: run };
  const most = { maxRepetition: 1, maxDefinition: 1, emptyList: 0 };
  expect(areAllDefined({ ...levels, entries: 20 }, most)).toBe(true);
  expect(() => areAllDefined(levels, most)).toThrow('a run of 20 levels where 16 are left');
  expect(() => areRegular({ ...levels, repetition: run }, 1, 32)).toThrow('a run of 20 levels');
  expect(() => expandLevels(run, 1, 16)).toThrow('a run of 20 levels');
});

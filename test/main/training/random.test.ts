import { describe, expect, test } from 'vitest';
import { RandomStream } from '#softshard/main/training/random.js';
import { splitRows } from '#softshard/main/training/rows/row-order.js';

describe('RandomStream', () => {
  test('is xoshiro128** 1.1 and its seeding for ever: known first values', () => {
    const first = (seed: number, stream: number) => {
      const random = new RandomStream(seed, stream);
      return [random.nextUint32(), random.nextUint32(), random.nextUint32()];
    };
    // Values of this implementation: a change of them breaks the promise "same seed, same result".
    expect(first(0, 0)).toMatchInlineSnapshot(`
      [
        2538240672,
        3900971566,
        4228749017,
      ]
    `);
    expect(first(1, 0)).toMatchInlineSnapshot(`
      [
        3252954499,
        1480881565,
        1624738582,
      ]
    `);
    expect(first(2 ** 40 + 1, 3)).toMatchInlineSnapshot(`
      [
        2245219792,
        1543524975,
        3562022904,
      ]
    `);
  });

  test('below(limit) takes every value about as often: within 5 standard deviations in 100,000 draws', () => {
    const random = new RandomStream(5, 1);
    const counts = new Array(7).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.below(7)]++;
    const expected = 100_000 / 7;
    const deviation = Math.sqrt(expected * (6 / 7));
    for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(5 * deviation);
  });

  test('shuffle gives a permutation, another one for each stream and seed', () => {
    const shuffled = (seed: number, stream: number) => {
      const values = Uint32Array.from({ length: 100 }, (_, i) => i);
      new RandomStream(seed, stream).shuffle(values);
      return values;
    };
    expect([...shuffled(1, 1)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(shuffled(1, 1)).toEqual(shuffled(1, 1));
    expect(shuffled(1, 1)).not.toEqual(shuffled(1, 2));
    expect(shuffled(1, 1)).not.toEqual(shuffled(2, 1));
  });
});

test('splitRows cuts all rows in two, in ascending order, by the seed alone', () => {
  const { training, validation } = splitRows(1000, 0.25, 3);
  expect(validation.length).toBe(250);
  expect([...training, ...validation].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 1000 }, (_, i) => i),
  );
  expect([...training]).toEqual([...training].sort((a, b) => a - b));
  expect(splitRows(1000, 0.25, 3)).toEqual({ training, validation });
  expect(splitRows(1000, 0.25, 4)).not.toEqual({ training, validation });
  expect(splitRows(10, 0, 4).training.length).toBe(10);
});

test('splitRows refuses what is no number of rows, fraction or seed, by name', () => {
  expect(() => splitRows(1.5, 0.2, 0)).toThrow(/^rows is 1\.5/);
  expect(() => splitRows(10, 1, 0)).toThrow(/^fraction is 1: it must be a finite number in \[0, 1\)/);
  expect(() => splitRows(10, 0.2, -1)).toThrow(/^seed is -1/);
});

// The order of an epoch: a permutation of its rows, and, of rows by blocks, one that few blocks suffice for at any time.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MIXED_BLOCKS, planBlockRows, planShuffleBlocks } from '#softshard/main/plans/row-blocks.js';
import { orderEpoch } from '#softshard/main/training/rows/row-order.js';

function orderOf(training: Uint32Array, epoch: number, blockRows: number | undefined, seed = 0): Uint32Array {
  const order = new Uint32Array(training.length);
  orderEpoch(order, training, epoch, { shuffle: true, seed, blockRows });
  return order;
}

const range = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, row) => row);

describe('orderEpoch by blocks', () => {
  test('is a permutation of any ascending rows', () => {
    const rows = fc.uniqueArray(fc.nat(5000), { minLength: 1, maxLength: 800 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 40 }), fc.nat(9), (some, blockRows, epoch) => {
        const training = Uint32Array.from(some).sort();
        expect(orderOf(training, epoch, blockRows).sort()).toEqual(training);
      }),
      { numRuns: 50 },
    );
  });

  test('another epoch or seed has another order, the same ones the same', () => {
    const training = range(6000);
    expect(orderOf(training, 1, 10)).toEqual(orderOf(training, 1, 10));
    expect(orderOf(training, 1, 10)).not.toEqual(orderOf(training, 2, 10));
    expect(orderOf(training, 1, 10)).not.toEqual(orderOf(training, 1, 10, 1));
  });

  test('reads each block once where MIXED_BLOCKS and a few more are kept, at an even pace once as many are there', () => {
    const blockRows = 100;
    const blocks = 4 * MIXED_BLOCKS;
    const order = orderOf(range(blocks * blockRows), 3, blockRows);
    const kept = new Map<number, true>();
    let reads = 0;
    let most = 0;
    for (let begin = 0; begin < order.length; begin += blockRows) {
      let here = 0;
      for (const row of order.subarray(begin, begin + blockRows)) {
        const block = Math.floor(row / blockRows);
        if (!kept.delete(block)) here++;
        kept.set(block, true);
      }
      for (const block of kept.keys()) {
        if (kept.size <= MIXED_BLOCKS + 32) break;
        kept.delete(block);
      }
      reads += here;
      if (begin > MIXED_BLOCKS * blockRows) most = Math.max(most, here);
    }
    expect(reads / blocks).toBeLessThan(1.05);
    expect(most).toBeLessThan(8);
  });

  test('mixes rows from the whole of the set: neighbours in order are far apart in number', () => {
    const count = 3 * MIXED_BLOCKS * 10;
    const order = orderOf(range(count), 1, 10);
    let distance = 0;
    for (let i = 1; i < count; i++) distance += Math.abs(order[i]! - order[i - 1]!) / (count - 1);
    // A third of the number of rows, as of a full shuffle.
    expect(distance / count).toBeGreaterThan(0.3);
    expect(distance / count).toBeLessThan(0.36);
  });
});

test('all rows are mixed up to 256 MiB of float32 features, whatever their type and the engine', () => {
  expect(planShuffleBlocks(60_000, 784)).toBeUndefined();
  expect(planShuffleBlocks(100_000, 784)).toBe(planBlockRows(784));
  expect(planBlockRows(784)).toBe(334);
  expect(planBlockRows(10_000_000)).toBe(1);
});

// Slots of a window of blocks: rows are where their blocks were loaded, and no block loses its slot before its last row.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MIXED_BLOCKS } from '#softshard/main/plans/row-blocks.js';
import { BlockWindow } from '#softshard/main/training/rows/block-window.js';
import { orderEpoch } from '#softshard/main/training/rows/row-order.js';

const range = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, row) => row);

/** Goes through the rows some at a time; gives the blocks that were loaded, in their order. */
function loadedBy(order: Uint32Array, window: BlockWindow, slots: number, blockRows: number, some: number) {
  const held = new Int32Array(slots).fill(-1);
  const loaded: number[] = [];
  let ended: number[] = [];
  for (let begin = 0; begin < order.length; begin += some) {
    const rows = order.subarray(begin, begin + some);
    const positions = new Uint32Array(rows.length);
    let loads = window.place(rows, positions);
    if (loads === undefined) {
      window.free(ended);
      ended = [];
      loads = window.place(rows, positions);
    }
    for (const { block, slot } of loads ?? []) {
      held[slot] = block;
      loaded.push(block);
    }
    const found = positions.map(
      (position) => held[Math.floor(position / blockRows)]! * blockRows + (position % blockRows),
    );
    expect(found).toEqual(rows);
    window.free(ended);
    ended = window.endedBy(rows);
  }
  return loaded;
}

test('each block is loaded once where its rows fit, whatever their order', () => {
  const orders = fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      orders,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 30 }),
      (rows, size, some) => {
        const order = Uint32Array.from(rows);
        const slots = Math.ceil(301 / size);
        const loaded = loadedBy(order, new BlockWindow(slots, size, order), slots, size, some);
        expect(loaded.length).toBe(new Set(rows.map((row) => Math.floor(row / size))).size);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([1, 7])(
  'an epoch passes through MIXED_BLOCKS and four times the blocks of a stretch, of %i rows',
  (size) => {
    const blocks = 5 * MIXED_BLOCKS;
    const order = new Uint32Array(blocks * size);
    orderEpoch(order, range(order.length), 2, { shuffle: true, seed: 1, blockRows: size });
    const slots = MIXED_BLOCKS + 64;
    const loaded = loadedBy(order, new BlockWindow(slots, size, order), slots, size, 16 * size);
    expect(loaded.toSorted((a, b) => a - b)).toEqual([...range(blocks)]);
  },
);

test('without a free slot nothing is placed', () => {
  const order = Uint32Array.of(0, 5, 1, 6);
  const window = new BlockWindow(1, 5, order);
  const positions = new Uint32Array(2).fill(9);
  expect(window.place(order.subarray(0, 2), positions)).toBeUndefined();
  expect([...positions]).toEqual([9, 9]);
  expect(window.place(order.subarray(0, 1), positions)).toEqual([{ block: 0, slot: 0 }]);
  expect(window.endedBy(order.subarray(0, 1))).toEqual([]);
  expect(window.place(order.subarray(2, 3), positions)).toEqual([]);
  expect(window.endedBy(order.subarray(2, 3))).toEqual([0]);
  window.free([0]);
  expect(window.place(order.subarray(3), positions)).toEqual([{ block: 1, slot: 0 }]);
  expect(positions[0]).toBe(1);
});

import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { forEachAtOnce, inOrder } from '#softshard/main/data/concurrent.js';

/** Notes how many are under way. */
function worker() {
  const state = { now: 0, most: 0 };
  const work = async (ms: number): Promise<number> => {
    state.now++;
    state.most = Math.max(state.most, state.now);
    await setTimeout(ms);
    state.now--;
    return ms;
  };
  return { state, work };
}

test('results come in the order of the items, of which a few are worked on at once', async () => {
  const { state, work } = worker();
  const items = [8, 1, 5, 2, 9, 1, 1, 3];
  const results: number[] = [];
  for await (const { item, result } of inOrder(items, () => 1, work)) {
    expect(result).toBe(item);
    results.push(result);
  }
  expect(results).toEqual(items);
  expect(state).toEqual({ now: 0, most: 4 });
});

test('large items are worked on alone', async () => {
  const { state, work } = worker();
  for await (const _ of inOrder([1, 1, 1], () => 1 << 30, work));
  expect(state.most).toBe(1);
});

test('a failure comes in its turn, and no work goes on after it', async () => {
  const { state, work } = worker();
  const failing = async (ms: number) => {
    await work(ms);
    if (ms === 1) throw new Error('one');
    return ms;
  };
  const results: number[] = [];
  const reading = async () => {
    for await (const { result } of inOrder([5, 1, 20], () => 1, failing)) results.push(result);
  };
  await expect(reading()).rejects.toThrow('one');
  expect(results).toEqual([5]);
  expect(state.now).toBe(0);
});

test('items in any order are worked on four at once, and none after a failure', async () => {
  const { state, work } = worker();
  const done: number[] = [];
  await forEachAtOnce([9, 1, 5, 2, 4, 3], async (ms) => void done.push(await work(ms)));
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 9]);
  expect(state).toEqual({ now: 0, most: 4 });
  const begun: number[] = [];
  const failing = async (ms: number) => {
    begun.push(ms);
    await work(ms);
    if (ms === 1) throw new Error('one');
  };
  await expect(forEachAtOnce([40, 1, 40, 40, 2, 2], failing)).rejects.toThrow('one');
  expect(begun).toEqual([40, 1, 40, 40]);
  expect(state.now).toBe(0);
});

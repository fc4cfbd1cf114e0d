// Both kinds of tasks on rows find out in large jobs whether to fetch rows ahead, and leave the kernels as they found them.
import { expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import type { CrossEntropyTask, RowMapTask } from '#softshard/workers/protocol.js';
import { crossEntropy, mapRows } from '#softshard/workers/rows.js';

/** The calls of useRowFetching in a job of so many shards. */
function fetchingIn(run: (kernels: Kernels, words: Int32Array) => { state: string }): number[] {
  const calls: number[] = [];
  const kernels = {
    useRowFetching: (on: number) => calls.push(on),
    expectRows() {},
    softmaxRows() {},
    crossEntropyRows: () => STATUS_OK,
  } as unknown as Kernels;
  expect(run(kernels, new Int32Array(new SharedArrayBuffer(1024))).state).toBe('done');
  return calls;
}

const job = (shards: number) => ({ rows: shards, columns: 16384, shardRows: 1, members: 1 });

test.each([
  ['softmax', (shards: number) => ({ ...job(shards), kind: 'softmax' }), mapRows],
  [
    'crossEntropy',
    (shards: number) => ({ ...job(shards), kind: 'crossEntropy', gradLogits: 0 }),
    crossEntropy,
  ],
] as const)('%s', (_, taskOf, compute) => {
  const callsOf = (shards: number) =>
    fetchingIn((kernels, words) =>
      compute(kernels, words, taskOf(shards) as unknown as RowMapTask & CrossEntropyTask),
    );
  expect(callsOf(31)).toEqual([1]);
  const [chosen, ...others] = callsOf(64).toReversed().slice(1);
  expect(others.toReversed()).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
  expect([0, 1]).toContain(chosen);
});

// Tasks on rows find out in large jobs whether to fetch rows ahead; nothing of that outlives a task.
import { expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { TYPE_FLOAT32 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import type { RowOperation } from '#softshard/workers/protocol.js';
import { runTask } from '#softshard/workers/run-task.js';

/** The calls of usePrefetch (f0, f1) and prefetchBeyond (e0, e1) in a task of so many shards, up to the first kernel. */
class Calls {
  readonly seen: string[] = [];
  readonly kernels = {
    useScratch() {},
    usePrefetch: (on: number) => this.seen.push(`f${on}`),
    prefetchBeyond: (more: number) => this.seen.push(`e${more}`),
    softmaxRows: () => this.#compute(),
    crossEntropyRows: () => this.#compute(),
  } as unknown as Kernels;
  failing = false;

  #compute(): number {
    if (this.failing) throw new Error('a kernel failed');
    return STATUS_OK;
  }

  /** What a member alone of `members` does. */
  run(
    kind: 'softmax' | 'crossEntropy',
    shards: number,
    { members = 1, ignores = false } = {},
  ): readonly string[] {
    this.seen.length = 0;
    const buffer = new SharedArrayBuffer(65536);
    const ignore = ignores ? { index: -1, invalid: false } : undefined;
    const operation: RowOperation =
      kind === 'softmax' ? { kind } : { kind, targets: NULL_PTR, losses: NULL_PTR, scale: 1, ignore, buffer };
    const rows = { outer: shards, columns: 16384, inner: 1, shardOuters: 1, shardInner: 1, tileRows: 1 };
    const places = { input: NULL_PTR, output: NULL_PTR, sums: NULL_PTR, scratch: NULL_PTR, scratchBytes: 0 };
    const type = TYPE_FLOAT32;
    const gang = { member: 0, members, control: NULL_PTR, groupScratch: NULL_PTR };
    const task = { kind: 'rowOperation', operation, ...rows, ...places, type, ...gang } as const;
    const noSgemm = () => {
      throw new Error('no product was asked for');
    };
    runTask(this.kernels, noSgemm, new Int32Array(new SharedArrayBuffer(1024)), task);
    return this.seen.filter((call) => call.startsWith('f')).slice(1);
  }
}

const TRIALS = ['f0', 'f1', 'f0', 'f1', 'f0', 'f1', 'f0', 'f1'];

test.each(['softmax', 'crossEntropy'] as const)(
  '%s of many shards tries both ways and then decides',
  (kind) => {
    const calls = new Calls();
    expect(calls.run(kind, 31)).toEqual([]);
    expect(calls.run(kind, 64).slice(0, 8)).toEqual(TRIALS);
    expect(calls.run(kind, 64)).toHaveLength(9);
  },
);

test('what counts are the runs that a member can expect', () => {
  const calls = new Calls();
  // 2048 shards are claimed by eights: 256 runs.
  expect(calls.run('softmax', 2048, { members: 8 })).toHaveLength(9);
  expect(calls.run('softmax', 2048, { members: 9 })).toEqual([]);
});

test('where targets may be ignored nothing is tried: runs of them take no time', () => {
  expect(new Calls().run('crossEntropy', 64, { ignores: true })).toEqual([]);
});

test('a task finds the kernels as at first, also after one that failed', () => {
  const calls = new Calls();
  calls.failing = true;
  expect(() => calls.run('softmax', 2048)).toThrow('a kernel failed');
  // In the first trial, and within a run.
  expect(calls.seen.slice(-2)).toEqual(['f0', 'e1']);
  calls.failing = false;
  calls.run('softmax', 1);
  expect(calls.seen).toEqual(['e0', 'f1', 'e0']);
});

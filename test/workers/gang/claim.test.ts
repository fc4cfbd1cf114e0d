// Threads may come to shards in any order, but each shard is computed once, and a run of them by one thread.
import { describe, expect, test } from 'vitest';
import { claimRunsUntil, isStopped } from '#softshard/workers/gang/claim.js';
import { ControlWord, Stop } from '#softshard/workers/protocol.js';

const controlWords = (): Int32Array => new Int32Array(new SharedArrayBuffer(1024));

describe('claimRunsUntil', () => {
  test.each([0, 1, 7, 255, 512, 777, 2048, 5000])('computes each of %i shards once, in order', (shards) => {
    const computed: number[] = [];
    expect(claimRunsUntil(isStopped, controlWords(), shards, (shard) => computed.push(shard))).toBe(true);
    expect(computed).toEqual(Array.from({ length: shards }, (_, shard) => shard));
  });

  test.each([255, 512, 777, 2048, 5000])(
    'of %i shards: two threads share all, and a thread that goes on has the next one',
    (shards) => {
      const control = controlWords();
      const computed: number[] = [];
      const next = new Map<string, number>();
      const compute = (thread: string) => (shard: number, hasNext: boolean) => {
        if (next.has(thread)) expect(shard).toBe(next.get(thread));
        next.delete(thread);
        if (hasNext) next.set(thread, shard + 1);
        computed.push(shard);
        // The other thread claims in between, and ends only with all shards.
        if (thread === 'one' && shard === 0) claimRunsUntil(isStopped, control, shards, compute('two'));
      };
      claimRunsUntil(isStopped, control, shards, compute('one'));
      expect(next.size).toBe(0);
      expect(computed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: shards }, (_, shard) => shard));
    },
  );

  test('few shards are claimed one at a time, so that every thread gets some', () => {
    claimRunsUntil(isStopped, controlWords(), 511, (_, hasNext) => expect(hasNext).toBe(false));
  });

  test('stops before the next shard of a run', () => {
    const control = controlWords();
    const computed: number[] = [];
    const finished = claimRunsUntil(isStopped, control, 2048, (shard) => {
      computed.push(shard);
      if (shard === 2) Atomics.store(control, ControlWord.stop, Stop.cancel);
    });
    expect(finished).toBe(false);
    expect(computed).toEqual([0, 1, 2]);
  });
});

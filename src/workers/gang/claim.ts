// Claiming shards: threads decide who computes a shard, never what is computed.
import { ControlWord, Stop, type WorkerResult } from '../protocol.js';

/** Calls compute(shard) for shards nobody else has claimed, until none is left. */
export function claimShards(control: Int32Array, shards: number, compute: (shard: number) => void): void {
  for (;;) {
    const shard = Atomics.add(control, ControlWord.nextShard, 1);
    if (shard >= shards) return;
    compute(shard);
  }
}

/** As claimShards, but looks at isOver before each shard. False when it left early. */
export function claimShardsUntil(
  isOver: (control: Int32Array) => boolean,
  control: Int32Array,
  shards: number,
  compute: (shard: number) => void,
): boolean {
  for (;;) {
    if (isOver(control)) return false;
    const shard = Atomics.add(control, ControlWord.nextShard, 1);
    if (shard >= shards) return true;
    compute(shard);
  }
}

/** What a thread claims at a time, of many shards: the rows of its next shard are fetched during one (kernels.prefetchBeyond). */
const MOST_SHARDS_A_CLAIM = 8;
/** Of fewer shards, fewer: each of many threads should still come many times. */
const LEAST_CLAIMS = 256;

const shardsAClaim = (shards: number): number =>
  Math.max(1, Math.min(MOST_SHARDS_A_CLAIM, Math.floor(shards / LEAST_CLAIMS)));

/** How often claimRunsUntil claims so many shards, all threads together. */
export const claimsOf = (shards: number): number => Math.ceil(shards / shardsAClaim(shards));

/** As claimShardsUntil, several shards at a time; tells whether the next shard is this thread's too. */
export function claimRunsUntil(
  isOver: (control: Int32Array) => boolean,
  control: Int32Array,
  shards: number,
  compute: (shard: number, hasNext: boolean) => void,
): boolean {
  const size = shardsAClaim(shards);
  return claimShardsUntil(isOver, control, claimsOf(shards), (run) => {
    const end = Math.min(shards, (run + 1) * size);
    for (let shard = run * size; shard < end && !isOver(control); shard++) compute(shard, shard + 1 < end);
  });
}

export const isStopped = (control: Int32Array): boolean =>
  Atomics.load(control, ControlWord.stop) !== Stop.none;

/** Cancelled or failed: what is being computed is no longer wanted. The stop word only rises, so this stays true. */
export const isCancelled = (control: Int32Array): boolean =>
  Atomics.load(control, ControlWord.stop) >= Stop.cancel;

/** The result of a one-off operation that left early. */
export const stopped = (control: Int32Array): WorkerResult => ({
  state: 'stopped',
  stop: Atomics.load(control, ControlWord.stop) as Stop,
  nextStep: 0,
});

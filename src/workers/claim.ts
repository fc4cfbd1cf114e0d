// Claiming shards: threads decide who computes a shard, never what is computed.
import { ControlWord, Stop } from './protocol.js';

/** Calls compute(shard) for shards nobody else has claimed, until none is left. */
export function claimShards(words: Int32Array, shards: number, compute: (shard: number) => void): void {
  for (;;) {
    const shard = Atomics.add(words, ControlWord.nextShard, 1);
    if (shard >= shards) return;
    compute(shard);
  }
}

/** As claimShards, but looks at isOver before each shard. False when it left early. */
export function claimShardsUntil(
  isOver: (words: Int32Array) => boolean,
  words: Int32Array,
  shards: number,
  compute: (shard: number) => void,
): boolean {
  for (;;) {
    if (isOver(words)) return false;
    const shard = Atomics.add(words, ControlWord.nextShard, 1);
    if (shard >= shards) return true;
    compute(shard);
  }
}

export const isStopped = (words: Int32Array): boolean => Atomics.load(words, ControlWord.stop) !== Stop.none;

/** Cancelled or failed: what is being computed is no longer wanted. The stop word only rises, so this stays true. */
export const isCancelled = (words: Int32Array): boolean =>
  Atomics.load(words, ControlWord.stop) >= Stop.cancel;

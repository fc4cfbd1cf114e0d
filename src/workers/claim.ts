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

/** As claimShards, but leaves early, with false, when the stop word is at least as urgent as `urgency`. */
export function claimShardsUntilStopped(
  words: Int32Array,
  shards: number,
  compute: (shard: number) => void,
  urgency: Stop = Stop.yield,
): boolean {
  for (;;) {
    if (Atomics.load(words, ControlWord.stop) >= urgency) return false;
    const shard = Atomics.add(words, ControlWord.nextShard, 1);
    if (shard >= shards) return true;
    compute(shard);
  }
}

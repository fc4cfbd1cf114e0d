// The control words: how main and the workers of a gang stop each other, share work and wait, in shared memory.
import type { Ptr } from '../../kernels/ptr.js';

/**
 * Indices into a gang's control words, an Int32Array at an address that the pool allots. Words that different threads write
 * often lie 64 bytes (16 words) apart.
 */
export const ControlWord = {
  /** A Stop value. Main asks; only Stop.failed takes effect at once, the others at the next boundary. */
  stop: 0,
  /** The next shard (or slice, or tile) nobody has claimed. */
  nextShard: 16,
  /** How many members have arrived at the barrier. */
  arrived: 32,
  /** Counts barrier rounds: what the waiting members wait on. */
  generation: 48,
  /** A Stop value: what the last thread at a step's end decided for all (gang/decisions.ts); read when the generation is. */
  decision: 49,
  /** How many pieces of a phase were claimed when its members left it on the way; written and read as the decision is. */
  claimed: 50,
  /** Steps finished by the running segment of training. */
  stepsDone: 64,
} as const;

const CONTROL_WORDS = 80;

export const Stop = {
  none: 0,
  /** Another operation waits: leave at the next step boundary, or on the way through a long step, to be continued. */
  yield: 1,
  /** The caller's signal is aborted: leave at the next tile, a training step that has not reached its update undone. */
  cancel: 2,
  /** A loss is not finite: leave at the step boundary. */
  diverged: 3,
  /** A member died or threw: leave at once, wherever you are. */
  failed: 4,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export const controlWords = (buffer: SharedArrayBuffer, control: Ptr): Int32Array =>
  new Int32Array(buffer, control, CONTROL_WORDS);

/** Sets the stop word, unless something at least as urgent is there: it only rises. */
export function askToStop(control: Int32Array, stop: Stop): void {
  const now = Atomics.load(control, ControlWord.stop);
  // Of two that write at once the more urgent one wins: failGang stores, and this swaps only what it has seen.
  if (now < stop) Atomics.compareExchange(control, ControlWord.stop, now, stop);
}

/**
 * Lets every waiting member go, for good. The stop word is set before the generation moves: who wakes by the move
 * sees the stop, and who was about to sleep on the old generation does not.
 */
export function failGang(control: Int32Array): void {
  Atomics.store(control, ControlWord.stop, Stop.failed);
  Atomics.add(control, ControlWord.generation, 1);
  Atomics.notify(control, ControlWord.generation);
}

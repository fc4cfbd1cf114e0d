// How heads that are at work are kept, and what they go on from.
import type { CheckpointState } from '../checkpoint/checkpoint.js';
import { type CheckpointPart, Checkpoints } from '../checkpoint/checkpoints.js';
import type { HeadPlan } from './many-options.js';

export interface KeptHeads {
  /** Of a head that is done for that split, nothing is to be trained. */
  isDone(head: HeadPlan, split: number): boolean;
  /** What a head goes on from, or the heads that are solved after it; undefined: it begins. */
  from(head: HeadPlan, split: number): CheckpointState | undefined;
  /** See Checkpoints. */
  enter(head: HeadPlan, split: number): CheckpointPart;
  readonly isStopping: boolean;
}

/** Of a head for a split. */
export const keyOf = ({ index }: { readonly index: number }, split: number): string => `${index}/${split}`;

/** Of heads whose training nobody keeps. */
export function notKept(): KeptHeads {
  const checkpoints = new Checkpoints({
    kind: 'fitMany',
    checkpoints: undefined,
    resumeFrom: undefined,
    signal: undefined,
    conditions: () => ({}),
    start: () => ({}),
    transport: undefined,
    whole: () => undefined,
  });
  return {
    isDone: () => false,
    from: () => undefined,
    enter: (head, split) => checkpoints.enter(keyOf(head, split)),
    isStopping: false,
  };
}

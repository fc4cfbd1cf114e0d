// How the members of a gang leave work of many steps together: one decides, and all read its decision.
import { ControlWord, Stop, type WorkerResult } from '../protocol.js';
import { isCancelled } from './claim.js';

/**
 * What the last thread does at a barrier within a step of training or a chunk of a linear loss, for all: lets them go on
 * with the next phase, or leave: a step as if it had never begun, before any parameter is updated, a chunk with
 * undefined results.
 */
export function continueStep(control: Int32Array): void {
  decide(control, isCancelled(control) ? Stop.cancel : Stop.none);
}

/** The same after a phase that its members may have left on the way, with pieces that nobody has claimed. */
export function continueOrPause(control: Int32Array, pieces: number): void {
  const claimed = Math.min(pieces, Atomics.load(control, ControlWord.nextShard));
  Atomics.store(control, ControlWord.claimed, claimed);
  const stop = isCancelled(control) ? Stop.cancel : claimed < pieces ? Stop.yield : Stop.none;
  decide(control, stop);
}

/** Pieces that were claimed, all of which are done, when the members left. */
export const claimedPieces = (control: Int32Array): number => Atomics.load(control, ControlWord.claimed);

/**
 * What the last thread does at the end of a step, for all. One decides, because each reading the stop word for
 * itself could see different values, and some would wait at a barrier that the others never reach.
 */
export function endStep(control: Int32Array, step: number, stop: Stop): void {
  decide(control, stop);
  // After the step's results are written: main reads those of this many steps.
  Atomics.store(control, ControlWord.stepsDone, step + 1);
}

function decide(control: Int32Array, stop: Stop): void {
  Atomics.store(control, ControlWord.decision, stop);
  Atomics.store(control, ControlWord.nextShard, 0);
}

/** Why the members leave after a barrier, to come again for `nextStep`; undefined to go on. */
export function leave(control: Int32Array, nextStep: number): WorkerResult | undefined {
  const stop = Atomics.load(control, ControlWord.decision) as Stop;
  return stop === Stop.none ? undefined : { state: 'stopped', stop, nextStep };
}

/** A member that finds the gang failed leaves with this; main has the cause. */
export const failed = (step: number): WorkerResult => ({
  state: 'stopped',
  stop: Stop.failed,
  nextStep: step,
});

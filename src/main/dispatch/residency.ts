// Work of many steps that stays with the workers: main sends them on it, watches, and comes again when another operation
// was let in between.
import { type GangJob, type StepPosition, Stop, type WorkerResult } from '../../workers/protocol.js';
import { Cancellation } from '../cancellation.js';
import type { WorkerPool } from './pool.js';

export interface ResidencyOptions {
  readonly members: number;
  readonly signal: Cancellation | undefined;
  /** Told now and then how many of all steps are done. What it throws ends the work and is thrown here. */
  readonly onSteps: (stepsDone: number) => void;
  /** Steps that are done already. Default 0. */
  readonly first?: number;
  /** Asked now and then whether to leave after the present step, to come again for the rest. */
  readonly isDue?: (() => boolean) | undefined;
}

export type Stopped = Extract<WorkerResult, { state: 'stopped' }>;

/**
 * Runs steps [first, steps) of the job that jobFrom gives for what is left of them. Gives why the workers left before the
 * last one, if it was their own decision or is due; rejects with signal.reason.
 */
export async function runResident(
  pool: WorkerPool,
  steps: number,
  jobFrom: (stepBegin: number) => GangJob,
  { members, signal, onSteps, first = 0, isDue }: ResidencyOptions,
): Promise<Stopped | undefined> {
  const callbacks = new Cancellation();
  // Of either: the caller's signal stays apart from it but for one listener.
  const either = new Cancellation();
  const onAbort = () => either.abort(signal?.reason);
  const guarded = (stepsDone: number) => {
    try {
      onSteps(stepsDone);
    } catch (error) {
      callbacks.abort(error);
      either.abort(error);
    }
  };
  signal?.addListener(onAbort);
  try {
    const options = { members, signal: either, yields: true, isDue, onSteps: guarded };
    let within: StepPosition | undefined;
    for (let stepBegin = first; stepBegin < steps; ) {
      const [result] = await pool.run(goingOn(jobFrom(stepBegin), within), options);
      const stopped = result?.state === 'stopped' ? result : undefined;
      within = stopped?.within;
      if (stopped !== undefined && stopped.stop !== Stop.yield) return stopped;
      stepBegin = stopped?.nextStep ?? steps;
      if (stopped !== undefined && within === undefined && stepBegin < steps && isDue?.()) {
        callbacks.throwIfAborted();
        return stopped;
      }
    }
    callbacks.throwIfAborted();
    return undefined;
  } finally {
    signal?.removeListener(onAbort);
  }
}

/** The job that goes on within its first step, where that was left on the way. */
export const goingOn = (job: GangJob, within: StepPosition | undefined): GangJob =>
  within === undefined || job.kind !== 'train' ? job : { ...job, within };

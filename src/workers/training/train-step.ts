// What both ways of training share: which rows a step has, and how a step ends.

import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import { treeSum } from '../../kernels/tree-sum.js';
import { isCancelled } from '../gang/claim.js';
import {
  ControlWord,
  type StepShape,
  Stop,
  type TrainLoss,
  type TrainTask,
  type WorkerResult,
} from '../protocol.js';
import { learningRateAt } from './learning-rate.js';

export interface Step {
  /** A position in indices. */
  readonly rowBegin: number;
  readonly shape: StepShape;
  readonly learningRate: number;
}

export function stepOf(task: TrainTask, step: number): Step {
  const shape = step % task.stepsAnEpoch === task.stepsAnEpoch - 1 ? task.lastStep : task.fullStep;
  const epoch = Math.floor(step / task.stepsAnEpoch);
  const rowsAnEpoch = (task.stepsAnEpoch - 1) * task.fullStep.rows + task.lastStep.rows;
  const learningRate = learningRateAt(task.sgd, task.stepsBefore + step, task.allSteps);
  return {
    learningRate,
    rowBegin: epoch * rowsAnEpoch + (step % task.stepsAnEpoch) * task.fullStep.rows,
    shape,
  };
}

/** Float64 views of a segment's losses. */
export interface SegmentLosses {
  /** One slot a shard of the running step. */
  readonly shards: Float64Array;
  readonly steps: Float64Array;
  /** What the losses of each step are divided by; undefined: by its rows. */
  readonly divisors: Float64Array | undefined;
}

export function segmentLosses(task: TrainTask): SegmentLosses {
  const shards = Math.max(task.fullStep.shards, task.lastStep.shards);
  return {
    shards: new Float64Array(task.buffer, task.lossSums, shards),
    steps: new Float64Array(task.buffer, task.stepLosses, task.stepEnd),
    divisors: task.loss && stepDivisors(task, task.loss),
  };
}

/** What the losses of each step are divided by where the loss has options; 0 where no row counts. */
export function stepDivisors(
  { buffer, stepWeights, stepEnd }: TrainTask,
  { isMean }: TrainLoss,
): Float64Array {
  return isMean ? new Float64Array(buffer, stepWeights, stepEnd) : new Float64Array(stepEnd).fill(1);
}

/**
 * What the last thread at the end of a step does for all: publishes the loss and the progress, and decides whether
 * to go on. One thread decides, because each reading the stop word for itself could see different values, and some
 * would wait at a barrier that the others never reach.
 */
export function finishStep(words: Int32Array, losses: SegmentLosses, step: number, shape: StepShape): void {
  const lossSum = treeSum(losses.shards, shape.shards);
  const divisor = losses.divisors?.[step] ?? shape.rows;
  const loss = divisor === 0 ? lossSum : lossSum / divisor;
  // Not by fill: a call of it costs more than the few elements.
  for (let shard = 0; shard < shape.shards; shard++) losses.shards[shard] = 0;
  losses.steps[step] = loss;
  // Divergence comes first: a run that is asked to yield at every step would otherwise go on with it for ever.
  const decision = Number.isFinite(loss) ? Atomics.load(words, ControlWord.stop) : Stop.diverged;
  Atomics.store(words, ControlWord.decision, decision);
  Atomics.store(words, ControlWord.nextShard, 0);
  // After the loss is in its slot: main reads slots below this count.
  Atomics.store(words, ControlWord.stepsDone, step + 1);
}

/**
 * What the last thread does at a barrier within a step (or a chunk of a linear loss), for all: lets them go on with its next
 * part, or leave: a step as if it had never begun, before any parameter is updated, a chunk with undefined results.
 */
export function continueStep(words: Int32Array): void {
  Atomics.store(words, ControlWord.decision, isCancelled(words) ? Stop.cancel : Stop.none);
  Atomics.store(words, ControlWord.nextShard, 0);
}

/** Why the members leave in the midst of `step`, or undefined to go on. */
export const stopDuring = (words: Int32Array, step: number): WorkerResult | undefined =>
  stopAfter(words, step - 1);

/** Why the members leave after `step`, or undefined to go on. */
export function stopAfter(words: Int32Array, step: number): WorkerResult | undefined {
  const stop = Atomics.load(words, ControlWord.decision) as Stop;
  return stop === Stop.none ? undefined : { state: 'stopped', stop, nextStep: step + 1 };
}

/** A member that finds the gang failed leaves with this; main has the cause. */
export const failed = (step: number): WorkerResult => ({
  state: 'stopped',
  stop: Stop.failed,
  nextStep: step,
});

/** Main checks all targets and keeps its own copy, so a bad one here is a fault of ours, not of the caller. */
export const invalidTargetError = (position: number): Error =>
  new Error(`the target at position ${position} of the epoch's rows is out of range after it was checked`);

/** One SGD update of the parameters [begin, end) from the gradient at the same places of `gradient`. */
export function updateParameters(
  kernels: Kernels,
  task: TrainTask,
  gradient: Ptr,
  begin: number,
  end: number,
  weightDecay: number,
  learningRate: number,
): void {
  if (begin >= end) return;
  const at = begin * FLOAT32_BYTES;
  kernels.sgdUpdate(
    task.weights + at,
    task.velocity === 0 ? 0 : task.velocity + at,
    gradient + at,
    end - begin,
    learningRate,
    task.sgd.momentum,
    weightDecay,
    task.sgd.nesterov ? 1 : 0,
  );
}

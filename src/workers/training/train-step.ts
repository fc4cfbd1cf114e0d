// What a step is: its rows, how its gradient is shared among workers, and how it ends.
import type { Kernels } from '../../kernels/kernels.js';
import { treeSum } from '../../kernels/tree-sum.js';
import { endStep } from '../gang/decisions.js';
import {
  ControlWord,
  type HeadTask,
  learningRateAt,
  type StepShape,
  Stop,
  type TrainTask,
} from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { Optimizer, ParameterRange, UpdateStep } from './optimizers/optimizer.js';
import { createLoss, createOptimizer } from './registry.js';

export interface Step {
  /** A position in indices. */
  readonly rowBegin: number;
  readonly shape: StepShape;
}

export function stepOf(
  { fullStep, lastStep, stepsAnEpoch }: Pick<TrainTask, 'fullStep' | 'lastStep' | 'stepsAnEpoch'>,
  step: number,
): Step {
  const shape = step % stepsAnEpoch === stepsAnEpoch - 1 ? lastStep : fullStep;
  const epoch = Math.floor(step / stepsAnEpoch);
  const rowsAnEpoch = (stepsAnEpoch - 1) * fullStep.rows + lastStep.rows;
  return { rowBegin: epoch * rowsAnEpoch + (step % stepsAnEpoch) * fullStep.rows, shape };
}

/** Rows [begin, end) of a step, whose gradient is made and reduced together. */
export interface Chunk extends Step {
  readonly begin: number;
  readonly end: number;
  readonly firstShard: number;
}

/** A way to share the gradients of some heads in a step: one worker's instance, for one task. */
export interface StepGradient {
  readonly heads: readonly Head[];
  /** Rows of a chunk, whole shards. */
  readonly chunkRows: number;
  /** Parts of the reduced gradients: workers make different ones at the same time. */
  readonly parts: number;
  /** Whether its phases may be left on the way: what its pieces are does not depend on the members. */
  readonly canPause: boolean;
  /** Short work of use to later steps, for those who wait for others. */
  readonly meanwhile: (() => void) | undefined;
  /** In how many pieces workers claim the shards of a chunk. */
  piecesOf(shards: number): number;
  /** Before the first chunk of a step. */
  beginStep(step: number): void;
  /** The gradient phase: one piece of the chunk. */
  differentiate(piece: number, chunk: Chunk): void;
  /** The reduce phase: adds the chunk's shards to one part of the gradients, which the step's first chunk begins. */
  reduce(part: number, chunk: Chunk): void;
  /** The update phase: the parameters of a part, once its gradient is reduced. */
  update(part: number): void;
}

/** One worker's view of a head, for one task. */
export class Head {
  readonly task: HeadTask;
  readonly loss: LossKernel;
  readonly #optimizer: Optimizer | undefined;
  /** One slot a shard of the running step. */
  readonly #shardLosses: Float64Array;
  readonly #stepLosses: Float64Array;
  #updateStep: UpdateStep = { learningRate: 0, number: 0 };

  constructor(kernels: Kernels, task: HeadTask) {
    const { buffer, fullStep, lastStep, lossSums, stepLosses, stepEnd } = task;
    this.task = task;
    this.loss = createLoss(kernels, task);
    this.#optimizer = createOptimizer(kernels, task);
    this.#shardLosses = new Float64Array(buffer, lossSums, Math.max(fullStep.shards, lastStep.shards));
    this.#stepLosses = new Float64Array(buffer, stepLosses, stepEnd);
  }

  /** See Optimizer. */
  get beforeUpdates(): (() => void) | undefined {
    return this.#optimizer?.beforeUpdates && (() => this.#optimizer?.beforeUpdates?.());
  }

  beginStep(step: number, rows: number): void {
    this.loss.beginStep(step, rows);
    const { update, stepsBefore } = this.task;
    if (update === undefined) return;
    const taken = stepsBefore + step;
    this.#updateStep = {
      learningRate: learningRateAt(update, taken, update.allSteps),
      number: taken + 1,
    };
  }

  update(ranges: readonly ParameterRange[]): void {
    const optimizer = this.#optimizer;
    if (optimizer === undefined) return;
    for (const range of ranges) optimizer.update(range, this.#updateStep);
  }

  /** What the last thread at the end of a step does for all: publishes the step's loss. False if it is not finite. */
  finish(step: number, { rows, shards }: StepShape): boolean {
    const lossSum = treeSum(this.#shardLosses, shards);
    const divisor = this.loss.divisorOf(step, rows);
    const stepLoss = divisor === 0 ? lossSum : lossSum / divisor;
    // Not by fill: a call of it costs more than the few elements.
    for (let shard = 0; shard < shards; shard++) this.#shardLosses[shard] = 0;
    this.#stepLosses[step] = stepLoss;
    return Number.isFinite(stepLoss);
  }
}

/** The last thread at the end of a step decides for all whether to go on: not if a head's loss is not finite. */
export function finishStep(
  control: Int32Array,
  heads: readonly Head[],
  step: number,
  shape: StepShape,
): void {
  let areFinite = true;
  for (const head of heads) if (!head.finish(step, shape)) areFinite = false;
  // Divergence comes first: a run that is asked to yield at every step would otherwise go on with it for ever.
  const asked = Atomics.load(control, ControlWord.stop) as Stop;
  endStep(control, step, areFinite ? asked : Stop.diverged);
}

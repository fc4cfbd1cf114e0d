// What a step is: its rows, how its gradient is shared among workers, and how it ends.
import { treeSum } from '../../kernels/tree-sum.js';
import { endStep } from '../gang/decisions.js';
import { ControlWord, type StepShape, Stop, type TrainTask } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { ParameterRange } from './optimizers/optimizer.js';

export interface Step {
  /** A position in indices. */
  readonly rowBegin: number;
  readonly shape: StepShape;
}

export function stepOf({ fullStep, lastStep, stepsAnEpoch }: TrainTask, step: number): Step {
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

/** A way to share a step's gradient: one worker's instance, for one task. */
export interface StepGradient {
  /** Rows of a chunk, whole shards. */
  readonly chunkRows: number;
  /** Parts of the reduced gradient: workers make different ones at the same time. */
  readonly parts: number;
  /** Short work of use to later steps, for those who wait for others. */
  readonly meanwhile: (() => void) | undefined;
  /** Before the first chunk of a step. */
  beginStep(step: number): void;
  /** The gradient phase: one shard of the step, which is one of the chunk. */
  differentiate(shard: number, chunk: Chunk): void;
  /** The reduce phase: adds the chunk's shards to one part of the gradient, which the step's first chunk begins. */
  reduce(part: number, chunk: Chunk): void;
  /** The parameters of a part, none of them empty. */
  rangesOf(part: number): readonly ParameterRange[];
}

/** The losses of a segment, where the workers leave them. */
export class StepLosses {
  /** One slot a shard of the running step. */
  readonly #shards: Float64Array;
  readonly #steps: Float64Array;

  constructor({ buffer, fullStep, lastStep, lossSums, stepLosses, stepEnd }: TrainTask) {
    const shards = Math.max(fullStep.shards, lastStep.shards);
    this.#shards = new Float64Array(buffer, lossSums, shards);
    this.#steps = new Float64Array(buffer, stepLosses, stepEnd);
  }

  /** What the last thread at the end of a step does for all: publishes the loss and decides whether to go on. */
  finish(control: Int32Array, loss: LossKernel, step: number, { rows, shards }: StepShape): void {
    const lossSum = treeSum(this.#shards, shards);
    const divisor = loss.divisorOf(step, rows);
    const stepLoss = divisor === 0 ? lossSum : lossSum / divisor;
    // Not by fill: a call of it costs more than the few elements.
    for (let shard = 0; shard < shards; shard++) this.#shards[shard] = 0;
    this.#steps[step] = stepLoss;
    // Divergence comes first: a run that is asked to yield at every step would otherwise go on with it for ever.
    const asked = Atomics.load(control, ControlWord.stop) as Stop;
    endStep(control, step, Number.isFinite(stepLoss) ? asked : Stop.diverged);
  }
}

// What a training step needs of a loss: its gradient by the logits.
import type { Kernels } from '../../../kernels/kernels.js';
import type { Ptr } from '../../../kernels/ptr.js';
import type { HeadTask, TrainLoss } from '../../protocol.js';

/** Rows of a step whose logits are there, all of one shard. */
export interface LogitsTile {
  /** Float32 [rows × stride], of which the first `classes` columns count. */
  readonly logits: Ptr;
  readonly stride: number;
  /** Int32 [rows]. */
  readonly targets: Ptr;
  /** Row i of the tile is row indices[position + i] of the training data, or position + i where indices is 0. */
  readonly position: number;
  readonly rows: number;
  /** Of the step. */
  readonly shard: number;
  /** The shard's float64. */
  readonly lossSum: Ptr;
}

/** One worker's instance, for one task. */
export interface LossKernel {
  /** Whether rows of target -1 do not count. Their inputs are then taken for zeros, as a NaN would spoil the gradient. */
  readonly ignoresRows: boolean;
  /** False: it has logits of its own, and puts the gradient where the tile's would be. */
  readonly readsInputs?: boolean;
  /** False: it leaves no gradient, and nothing is reduced. */
  readonly hasGradient?: boolean;
  /** Before a step's first tile. */
  beginStep(step: number, rows: number): void;
  /**
   * Puts the gradient of the step's loss in the place of the tile's logits, zeros for ignored rows, and adds the rows'
   * losses to lossSum. Gives STATUS_OK or the first row of the tile whose target is out of range.
   */
  differentiate(tile: LogitsTile): number;
  /** What the losses of the step's rows are divided by to make the step's loss; 0 where no row counts. */
  divisorOf(step: number, rows: number): number;
}

export interface LossType<Settings extends TrainLoss = TrainLoss> {
  create(kernels: Kernels, task: HeadTask, settings: Settings): LossKernel;
}

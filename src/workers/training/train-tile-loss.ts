// A training step's loss when it is more than plain cross-entropy: weights, ignored rows, soft targets and the rest, a
// tile of rows at a time.
import type { Kernels } from '../../kernels/kernels.js';
import { LOSS_CALL_BYTES, LOSS_SCALE } from '../../kernels/loss-layout.js';
import { type TileLossScratch, tileLossScratch } from '../../kernels/loss-scratch.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { TrainLoss, TrainTask } from '../protocol.js';
import { stepDivisors } from './train-step.js';

/** Logits of rows [position, position + rows) of the segment's indices, which are of one shard. */
export interface TileLogits {
  /** Float32 [rows × stride]. */
  readonly logits: Ptr;
  readonly stride: number;
  readonly shard: number;
  readonly position: number;
  readonly rows: number;
}

/** One worker's part in it. */
export class TileLoss {
  readonly #kernels: Kernels;
  readonly #task: TrainTask;
  readonly #loss: TrainLoss;
  readonly #scratch: TileLossScratch;
  /** In this worker's own copy of the block: each step has another. */
  readonly #scale: Float64Array;
  readonly #sums: Float64Array;
  readonly #lossSums: Float64Array;
  readonly #divisors: Float64Array;

  constructor(kernels: Kernels, task: TrainTask, loss: TrainLoss) {
    const { buffer, member, scratch, scratchBytes, classes, fullStep } = task;
    this.#kernels = kernels;
    this.#task = task;
    this.#loss = loss;
    this.#scratch = tileLossScratch(scratch + member * scratchBytes + loss.scratchOffset, classes);
    const { call, sums } = this.#scratch;
    new Uint8Array(buffer).copyWithin(call, loss.call, loss.call + LOSS_CALL_BYTES);
    this.#scale = new Float64Array(buffer, call + LOSS_SCALE, 1);
    this.#sums = new Float64Array(buffer, sums, 2);
    this.#lossSums = new Float64Array(buffer, task.lossSums, fullStep.shards);
    this.#divisors = stepDivisors(task, loss);
  }

  /** To be called before a step's first tile. A scale of 0 makes all gradients 0. */
  beginStep(step: number): void {
    const divisor = this.#divisors[step]!;
    this.#scale[0] = divisor === 0 ? 0 : 1 / divisor;
  }

  /** Calls hide(row) for the tile's ignored rows, whose inputs must not be used: 0 · NaN would spoil the gradient. */
  hideIgnored(tileTargets: Ptr, rows: number, hide: (row: number) => void): void {
    const targets = new Int32Array(this.#task.buffer, tileTargets, rows);
    for (let row = 0; row < rows; row++) if (targets[row] === -1) hide(row);
  }

  /** dZ in the place of the tile's logits; the losses are added to the shard's. Status. */
  differentiate({ logits, stride, shard, position, rows }: TileLogits): number {
    const { indices, classes } = this.#task;
    const { call, sums, row } = this.#scratch;
    const { softTargets, mask } = this.#loss;
    this.#sums.fill(0);
    const status = this.#kernels.lossRowsAt(
      call,
      sums,
      logits,
      logits,
      softTargets,
      mask,
      indices,
      position,
      rows,
      classes,
      stride,
      row,
    );
    this.#lossSums[shard]! += this.#sums[0]!;
    return status;
  }
}

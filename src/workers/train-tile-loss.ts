// A training step's loss when it is more than plain cross-entropy: weights, ignored rows, soft targets and the rest, a
// tile of rows at a time.
import type { Kernels, Ptr } from '../kernels/kernels.js';
import { paddedClasses, panelWidth, STATUS_OK } from '../kernels/layout.js';
import { LOSS_CALL_BYTES, LOSS_SCALE } from '../kernels/loss-layout.js';
import { type TileLossScratch, tileLossScratch } from '../kernels/loss-scratch.js';
import { type TileScratch, tileScratch } from '../kernels/panels.js';
import type { TrainByPartialsTask, TrainLoss, TrainTask } from './protocol.js';
import { stepDivisors } from './train-step.js';

const FLOAT32_BYTES = 4;

/** What a tile is made of: rows [position, position + rows) of the segment's indices, which are of one shard. */
export interface Tile {
  readonly shard: number;
  readonly position: number;
  readonly rows: number;
}

/** One worker's part in it. */
export class TileLoss {
  readonly tile: TileScratch;
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
    const { buffer, member, scratch, scratchBytes, tileRows, classes, fullStep } = task;
    this.#kernels = kernels;
    this.#task = task;
    this.#loss = loss;
    this.tile = tileScratch(scratch + member * scratchBytes, tileRows, classes);
    this.#scratch = tileLossScratch(this.tile.end, classes);
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

  /** Lets the addresses of ignored rows be that of a row of zeros: 0 · NaN would spoil the gradient. */
  hideIgnored(rowPtrs: Ptr, tileTargets: Ptr, rows: number): void {
    const { buffer } = this.#task;
    const targets = new Int32Array(buffer, tileTargets, rows);
    if (!targets.includes(-1)) return;
    const ptrs = new Uint32Array(buffer, rowPtrs, rows);
    for (let row = 0; row < rows; row++) if (targets[row] === -1) ptrs[row] = this.#loss.zeroRow;
  }

  /** dZ in the place of the tile's logits; the losses are added to the shard's. Status. */
  differentiate(logits: Ptr, { shard, position, rows }: Tile): number {
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
      paddedClasses(classes),
      row,
    );
    this.#lossSums[shard]! += this.#sums[0]!;
    return status;
  }
}

/** As trainTile: adds a tile of rows to the gradient of `partial`. Status. */
export function addLossTile(
  kernels: Kernels,
  task: TrainByPartialsTask,
  loss: TileLoss,
  partial: Ptr,
  tile: Tile,
): number {
  const { features, classes, inputs, targets, indices } = task;
  const { position, rows } = tile;
  const { logits, rowPtrs, tileTargets } = loss.tile;
  const stride = paddedClasses(classes);
  kernels.gatherRows(rowPtrs, tileTargets, inputs, targets, indices, position, rows, features);
  loss.hideIgnored(rowPtrs, tileTargets, rows);
  kernels.linearForward(logits, rowPtrs, task.weights, task.bias, rows, features, classes);
  const status = loss.differentiate(logits, tile);
  if (status !== STATUS_OK) return status;
  const panels = stride / panelWidth(classes);
  kernels.linearBackward(partial, rowPtrs, logits, rows, features, classes, 0, panels, 0, features);
  const gradBias = partial + task.weightsLength * FLOAT32_BYTES;
  kernels.addColumnSums(gradBias, logits, rows, stride, 0, stride);
  return STATUS_OK;
}

// What full-batch solvers ask of rows whose logits are kept: their loss and its gradient, its Hessian's product with a vector,
// its course along a direction, and what a change of the bias does to it.
import type { Kernels } from '../../../kernels/kernels.js';
import { FLOAT32_BYTES, STATUS_OK } from '../../../kernels/layout.js';
import { type TileLossScratch, tileLossScratch } from '../../../kernels/loss-scratch.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../../kernels/ptr.js';
import {
  type DirectionUpdate,
  type HeadTask,
  type KeptLogits,
  type LinearLoss,
  ownScratch,
} from '../../protocol.js';
import type { LogitsTile, LossKernel, LossType } from './loss-kernel.js';

const FLOAT64_BYTES = 8;

/** Which operations multiply inputs by weights, and which leave a gradient. */
const READ_INPUTS: ReadonlySet<string> = new Set(['evaluate', 'curvature', 'direct']);
const HAVE_GRADIENT: ReadonlySet<string> = new Set(['evaluate', 'gradient', 'curvature']);

export const keptLogits: LossType<KeptLogits> = {
  create(kernels, task, settings): LossKernel {
    const { operation } = settings;
    const rows = new KeptRows(kernels, task, settings);
    return {
      ignoresRows: false,
      readsInputs: READ_INPUTS.has(operation.name),
      hasGradient: HAVE_GRADIENT.has(operation.name),
      beginStep: (step) => rows.beginStep(step),
      divisorOf: () => 1,
      differentiate(tile) {
        rows.moveTo(tile);
        switch (operation.name) {
          case 'evaluate':
            rows.copy(rows.logits, tile.logits);
            rows.keepProbabilities(tile);
            return rows.differentiate(tile, rows.logits);
          case 'move': {
            rows.extend(operation.extend, tile);
            const { step, vector } = operation;
            if (step !== 0) kernels.axpy(rows.logits, rows.direction, rows.length, step);
            rows.shift(rows.logits, vector, tile);
            rows.keepProbabilities(tile);
            const status = rows.differentiate(tile, rows.logits);
            rows.addColumnSums(tile);
            rows.addBiasCurvatures(tile);
            rows.addBiasDiagonals(tile);
            return status;
          }
          case 'gradient':
            if (operation.vector !== NULL_PTR) {
              rows.shift(rows.logits, operation.vector, tile);
              rows.keepProbabilities(tile);
            }
            return rows.differentiate(tile, rows.logits);
          case 'curvature':
            rows.extend(operation.extend, tile);
            rows.copy(rows.product, tile.logits);
            rows.curve(tile);
            return STATUS_OK;
          case 'direct':
            rows.copy(rows.direction, tile.logits);
            rows.curve(tile);
            rows.addColumnSums(tile);
            return STATUS_OK;
          case 'curveBias':
            rows.addBiasProducts(operation.vector, tile);
            return STATUS_OK;
          case 'look': {
            rows.extend(operation.extend, tile);
            if (operation.step === 0) return rows.differentiate(tile, rows.logits);
            kernels.addScaled(tile.logits, rows.logits, rows.direction, rows.length, operation.step);
            const status = rows.differentiate(tile, tile.logits);
            rows.addSlope(tile);
            return status;
          }
          default:
            throw new Error(`unknown operation ${operation satisfies never}`);
        }
      },
    };
  },
};

/** What is kept of the rows of the tile that it was last moved to. */
class KeptRows {
  /** Elements of the tile, padding included. */
  length = 0;
  logits: Ptr = NULL_PTR;
  direction: Ptr = NULL_PTR;
  product: Ptr = NULL_PTR;
  #probabilities: Ptr = NULL_PTR;
  /** Its first row. */
  #row = 0;
  #step = 0;
  readonly #kernels: Kernels;
  readonly #settings: KeptLogits;
  readonly #task: HeadTask;
  readonly #floats: Float32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #scratch: TileLossScratch | undefined;

  constructor(kernels: Kernels, task: HeadTask, settings: KeptLogits) {
    this.#kernels = kernels;
    this.#settings = settings;
    this.#task = task;
    this.#floats = new Float32Array(task.buffer);
    this.#doubles = new Float64Array(task.buffer);
    this.#bytes = new Uint8Array(task.buffer);
    const { loss } = settings;
    if (loss === undefined) return;
    this.#scratch = tileLossScratch(offsetBy(ownScratch(task), loss.scratchOffset), task.classes);
  }

  beginStep(step: number): void {
    this.#step = step;
  }

  moveTo({ position, rows, stride }: LogitsTile): void {
    const { firstRow, logits, probabilities, direction, product } = this.#settings;
    this.#row = firstRow + position;
    this.length = rows * stride;
    const at = this.#row * stride * FLOAT32_BYTES;
    this.logits = offsetBy(logits, at);
    this.direction = offsetIfAny(direction, at);
    this.product = offsetIfAny(product, at);
    this.#probabilities = offsetIfAny(probabilities, at);
  }

  copy(to: Ptr, from: Ptr): void {
    const bytes = this.length * FLOAT32_BYTES;
    this.#bytes.copyWithin(to, from, from + bytes);
  }

  extend(update: DirectionUpdate, tile: LogitsTile): void {
    if (update === undefined) return;
    if ('vector' in update) {
      this.shift(this.direction, update.vector, tile);
      return;
    }
    if (update.isFirst) this.#kernels.clear(this.direction, this.length);
    this.#kernels.axpy(this.direction, this.product, this.length, update.by);
  }

  /** Adds a vector, if there is one, to each row of logits. */
  shift(logits: Ptr, vector: Ptr, { rows, stride }: LogitsTile): void {
    if (vector !== NULL_PTR) this.#kernels.addToRows(logits, vector, rows, stride);
  }

  /** Loss and gradient of logits, which may be the tile's; the gradient becomes the tile's. Status. */
  differentiate(tile: LogitsTile, logits: Ptr): number {
    const { loss, targets, rowWeights } = this.#settings;
    const { rows, stride, lossSum } = tile;
    if (loss !== undefined) return this.#differentiateWithOptions(tile, logits, loss);
    const rowTargets = offsetBy(targets, this.#row * FLOAT32_BYTES);
    // Nobody reads the tile's own targets, so their memory is free for the losses.
    const losses = rowWeights === NULL_PTR ? NULL_PTR : tile.targets;
    const before = this.#doubles[lossSum / FLOAT64_BYTES]!;
    const status = this.#kernels.crossEntropyGradientRows(
      tile.logits,
      losses,
      lossSum,
      logits,
      rowTargets,
      rows,
      this.#task.classes,
      stride,
      1,
    );
    if (rowWeights === NULL_PTR) return status;
    const weights = offsetBy(rowWeights, this.#row * FLOAT32_BYTES);
    this.#doubles[lossSum / FLOAT64_BYTES] = before + this.#kernels.dot(losses, weights, rows);
    this.#kernels.scaleRows(tile.logits, weights, rows, stride);
    return status;
  }

  #differentiateWithOptions(tile: LogitsTile, logits: Ptr, { call, softTargets, mask }: LinearLoss): number {
    const { sums, row } = this.#scratch!;
    const { rows, stride, lossSum } = tile;
    const { classes } = this.#task;
    this.#doubles[sums / FLOAT64_BYTES] = 0;
    const status = this.#kernels.lossRowsAt(
      call,
      sums,
      tile.logits,
      logits,
      softTargets,
      mask,
      NULL_PTR,
      this.#row,
      rows,
      classes,
      stride,
      row,
    );
    this.#doubles[lossSum / FLOAT64_BYTES]! += this.#doubles[sums / FLOAT64_BYTES]!;
    return status;
  }

  /** The probabilities of the kept logits. */
  keepProbabilities({ rows, stride }: LogitsTile): void {
    const { temperature, loss } = this.#settings;
    const { classes } = this.#task;
    const probabilities = this.#probabilities;
    this.copy(probabilities, this.logits);
    if (temperature !== 1) this.#kernels.scale(probabilities, this.length, 1 / temperature);
    const mask = loss?.mask ?? NULL_PTR;
    if (mask !== NULL_PTR) this.#leaveOut(probabilities, offsetBy(mask, this.#row * classes), rows, stride);
    this.#kernels.softmaxRows(probabilities, probabilities, rows, classes, stride);
  }

  /** Masked classes get a logit of -Infinity. */
  #leaveOut(logits: Ptr, mask: Ptr, rows: number, stride: number): void {
    const { classes } = this.#task;
    for (let row = 0; row < rows; row++) {
      const at = logits / FLOAT32_BYTES + row * stride;
      for (let column = 0; column < classes; column++) {
        if (this.#bytes[mask + row * classes + column] === 0) this.#floats[at + column] = -Infinity;
      }
    }
  }

  /** The tile's vectors become the Hessian's products with them. */
  curve({ logits, rows, stride }: LogitsTile): void {
    const curvatures = offsetBy(this.#settings.curvatures, this.#row * FLOAT32_BYTES);
    this.#kernels.curvatureRows(logits, this.#probabilities, curvatures, rows, stride);
  }

  addSlope({ logits, shard }: LogitsTile): void {
    const slot = this.#settings.slopes / FLOAT64_BYTES + this.#slotOf(shard);
    this.#doubles[slot]! += this.#kernels.dot(logits, this.direction, this.length);
  }

  addColumnSums({ logits, rows, stride, shard }: LogitsTile): void {
    const sums = offsetBy(this.#settings.columnSums, this.#slotOf(shard) * stride * FLOAT32_BYTES);
    this.#kernels.addColumnSums(sums, logits, rows, stride, 0, stride);
  }

  addBiasCurvatures({ rows, stride, shard }: LogitsTile): void {
    const { biasCurvatures, curvatures } = this.#settings;
    if (biasCurvatures === NULL_PTR) return;
    const { classes } = this.#task;
    const matrix = offsetBy(biasCurvatures, this.#slotOf(shard) * classes * classes * FLOAT32_BYTES);
    const own = offsetBy(curvatures, this.#row * FLOAT32_BYTES);
    this.#kernels.addCurvatures(matrix, this.#probabilities, own, rows, classes, stride);
  }

  addBiasDiagonals({ rows, stride, shard }: LogitsTile): void {
    const { biasDiagonals, curvatures } = this.#settings;
    if (biasDiagonals === NULL_PTR) return;
    const sums = offsetBy(biasDiagonals, this.#slotOf(shard) * stride * FLOAT32_BYTES);
    const own = offsetBy(curvatures, this.#row * FLOAT32_BYTES);
    const { classes } = this.#task;
    this.#kernels.addCurvatureDiagonals(sums, this.#probabilities, own, rows, classes, stride);
  }

  addBiasProducts(vector: Ptr, { rows, stride, shard }: LogitsTile): void {
    const { columnSums, curvatures } = this.#settings;
    const sums = offsetBy(columnSums, this.#slotOf(shard) * stride * FLOAT32_BYTES);
    const own = offsetBy(curvatures, this.#row * FLOAT32_BYTES);
    const { classes } = this.#task;
    this.#kernels.addCurvatureProducts(sums, vector, this.#probabilities, own, rows, classes, stride);
  }

  #slotOf(shard: number): number {
    return this.#step * this.#task.fullStep.shards + shard;
  }
}

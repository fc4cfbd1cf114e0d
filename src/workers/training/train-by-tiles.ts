// Resident training with many parameters: partial gradients of every shard would not fit, so the gradient itself is
// cut into tiles of panels × features, each summed over all rows in order by one worker. The logits of one chunk of
// rows are held at a time.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, paddedClasses } from '../../kernels/layout.js';
import { Barrier } from '../gang/barrier.js';
import { claimShardsUntil, isCancelled } from '../gang/claim.js';
import type { StepShape, TrainByTilesTask, WorkerResult } from '../protocol.js';
import { blasProducts, kernelProducts, type TileProducts } from './train-products.js';
import { differentiateRows } from './train-rows.js';
import {
  continueStep,
  failed,
  finishStep,
  segmentLosses,
  stepOf,
  stopAfter,
  stopDuring,
  updateParameters,
} from './train-step.js';
import { TileLoss } from './train-tile-loss.js';

const never = (): boolean => false;

export function trainByTiles(
  kernels: Kernels,
  sgemm: Sgemm,
  words: Int32Array,
  task: TrainByTilesTask,
): WorkerResult {
  const barrier = new Barrier(words, task.members, task.spins);
  const losses = segmentLosses(task);
  const tileLoss = task.loss && new TileLoss(kernels, task, task.loss);
  const products =
    task.chunkInputs !== 0
      ? blasProducts(kernels, sgemm, task, tileLoss)
      : kernelProducts(kernels, task, tileLoss);
  const goOn = () => continueStep(words);

  for (let step = task.stepBegin; step < task.stepEnd; step++) {
    const { rowBegin, shape, learningRate } = stepOf(task, step);
    tileLoss?.beginStep(step);
    for (let chunkBegin = 0; chunkBegin < shape.rows; chunkBegin += task.chunkRows) {
      const chunkEnd = Math.min(shape.rows, chunkBegin + task.chunkRows);
      const firstShard = chunkBegin / shape.shardRows;
      const shards = Math.ceil((chunkEnd - chunkBegin) / shape.shardRows);
      claimShardsUntil(isCancelled, words, shards, (shard) =>
        differentiateShard(
          kernels,
          products,
          words,
          task,
          tileLoss,
          shape,
          rowBegin,
          firstShard + shard,
          chunkBegin,
        ),
      );
      if (!barrier.wait(goOn)) return failed(step);
      const cancelled = stopDuring(words, step);
      if (cancelled !== undefined) return cancelled;

      const chunk = { rows: chunkEnd - chunkBegin, first: chunkBegin === 0 };
      const isLast = chunkEnd === shape.rows;
      // The last chunk's tiles update the parameters: once one does, all must.
      claimShardsUntil(isLast ? never : isCancelled, words, products.tiles, (tile) => {
        const stretches = products.addGradient(tile, chunk);
        if (!isLast) return;
        for (const { begin, end, weightDecay } of stretches) {
          updateParameters(kernels, task, task.gradient, begin, end, weightDecay, learningRate);
        }
      });
      const completion = isLast ? () => finishStep(words, losses, step, shape) : goOn;
      if (!barrier.wait(completion)) return failed(step);
    }
    const left = stopAfter(words, step);
    if (left !== undefined) return left;
  }
  return { state: 'done' };
}

/** dZ of one shard's rows into the chunk's gradLogits, the loss into its slot. */
function differentiateShard(
  kernels: Kernels,
  products: TileProducts,
  words: Int32Array,
  task: TrainByTilesTask,
  tileLoss: TileLoss | undefined,
  shape: StepShape,
  rowBegin: number,
  shard: number,
  chunkBegin: number,
): void {
  const stride = paddedClasses(task.classes);
  const shardBegin = shard * shape.shardRows;
  const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
  for (let row = shardBegin; row < shardEnd && !isCancelled(words); row += task.tileRows) {
    const rows = Math.min(task.tileRows, shardEnd - row);
    const logits = task.gradLogits + (row - chunkBegin) * stride * FLOAT32_BYTES;
    const position = rowBegin + row;
    products.forward(logits, position, row - chunkBegin, rows);
    const tile = { logits, stride, shard, position, rows };
    differentiateRows(kernels, task, tileLoss, tile, products.targets, shape.rows);
  }
}

// Resident training with few parameters: each shard of rows has its own partial gradient; the partials are added
// along a fixed tree and the parameters updated, the workers taking disjoint slices.
import type { Kernels } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import { Barrier } from './barrier.js';
import { claimShards, claimShardsUntil, isCancelled } from './claim.js';
import type { StepShape, TrainByPartialsTask, WorkerResult } from './protocol.js';
import {
  continueStep,
  failed,
  finishStep,
  invalidTargetError,
  leaveAfter,
  leaveWithin,
  segmentLosses,
  stepOf,
  updateParameters,
} from './train-step.js';
import { addLossTile, TileLoss } from './train-tile-loss.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function trainByPartials(
  kernels: Kernels,
  words: Int32Array,
  task: TrainByPartialsTask,
): WorkerResult {
  const barrier = new Barrier(words, task.members, task.spins);
  const losses = segmentLosses(task);
  const slices = Math.ceil(task.parametersLength / task.sliceLength);
  const tileLoss = task.loss && new TileLoss(kernels, task, task.loss);

  for (let step = task.stepBegin; step < task.stepEnd; step++) {
    const { rowBegin, shape, learningRate } = stepOf(task, step);
    tileLoss?.beginStep(step);
    claimShardsUntil(isCancelled, words, shape.shards, (shard) => {
      const partial = task.partials + shard * task.partialBytes;
      kernels.clear(partial, task.parametersLength);
      addShardGradient(kernels, words, task, tileLoss, shape, rowBegin, shard, partial);
    });
    if (!barrier.wait(() => continueStep(words))) return failed(step);
    const cancelled = leaveWithin(words, step);
    if (cancelled !== undefined) return cancelled;

    claimShards(words, slices, (slice) => updateSlice(kernels, task, shape.shards, slice, learningRate));
    if (!barrier.wait(() => finishStep(words, losses, step, shape))) return failed(step);

    const left = leaveAfter(words, step);
    if (left !== undefined) return left;
  }
  return { state: 'done' };
}

/** Runs the shard's tiles in row order into its partial. */
function addShardGradient(
  kernels: Kernels,
  words: Int32Array,
  task: TrainByPartialsTask,
  tileLoss: TileLoss | undefined,
  shape: StepShape,
  rowBegin: number,
  shard: number,
  partial: number,
): void {
  const shardBegin = shard * shape.shardRows;
  const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
  for (let row = shardBegin; row < shardEnd && !isCancelled(words); row += task.tileRows) {
    const position = rowBegin + row;
    const rows = Math.min(task.tileRows, shardEnd - row);
    const status =
      tileLoss !== undefined
        ? addLossTile(kernels, task, tileLoss, partial, { shard, position, rows })
        : kernels.trainTile(
            partial,
            partial + task.weightsLength * FLOAT32_BYTES,
            task.lossSums + shard * FLOAT64_BYTES,
            task.inputs,
            task.targets,
            task.indices,
            position,
            rows,
            task.weights,
            task.bias,
            task.features,
            task.classes,
            1 / shape.rows,
            task.scratch + task.member * task.scratchBytes,
          );
    if (status !== STATUS_OK) throw invalidTargetError(position + status);
  }
}

/** Adds the partials of one slice of the parameters and applies the update; the bias is not decayed. */
function updateSlice(
  kernels: Kernels,
  task: TrainByPartialsTask,
  shards: number,
  slice: number,
  learningRate: number,
): void {
  const begin = slice * task.sliceLength;
  const end = Math.min(task.parametersLength, begin + task.sliceLength);
  kernels.treeAdd(task.partials + begin * FLOAT32_BYTES, task.partialBytes, shards, end - begin);
  const { weightsLength, partials, sgd } = task;
  updateParameters(
    kernels,
    task,
    partials,
    begin,
    Math.min(end, weightsLength),
    sgd.weightDecay,
    learningRate,
  );
  updateParameters(kernels, task, partials, Math.max(begin, weightsLength), end, 0, learningRate);
}

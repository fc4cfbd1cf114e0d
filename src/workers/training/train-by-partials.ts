// Resident training with few parameters: each shard of rows has its own partial gradient; the partials are added
// along a fixed tree and the parameters updated, the workers taking disjoint slices.

import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { tileScratch } from '../../kernels/strips.js';
import { Barrier } from '../gang/barrier.js';
import { claimShards, claimShardsUntil, isCancelled } from '../gang/claim.js';
import type { StepShape, TrainByPartialsTask, WorkerResult } from '../protocol.js';
import { NextStepRows } from './next-step-rows.js';
import { differentiateRows, gatherTrainingRows } from './train-rows.js';
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

export function trainByPartials(
  kernels: Kernels,
  words: Int32Array,
  task: TrainByPartialsTask,
): WorkerResult {
  const barrier = new Barrier(words, task.members, task.spins);
  const losses = segmentLosses(task);
  const slices = Math.ceil(task.parametersLength / task.sliceLength);
  const tileLoss = task.loss && new TileLoss(kernels, task, task.loss);
  const nextRows = new NextStepRows(kernels, task);

  for (let step = task.stepBegin; step < task.stepEnd; step++) {
    const { rowBegin, shape, learningRate } = stepOf(task, step);
    tileLoss?.beginStep(step);
    nextRows.beginStep(step + 1);
    claimShardsUntil(isCancelled, words, shape.shards, (shard) => {
      const partial = task.partials + shard * task.partialBytes;
      addShardGradient(kernels, words, task, tileLoss, shape, rowBegin, shard, partial);
    });
    if (!barrier.wait(() => continueStep(words), nextRows.fetch)) return failed(step);
    const cancelled = stopDuring(words, step);
    if (cancelled !== undefined) return cancelled;

    claimShards(words, slices, (slice) => updateSlice(kernels, task, shape.shards, slice, learningRate));
    if (!barrier.wait(() => finishStep(words, losses, step, shape), nextRows.fetch)) return failed(step);

    const left = stopAfter(words, step);
    if (left !== undefined) return left;
  }
  return { state: 'done' };
}

/** Runs the shard's tiles in row order, each from inputs to gradients while it is in cache, into its partial. */
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
  const { features, classes, tileRows } = task;
  const { inputs, sums, logits, targets } = tileScratch(
    task.scratch + task.member * task.scratchBytes,
    tileRows,
    task,
  );
  const gradBias = partial + task.weightsLength * FLOAT32_BYTES;
  const shardBegin = shard * shape.shardRows;
  const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
  for (let row = shardBegin; row < shardEnd && !isCancelled(words); row += tileRows) {
    const rows = Math.min(tileRows, shardEnd - row);
    const fresh = row === shardBegin ? 1 : 0;
    const position = rowBegin + row;
    gatherTrainingRows(kernels, task, tileLoss, { inputs, targets, position, rows });
    kernels.tileForward(logits, inputs, task.weights, task.bias, rows, features, classes, sums);
    const tile = { logits, stride: classes, shard, position, rows };
    differentiateRows(kernels, task, tileLoss, tile, targets, shape.rows);
    kernels.tileBackward(partial, gradBias, inputs, logits, rows, features, classes, fresh);
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

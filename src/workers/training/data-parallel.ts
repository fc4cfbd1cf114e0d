// The gradient of few parameters: each shard of rows has its own partial, and the partials are added along a fixed
// tree, the workers taking disjoint slices.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { tileScratch } from '../../kernels/strips.js';
import { isCancelled } from '../gang/claim.js';
import type { DataParallel, TrainTask } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import { NextStepRows } from './next-step-rows.js';
import { differentiateRows, gatherTrainingRows, lossSumOf } from './train-rows.js';
import type { StepGradient } from './train-step.js';

export function dataParallelGradient(
  kernels: Kernels,
  control: Int32Array,
  task: TrainTask,
  { partialBytes, sliceLength }: DataParallel,
  loss: LossKernel,
): StepGradient {
  const { gradient, weights, bias, features, classes, tileRows, weightsLength, parametersLength } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  const { inputs, sums, logits, targets } = tileScratch(scratch, tileRows, task);
  const nextRows = new NextStepRows(kernels, task);
  const parts = Math.ceil(parametersLength / sliceLength);
  const ranges = Array.from({ length: parts }, (_, part) => rangesOf(part, sliceLength, task));
  return {
    chunkRows: task.fullStep.rows,
    parts,
    meanwhile: nextRows.fetch,
    beginStep: (step) => nextRows.beginStep(step + 1),
    /** Runs the shard's tiles in row order, each from inputs to gradients while it is in cache, into its partial. */
    differentiate(shard, { rowBegin, shape }) {
      const partial = gradient + shard * partialBytes;
      const gradBias = partial + weightsLength * FLOAT32_BYTES;
      const lossSum = lossSumOf(task, shard);
      const shardBegin = shard * shape.shardRows;
      const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
      for (let row = shardBegin; row < shardEnd && !isCancelled(control); row += tileRows) {
        const rows = Math.min(tileRows, shardEnd - row);
        const fresh = row === shardBegin ? 1 : 0;
        const position = rowBegin + row;
        gatherTrainingRows(kernels, task, loss, { inputs, targets, position, rows });
        kernels.tileForward(logits, inputs, weights, bias, rows, features, classes, sums);
        differentiateRows(loss, { logits, stride: classes, targets, position, rows, lossSum });
        kernels.tileBackward(partial, gradBias, inputs, logits, rows, features, classes, fresh);
      }
    },
    reduce(part, { shape }) {
      const begin = part * sliceLength;
      const length = Math.min(parametersLength - begin, sliceLength);
      kernels.treeAdd(gradient + begin * FLOAT32_BYTES, partialBytes, shape.shards, length);
    },
    rangesOf: (part) => ranges[part] ?? [],
  };
}

function rangesOf(part: number, sliceLength: number, { weightsLength, parametersLength }: TrainTask) {
  const begin = part * sliceLength;
  const end = Math.min(parametersLength, begin + sliceLength);
  const split = Math.min(end, Math.max(begin, weightsLength));
  const ranges = [
    { begin, end: split, isBias: false },
    { begin: split, end, isBias: true },
  ];
  return ranges.filter((range) => range.begin < range.end);
}

// The gradient of few parameters: each shard of rows has its own partial, and the partials are added along a fixed
// tree, the workers taking disjoint slices.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { offsetBy } from '../../kernels/ptr.js';
import { tileScratch } from '../../kernels/strips.js';
import { isCancelled } from '../gang/claim.js';
import { type DataParallel, ownScratch, type Tracer, type TrainTask } from '../protocol.js';
import { NextStepRows } from './next-step-rows.js';
import { differentiateRows, lossSumOf, tracedGather } from './train-rows.js';
import type { Head, StepGradient } from './train-step.js';

/** Claims a worker should find at least, where there are enough heads. */
const PIECES_A_MEMBER = 4;

export function dataParallelGradient(
  kernels: Kernels,
  control: Int32Array,
  task: TrainTask,
  { partialBytes, sliceLength }: DataParallel,
  heads: readonly Head[],
  tracer: Tracer | undefined,
): StepGradient {
  const gather = tracedGather(tracer);
  const { features, classes, tileRows, weightsLength, parametersLength, members } = task;
  const { inputs, sums, logits, targets } = tileScratch(ownScratch(task), tileRows, task);
  const nextRows = new NextStepRows(kernels, task);
  const slices = Math.ceil(parametersLength / sliceLength);
  const ranges = Array.from({ length: slices }, (_, slice) => rangesOf(slice, sliceLength, task));
  const reduced = heads.filter(({ loss }) => loss.hasGradient !== false);
  const needsInputs = heads.some(({ loss }) => loss.hasGradient !== false || loss.readsInputs !== false);
  /** Heads are cut into groups where there are fewer shards than workers can take: each group gathers the rows once. */
  const groupsFor = (shards: number) =>
    Math.min(heads.length, Math.ceil((PIECES_A_MEMBER * members) / Math.max(1, shards)));
  return {
    heads,
    chunkRows: task.fullStep.rows,
    parts: reduced.length * slices,
    canPause: heads.length === 1,
    meanwhile: nextRows.fetch,
    piecesOf: (shards) => (heads.length === 1 ? shards : shards * groupsFor(shards)),
    beginStep(step) {
      // Else there may be none.
      if (needsInputs) nextRows.beginStep(step + 1);
    },
    /** Runs the shard's tiles in row order, each from inputs to gradients while it is in cache, into its partials. */
    differentiate(piece, { rowBegin, shape }) {
      const groups = heads.length === 1 ? 1 : groupsFor(shape.shards);
      const shard = Math.floor(piece / groups);
      const firstHead = piece % groups;
      const shardBegin = shard * shape.shardRows;
      const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
      for (let row = shardBegin; row < shardEnd && !isCancelled(control); row += tileRows) {
        const rows = Math.min(tileRows, shardEnd - row);
        const fresh = row === shardBegin ? 1 : 0;
        const position = rowBegin + row;
        let isGathered = false;
        for (let index = firstHead; index < heads.length; index += groups) {
          const { loss, task: head } = heads[index]!;
          const hasGradient = loss.hasGradient !== false;
          const readsInputs = loss.readsInputs !== false;
          if (!isGathered && (hasGradient || readsInputs)) {
            gather(kernels, task, loss, { inputs, targets, position, rows });
            isGathered = true;
          }
          if (readsInputs) {
            kernels.tileForward(logits, inputs, head.weights, head.bias, rows, features, classes, sums);
          }
          const lossSum = lossSumOf(head, shard);
          differentiateRows(loss, { logits, stride: classes, targets, position, rows, shard, lossSum });
          if (!hasGradient) continue;
          const partial = offsetBy(head.gradient, shard * partialBytes);
          const gradBias = offsetBy(partial, weightsLength * FLOAT32_BYTES);
          kernels.tileBackward(partial, gradBias, inputs, logits, rows, features, classes, fresh);
        }
      }
    },
    reduce(part, { shape }) {
      const { gradient } = reduced[Math.floor(part / slices)]!.task;
      const begin = (part % slices) * sliceLength;
      const length = Math.min(parametersLength - begin, sliceLength);
      kernels.treeAdd(offsetBy(gradient, begin * FLOAT32_BYTES), partialBytes, shape.shards, length);
    },
    update: (part) => reduced[Math.floor(part / slices)]!.update(ranges[part % slices] ?? []),
  };
}

function rangesOf(slice: number, sliceLength: number, { weightsLength, parametersLength }: TrainTask) {
  const begin = slice * sliceLength;
  const end = Math.min(parametersLength, begin + sliceLength);
  const split = Math.min(end, Math.max(begin, weightsLength));
  const ranges = [
    { begin, end: split, isBias: false },
    { begin: split, end, isBias: true },
  ];
  return ranges.filter((range) => range.begin < range.end);
}

// The gradient of few parameters: each shard of rows has its own partial, and the partials are added along a fixed
// tree, the workers taking disjoint slices.

import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { type TileScratch, tileScratch } from '../../kernels/strips.js';
import { isCancelled } from '../gang/claim.js';
import type { DataParallel, TrainTask } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import { NextStepRows } from './next-step-rows.js';
import type { ParameterRange } from './optimizers/optimizer.js';
import type { Chunk, StepGradient } from './step-gradient.js';
import { differentiateRows, gatherTrainingRows, lossSumOf } from './train-rows.js';

export class DataParallelGradient implements StepGradient {
  readonly chunkRows: number;
  readonly parts: number;
  readonly meanwhile: () => void;
  readonly #kernels: Kernels;
  readonly #control: Int32Array;
  readonly #task: TrainTask;
  readonly #sharding: DataParallel;
  readonly #loss: LossKernel;
  readonly #scratch: TileScratch;
  readonly #nextRows: NextStepRows;
  readonly #ranges: readonly (readonly ParameterRange[])[];

  constructor(
    kernels: Kernels,
    control: Int32Array,
    task: TrainTask,
    sharding: DataParallel,
    loss: LossKernel,
  ) {
    this.#kernels = kernels;
    this.#control = control;
    this.#task = task;
    this.#sharding = sharding;
    this.#loss = loss;
    this.#scratch = tileScratch(task.scratch + task.member * task.scratchBytes, task.tileRows, task);
    this.#nextRows = new NextStepRows(kernels, task);
    this.chunkRows = task.fullStep.rows;
    this.parts = Math.ceil(task.parametersLength / sharding.sliceLength);
    this.#ranges = Array.from({ length: this.parts }, (_, part) =>
      rangesOf(part, sharding.sliceLength, task),
    );
    this.meanwhile = this.#nextRows.fetch;
  }

  beginStep(step: number): void {
    this.#nextRows.beginStep(step + 1);
  }

  /** Runs the shard's tiles in row order, each from inputs to gradients while it is in cache, into its partial. */
  differentiate(shard: number, { rowBegin, shape }: Chunk): void {
    const kernels = this.#kernels;
    const task = this.#task;
    const loss = this.#loss;
    const { features, classes, tileRows, weights, bias } = task;
    const { inputs, sums, logits, targets } = this.#scratch;
    const partial = task.gradient + shard * this.#sharding.partialBytes;
    const gradBias = partial + task.weightsLength * FLOAT32_BYTES;
    const lossSum = lossSumOf(task, shard);
    const shardBegin = shard * shape.shardRows;
    const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
    for (let row = shardBegin; row < shardEnd && !isCancelled(this.#control); row += tileRows) {
      const rows = Math.min(tileRows, shardEnd - row);
      const fresh = row === shardBegin ? 1 : 0;
      const position = rowBegin + row;
      gatherTrainingRows(kernels, task, loss, { inputs, targets, position, rows });
      kernels.tileForward(logits, inputs, weights, bias, rows, features, classes, sums);
      differentiateRows(loss, { logits, stride: classes, targets, position, rows, lossSum });
      kernels.tileBackward(partial, gradBias, inputs, logits, rows, features, classes, fresh);
    }
  }

  reduce(part: number, { shape }: Chunk): void {
    const { sliceLength, partialBytes } = this.#sharding;
    const { gradient, parametersLength } = this.#task;
    const begin = part * sliceLength;
    const length = Math.min(parametersLength - begin, sliceLength);
    this.#kernels.treeAdd(gradient + begin * FLOAT32_BYTES, partialBytes, shape.shards, length);
  }

  rangesOf(part: number): readonly ParameterRange[] {
    return this.#ranges[part] ?? [];
  }
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

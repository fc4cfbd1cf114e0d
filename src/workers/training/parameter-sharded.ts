// The gradient of many parameters: partials of every shard would not fit, so the gradient itself is cut into tiles of
// classes × features, each summed over all rows in order by one worker. The logits of one chunk of rows are held at a time.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, paddedClasses } from '../../kernels/layout.js';
import { isCancelled } from '../gang/claim.js';
import type { ParameterSharded, TrainTask } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { ParameterRange } from './optimizers/optimizer.js';
import { blasProducts, kernelProducts, type ShardedProducts } from './sharded-products.js';
import type { Chunk, StepGradient } from './step-gradient.js';
import { differentiateRows, lossSumOf } from './train-rows.js';

export class ParameterShardedGradient implements StepGradient {
  readonly chunkRows: number;
  readonly parts: number;
  readonly meanwhile = undefined;
  readonly #control: Int32Array;
  readonly #task: TrainTask;
  readonly #sharding: ParameterSharded;
  readonly #loss: LossKernel;
  readonly #products: ShardedProducts;

  constructor(
    kernels: Kernels,
    sgemm: Sgemm,
    control: Int32Array,
    task: TrainTask,
    sharding: ParameterSharded,
    loss: LossKernel,
  ) {
    this.#control = control;
    this.#task = task;
    this.#sharding = sharding;
    this.#loss = loss;
    this.#products =
      sharding.chunkInputs !== 0
        ? blasProducts(kernels, sgemm, task, sharding, loss)
        : kernelProducts(kernels, task, sharding, loss);
    this.chunkRows = sharding.chunkRows;
    this.parts = this.#products.tiles;
  }

  beginStep(): void {}

  /** The gradient of the shard's logits, into the chunk's. */
  differentiate(shard: number, { rowBegin, shape, begin }: Chunk): void {
    const { classes, tileRows } = this.#task;
    const stride = paddedClasses(classes);
    const { targets } = this.#products;
    const lossSum = lossSumOf(this.#task, shard);
    const shardBegin = shard * shape.shardRows;
    const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
    for (let row = shardBegin; row < shardEnd && !isCancelled(this.#control); row += tileRows) {
      const rows = Math.min(tileRows, shardEnd - row);
      const logits = this.#sharding.gradLogits + (row - begin) * stride * FLOAT32_BYTES;
      const position = rowBegin + row;
      this.#products.forward(logits, position, row - begin, rows);
      differentiateRows(this.#loss, { logits, stride, targets, position, rows, lossSum });
    }
  }

  reduce(part: number, { begin, end }: Chunk): void {
    this.#products.addGradient(part, end - begin, begin === 0);
  }

  rangesOf(part: number): readonly ParameterRange[] {
    return this.#products.rangesOf(part);
  }
}

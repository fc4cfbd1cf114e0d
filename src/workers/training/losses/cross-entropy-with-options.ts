// Cross-entropy with weights, ignored rows, soft targets and the rest.
import type { Kernels } from '../../../kernels/kernels.js';
import { LOSS_CALL_BYTES, LOSS_SCALE } from '../../../kernels/loss-layout.js';
import { type TileLossScratch, tileLossScratch } from '../../../kernels/loss-scratch.js';
import type { CrossEntropyWithOptions, TrainTask } from '../../protocol.js';
import type { LogitsTile, LossKernel, LossType } from './loss-kernel.js';

const FLOAT64_BYTES = 8;

export const crossEntropyWithOptions: LossType<CrossEntropyWithOptions> = {
  create: (kernels, task, settings) => new CrossEntropyKernel(kernels, task, settings),
};

class CrossEntropyKernel implements LossKernel {
  readonly ignoresRows = true;
  readonly #kernels: Kernels;
  readonly #task: TrainTask;
  readonly #settings: CrossEntropyWithOptions;
  readonly #scratch: TileLossScratch;
  /** In this worker's own copy of the call: each step has another. */
  readonly #scale: Float64Array;
  /** Of a tile: loss and weight. */
  readonly #sums: Float64Array;
  readonly #memory: Float64Array;
  readonly #stepWeights: Float64Array | undefined;

  constructor(kernels: Kernels, task: TrainTask, settings: CrossEntropyWithOptions) {
    const { buffer, member, scratch, scratchBytes, classes, stepWeights, stepEnd } = task;
    this.#kernels = kernels;
    this.#task = task;
    this.#settings = settings;
    this.#scratch = tileLossScratch(scratch + member * scratchBytes + settings.scratchOffset, classes);
    const { call, sums } = this.#scratch;
    new Uint8Array(buffer).copyWithin(call, settings.call, settings.call + LOSS_CALL_BYTES);
    this.#scale = new Float64Array(buffer, call + LOSS_SCALE, 1);
    this.#sums = new Float64Array(buffer, sums, 2);
    this.#memory = new Float64Array(buffer);
    this.#stepWeights = settings.isMean ? new Float64Array(buffer, stepWeights, stepEnd) : undefined;
  }

  divisorOf(step: number): number {
    return this.#stepWeights?.[step] ?? 1;
  }

  /** A scale of 0 makes all gradients 0. */
  beginStep(step: number): void {
    const divisor = this.divisorOf(step);
    this.#scale[0] = divisor === 0 ? 0 : 1 / divisor;
  }

  differentiate({ logits, stride, position, rows, lossSum }: LogitsTile): number {
    const { indices, classes } = this.#task;
    const { call, sums, row } = this.#scratch;
    const { softTargets, mask } = this.#settings;
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
    this.#memory[lossSum / FLOAT64_BYTES]! += this.#sums[0]!;
    return status;
  }
}

// Cross-entropy with weights, ignored rows, soft targets and the rest.
import { LOSS_CALL_BYTES, LOSS_SCALE } from '../../../kernels/loss-layout.js';
import { tileLossScratch } from '../../../kernels/loss-scratch.js';
import type { CrossEntropyWithOptions } from '../../protocol.js';
import type { LossType } from './loss-kernel.js';

const FLOAT64_BYTES = 8;

export const crossEntropyWithOptions: LossType<CrossEntropyWithOptions> = {
  create(kernels, task, { call: original, softTargets, mask, scratchOffset, isMean }) {
    const { buffer, member, scratch, scratchBytes, classes, indices } = task;
    const { call, sums, row } = tileLossScratch(scratch + member * scratchBytes + scratchOffset, classes);
    // This worker's own copy: its scale changes from step to step.
    new Uint8Array(buffer).copyWithin(call, original, original + LOSS_CALL_BYTES);
    const scale = new Float64Array(buffer, call + LOSS_SCALE, 1);
    /** Of a tile: loss and weight. */
    const tileSums = new Float64Array(buffer, sums, 2);
    const memory = new Float64Array(buffer);
    const weights = isMean ? new Float64Array(buffer, task.stepWeights, task.stepEnd) : undefined;
    const divisorOf = (step: number) => weights?.[step] ?? 1;
    return {
      ignoresRows: true,
      divisorOf,
      /** A scale of 0 makes all gradients 0. */
      beginStep(step) {
        const divisor = divisorOf(step);
        scale[0] = divisor === 0 ? 0 : 1 / divisor;
      },
      differentiate({ logits, stride, position, rows, lossSum }) {
        tileSums.fill(0);
        const status = kernels.lossRowsAt(
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
        memory[lossSum / FLOAT64_BYTES]! += tileSums[0]!;
        return status;
      },
    };
  },
};

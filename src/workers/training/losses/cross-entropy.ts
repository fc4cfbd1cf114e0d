// Plain cross-entropy: the mean over the rows of a step, which all count the same.
import { NULL_PTR } from '../../../kernels/ptr.js';
import type { CrossEntropyLoss } from '../../protocol.js';
import type { LossType } from './loss-kernel.js';

export const crossEntropy: LossType<CrossEntropyLoss> = {
  create(kernels, { classes }) {
    let scale = 0;
    return {
      ignoresRows: false,
      beginStep(_, rows) {
        scale = 1 / rows;
      },
      differentiate: ({ logits, stride, targets, rows, lossSum }) =>
        kernels.crossEntropyGradientRows(
          logits,
          NULL_PTR,
          lossSum,
          logits,
          targets,
          rows,
          classes,
          stride,
          scale,
        ),
      divisorOf: (_, rows) => rows,
    };
  },
};

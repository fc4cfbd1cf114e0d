// Cross-entropy of probabilities: the textbook's form, for outputs that went through a softmax already.

import type { Targets } from '../arguments/targets.js';
import { checkNumber } from '../checks.js';
import { checkOneHot, type DenseTargets } from './dense-targets.js';
import { defineRowLoss, type RowLossOptions } from './row-loss.js';
import { checkTargetRows, isProbability, PROBABILITY_RULE, refusedTarget } from './target-rows.js';

export interface ProbabilityCrossEntropyOptions extends RowLossOptions {
  /**
   * Smaller probabilities count as this one, and have a gradient of 0; in [0, 1). Default 2^-126, the smallest normal
   * float32 (for float64 input 2^-1022): it changes no normal number, and keeps the loss (at most 87.4, or 708.4, for
   * each unit of y) and the gradient finite.
   */
  floor?: number | undefined;
}

const DEFAULT_FLOOR = { float32: 2 ** -126, float64: 2 ** -1022 } as const;

export const crossEntropyOfProbabilities = defineRowLoss<
  ProbabilityCrossEntropyOptions,
  [targets: Targets | DenseTargets],
  'gradProbabilities'
>({
  inputName: 'probabilities',
  gradientName: 'gradProbabilities',
  options: ['floor'],
  check({ resources, input, type, others: [targets], options }) {
    const floor = checkNumber('options.floor', options.floor ?? DEFAULT_FLOOR[type], 0, 1);
    const { classes, dense } = checkTargetRows(resources, targets, input);
    if (dense !== undefined) checkOneHot('targets', targets, input);
    return {
      weightSum: input.rows,
      operands: [classes, dense],
      reads: { targets },
      parameters: (ptrOf) => ({
        loss: 'probability',
        targets: ptrOf(classes),
        targetProbabilities: ptrOf(dense),
        floor,
      }),
      ...(dense !== undefined && {
        refuse: (row) => refusedTarget('targets', targets, row, input, isProbability, PROBABILITY_RULE),
      }),
    };
  },
});

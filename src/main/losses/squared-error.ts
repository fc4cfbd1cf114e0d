// Mean squared error of predictions or of probabilities: the loss that cross-entropy is measured against.

import type { Targets } from '../arguments/targets.js';
import { checkBoolean } from '../checks.js';
import type { DenseTargets } from './dense-targets.js';
import { defineRowLoss, type RowLossOptions } from './row-loss.js';
import { checkTargetRows } from './target-rows.js';

export interface SquaredErrorOptions extends RowLossOptions {
  /** The predictions are logits: their softmax is compared, and the gradient is that by the logits. Default false. */
  fromLogits?: boolean | undefined;
}

export const meanSquaredError = defineRowLoss<
  SquaredErrorOptions,
  [targets: Targets | DenseTargets],
  'gradPredictions'
>({
  inputName: 'predictions',
  gradientName: 'gradPredictions',
  options: ['fromLogits'],
  check({ resources, input, others: [targets], options }) {
    const fromLogits = checkBoolean('options.fromLogits', options.fromLogits ?? false);
    const { classes, dense } = checkTargetRows(resources, targets, input);
    return {
      weightSum: input.elements.length,
      operands: [classes, dense],
      scratchRows: fromLogits ? 1 : 0,
      reads: { targets },
      parameters: (ptrOf) => ({
        loss: 'squaredError',
        targets: ptrOf(classes),
        targetValues: ptrOf(dense),
        fromLogits,
      }),
    };
  },
});

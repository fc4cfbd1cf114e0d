// Binary cross-entropy of logits: each element is a yes-or-no question of its own.
import type { FloatType } from '../arguments/axis-rows.js';
import { checkNumbers, type NumericVector } from '../arguments/numeric-vectors.js';
import { outerRows, readOperand } from '../dispatch/operands.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import type { DenseTargets } from './dense-targets.js';
import { defineRowLoss, type RowLossOptions } from './row-loss.js';
import { checkLike } from './row-loss-operands.js';
import { checkDenseNumbers, refusedTarget } from './target-rows.js';

export interface BinaryCrossEntropyOptions extends RowLossOptions {
  /** The weight of each column [columns], each at least 0; or of each element, as a tensor like the logits. */
  weight?: NumericVector | Tensor<FloatType> | undefined;
  /** [columns], each at least 0: the weight of "yes" in each column; above 1 it favors recall. */
  posWeight?: NumericVector | undefined;
}

const isFraction = (value: number): boolean => value >= 0 && value <= 1;

export const binaryCrossEntropyWithLogits = defineRowLoss<
  BinaryCrossEntropyOptions,
  [targets: DenseTargets],
  'gradLogits'
>({
  inputName: 'logits',
  gradientName: 'gradLogits',
  options: ['weight', 'posWeight'],
  check({ resources, input, type, others: [targets], options }) {
    const { weight } = options;
    const { columns } = input;
    const numbers = (name: string, values: NumericVector | undefined) =>
      checkNumbers(name, values, columns, 'columns', 0, type);
    const isTensor = typeof weight === 'object' && weight !== null && 'dims' in weight;
    const elementWeight = isTensor ? checkLike(resources.arena, 'options.weight', weight, input) : undefined;
    const elementWeights = elementWeight && readOperand('options.weight', outerRows(elementWeight));
    const columnWeights = isTensor ? undefined : numbers('options.weight', weight);
    const posWeight = numbers('options.posWeight', options.posWeight);
    const targetRows = checkDenseNumbers(resources, 'targets', targets, input);
    return {
      // As PyTorch: the weights do not count.
      weightSum: input.elements.length,
      operands: [targetRows, elementWeights],
      constants: [columnWeights, posWeight],
      reads: { targets, 'options.weight': weight },
      parameters: (ptrOf) => ({
        loss: 'binary',
        targets: ptrOf(targetRows),
        weight: ptrOf(elementWeights ?? columnWeights),
        weightType: elementWeight && ELEMENTS[elementWeight.type].code,
        posWeight: ptrOf(posWeight),
      }),
      refuse: (row) =>
        refusedTarget('targets', targets, row, input, isFraction, 'targets must be numbers from 0 to 1'),
    };
  },
});

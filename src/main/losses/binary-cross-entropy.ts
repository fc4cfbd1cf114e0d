// Binary cross-entropy of logits: each element is a yes-or-no question of its own.

import {
  checkLogits,
  computeType,
  type FloatInput,
  type FloatType,
  type Logits,
} from '../arguments/axis-rows.js';
import { checkOptionNames } from '../arguments/checks.js';
import type { DenseTargets } from '../arguments/dense-targets.js';
import { checkNumbers, type FloatArray, type NumericVector } from '../arguments/numeric-vectors.js';
import { checkDenseNumbers, refusedTarget } from '../arguments/target-rows.js';
import { readOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { ELEMENTS } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { asRows } from './general-loss.js';
import { computeRowGradient, computeRowLoss, type RowLoss } from './other-loss.js';
import { checkLike } from './other-loss-operands.js';
import {
  checkRowOptions,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLossOptions,
  type RowLossResult,
  type TypeOf,
} from './other-loss-options.js';

export interface BinaryCrossEntropyOptions extends RowLossOptions {
  /** The weight of each column [columns], each at least 0; or of each element, as a tensor like the logits. */
  weight?: NumericVector | Tensor<FloatType> | undefined;
  /** [columns], each at least 0: the weight of "yes" in each column; above 1 it favors recall. */
  posWeight?: NumericVector | undefined;
}

export interface BinaryCrossEntropyGradientOptions extends BinaryCrossEntropyOptions, RowGradientOptions {}

export interface BinaryCrossEntropyGradientResult<Type extends FloatType = FloatType> extends RowLossResult {
  readonly gradLogits: Tensor<Type>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'weight', 'posWeight'];
const isFraction = (value: number): boolean => value >= 0 && value <= 1;

export async function binaryCrossEntropyWithLogits(
  resources: Resources,
  logits: FloatInput,
  targets: DenseTargets,
  options: BinaryCrossEntropyOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkCall(resources, logits, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function binaryCrossEntropyWithLogitsGradient<Input extends FloatInput>(
  resources: Resources,
  logits: Input,
  targets: DenseTargets,
  options: BinaryCrossEntropyGradientOptions,
): Promise<BinaryCrossEntropyGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkCall(resources, logits, targets, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradLogits: gradient };
}

function checkCall(
  resources: Resources,
  logits: FloatInput,
  targets: DenseTargets,
  options: BinaryCrossEntropyGradientOptions,
): RowLoss {
  const { arena } = resources;
  const outputs = checkLogits(arena, 'logits', logits, options);
  const { columns } = outputs;
  const { byColumn, byElement } = checkWeight(resources, options.weight, outputs);
  const posWeight = checkNumbers(
    'options.posWeight',
    options.posWeight,
    columns,
    'columns',
    0,
    computeType(outputs),
  );
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    // As PyTorch: the weights do not count.
    weightSum: outputs.elements.length,
    operands: [
      checkDenseNumbers(resources, 'targets', targets, outputs),
      byElement && readOperand('options.weight', asRows(byElement)),
    ],
    constants: [byColumn, posWeight],
    reads: { targets, 'options.weight': options.weight },
    parameters: ([targetsPtr, byElementPtr], [byColumnPtr, posWeightPtr]) => ({
      loss: 'binary',
      targets: targetsPtr!,
      weight: byElement === undefined ? byColumnPtr! : byElementPtr!,
      weightType: byElement && ELEMENTS[byElement.type].code,
      posWeight: posWeightPtr!,
    }),
    refuse: (row) =>
      refusedTarget('targets', targets, row, outputs, isFraction, 'targets must be numbers from 0 to 1'),
  };
}

function checkWeight(
  { arena }: Resources,
  weight: NumericVector | Tensor<FloatType> | undefined,
  outputs: Logits,
): { byColumn?: FloatArray | undefined; byElement?: Logits } {
  if (typeof weight === 'object' && weight !== null && 'dims' in weight) {
    return { byElement: checkLike(arena, 'options.weight', weight, outputs) };
  }
  const type = computeType(outputs);
  return { byColumn: checkNumbers('options.weight', weight, outputs.columns, 'columns', 0, type) };
}

// Mean squared error of outputs or of probabilities: the loss that cross-entropy is measured against.

import { checkLogits, type FloatInput, type FloatType } from '../arguments/axis-rows.js';
import { checkBoolean, checkOptionNames } from '../arguments/checks.js';
import type { DenseTargets } from '../arguments/dense-targets.js';
import { checkTargetRows } from '../arguments/target-rows.js';
import type { Targets } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import type { Tensor } from '../memory/tensor.js';
import { computeRowGradient, computeRowLoss, type RowLoss } from './other-loss.js';
import {
  checkRowOptions,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLossOptions,
  type RowLossResult,
  type TypeOf,
} from './other-loss-options.js';

export interface SquaredErrorOptions extends RowLossOptions {
  /** The outputs are logits: their softmax is compared, and the gradient is that by the logits. Default false. */
  fromLogits?: boolean | undefined;
}

export interface SquaredErrorGradientOptions extends SquaredErrorOptions, RowGradientOptions {}

export interface SquaredErrorGradientResult<Type extends FloatType = FloatType> extends RowLossResult {
  /** By the outputs; fromLogits: by the logits, which the outputs then are. */
  readonly gradPredictions: Tensor<Type>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'fromLogits'];

export async function meanSquaredError(
  resources: Resources,
  outputs: FloatInput,
  targets: Targets | DenseTargets,
  options: SquaredErrorOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkCall(resources, outputs, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function meanSquaredErrorGradient<Input extends FloatInput>(
  resources: Resources,
  outputs: Input,
  targets: Targets | DenseTargets,
  options: SquaredErrorGradientOptions,
): Promise<SquaredErrorGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkCall(resources, outputs, targets, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradPredictions: gradient };
}

function checkCall(
  resources: Resources,
  values: FloatInput,
  targets: Targets | DenseTargets,
  options: SquaredErrorGradientOptions,
): RowLoss {
  const outputs = checkLogits(resources.arena, 'outputs', values, options);
  const fromLogits = checkBoolean('options.fromLogits', options.fromLogits ?? false);
  const { classes, dense } = checkTargetRows(resources, targets, outputs);
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    weightSum: outputs.elements.length,
    operands: [classes, dense],
    scratchRows: fromLogits ? 1 : 0,
    reads: { targets },
    parameters: ([targetsPtr, targetValues]) => ({
      loss: 'squaredError',
      targets: targetsPtr!,
      targetValues: targetValues!,
      fromLogits,
    }),
  };
}

// Mean squared error of outputs or of probabilities: the loss that cross-entropy is measured against.
import { checkBoolean, checkOptionNames } from '../options.js';
import type { Resources } from '../resources.js';
import type { Targets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import type { DenseTargets } from './dense-targets.js';
import { checkLogits, type FloatType, type LogitsInput } from './logits.js';
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
import { checkTargetRows } from './target-rows.js';

export interface SquaredErrorOptions extends RowLossOptions {
  /** The outputs are logits: their softmax is compared, and the gradient is that by the logits. Default false. */
  throughSoftmax?: boolean | undefined;
}

export interface SquaredErrorGradientOptions extends SquaredErrorOptions, RowGradientOptions {}

export interface SquaredErrorGradientResult<Type extends FloatType = FloatType> extends RowLossResult {
  /** By the outputs; throughSoftmax: by the logits, which the outputs then are. */
  readonly gradOutputs: Tensor<Type>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'throughSoftmax'];

export async function meanSquaredError(
  resources: Resources,
  outputs: LogitsInput,
  targets: Targets | DenseTargets,
  options: SquaredErrorOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkCall(resources, outputs, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function meanSquaredErrorGradient<Input extends LogitsInput>(
  resources: Resources,
  outputs: Input,
  targets: Targets | DenseTargets,
  options: SquaredErrorGradientOptions,
): Promise<SquaredErrorGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkCall(resources, outputs, targets, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradOutputs: gradient };
}

function checkCall(
  resources: Resources,
  values: LogitsInput,
  targets: Targets | DenseTargets,
  options: SquaredErrorGradientOptions,
): RowLoss {
  const outputs = checkLogits(resources.arena, 'outputs', values, options);
  const throughSoftmax = checkBoolean('options.throughSoftmax', options.throughSoftmax ?? false);
  const { classes, dense } = checkTargetRows(resources, targets, outputs);
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    weightSum: outputs.elements.length,
    operands: [classes, dense],
    scratchRows: throughSoftmax ? 1 : 0,
    reads: { targets },
    parameters: ([targetsPtr, targetValues]) => ({
      loss: 'squaredError',
      targets: targetsPtr!,
      targetValues: targetValues!,
      throughSoftmax,
    }),
  };
}

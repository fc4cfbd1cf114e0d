// Cross-entropy of probabilities: the textbook's form, for outputs that went through a softmax already.

import { checkLogits, computeType, type FloatInput, type FloatType } from '../arguments/axis-rows.js';
import { checkNumber, checkOptionNames } from '../arguments/checks.js';
import { checkOneHot, type DenseTargets } from '../arguments/dense-targets.js';
import { checkTargetRows, isProbability, PROBABILITY_RULE, refusedTarget } from '../arguments/target-rows.js';
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

export interface ProbabilityCrossEntropyOptions extends RowLossOptions {
  /**
   * Smaller probabilities count as this one, and have a gradient of 0; in [0, 1). Default 2^-126, the smallest normal
   * float32 (for float64 outputs 2^-1022): it changes no normal number, and keeps the loss (at most 87.4, or 708.4, for
   * each unit of y) and the gradient finite.
   */
  floor?: number | undefined;
}

export interface ProbabilityCrossEntropyGradientOptions
  extends ProbabilityCrossEntropyOptions,
    RowGradientOptions {}

export interface ProbabilityCrossEntropyGradientResult<Type extends FloatType = FloatType>
  extends RowLossResult {
  readonly gradProbabilities: Tensor<Type>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'floor'];
const DEFAULT_FLOOR = { float32: 2 ** -126, float64: 2 ** -1022 } as const;

export async function crossEntropyOfProbabilities(
  resources: Resources,
  probabilities: FloatInput,
  targets: Targets | DenseTargets,
  options: ProbabilityCrossEntropyOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkCall(resources, probabilities, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function crossEntropyOfProbabilitiesGradient<Input extends FloatInput>(
  resources: Resources,
  probabilities: Input,
  targets: Targets | DenseTargets,
  options: ProbabilityCrossEntropyGradientOptions,
): Promise<ProbabilityCrossEntropyGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkCall(resources, probabilities, targets, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradProbabilities: gradient };
}

function checkCall(
  resources: Resources,
  probabilities: FloatInput,
  targets: Targets | DenseTargets,
  options: ProbabilityCrossEntropyGradientOptions,
): RowLoss {
  const outputs = checkLogits(resources.arena, 'probabilities', probabilities, options);
  const floor = checkNumber('options.floor', options.floor ?? DEFAULT_FLOOR[computeType(outputs)], 0, 1);
  const { classes, dense } = checkTargetRows(resources, targets, outputs);
  if (dense !== undefined) checkOneHot('targets', targets, outputs);
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    weightSum: outputs.rows,
    operands: [classes, dense],
    reads: { targets },
    parameters: ([targetsPtr, targetProbabilities]) => ({
      loss: 'probability',
      targets: targetsPtr!,
      targetProbabilities: targetProbabilities!,
      floor,
    }),
    ...(dense !== undefined && {
      refuse: (row) => refusedTarget('targets', targets, row, outputs, isProbability, PROBABILITY_RULE),
    }),
  };
}

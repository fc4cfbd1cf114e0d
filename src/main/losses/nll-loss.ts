// Negative log-likelihood of log-probabilities, for those who have them already.

import {
  checkLogits,
  computeType,
  type FloatInput,
  type FloatType,
  rowDimsOf,
} from '../arguments/axis-rows.js';
import { checkIgnoreIndex, checkOneOf, checkOptionNames } from '../arguments/checks.js';
import { checkNumbers, type NumericVector } from '../arguments/numeric-vectors.js';
import { checkTargets, type Targets } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import type { Tensor } from '../memory/tensor.js';
import { planSlices } from '../plans/rows.js';
import type { OnInvalidTarget } from './loss-options.js';
import { computeRowGradient, computeRowLoss, type RowLoss } from './other-loss.js';
import { keptTargets, numbersOperand } from './other-loss-operands.js';
import {
  checkRowOptions,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLossOptions,
  type RowLossResult,
  type TypeOf,
} from './other-loss-options.js';
import { sumWeights } from './weight-sum.js';

export interface NllLossOptions extends RowLossOptions {
  /** [columns], each at least 0: the weight of each class. */
  weight?: NumericVector | undefined;
  /** [rows], each at least 0: the weight of each row. */
  sampleWeight?: NumericVector | undefined;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number | undefined;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget | undefined;
}

export interface NllLossGradientOptions extends NllLossOptions, RowGradientOptions {}

export interface NllLossGradientResult<Type extends FloatType = FloatType> extends RowLossResult {
  readonly gradLogProbabilities: Tensor<Type>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'weight', 'sampleWeight', 'ignoreIndex', 'onInvalidTarget'];

export async function nllLoss(
  resources: Resources,
  logProbabilities: FloatInput,
  targets: Targets,
  options: NllLossOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkNll(resources, logProbabilities, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function nllLossGradient<Input extends FloatInput>(
  resources: Resources,
  logProbabilities: Input,
  targets: Targets,
  options: NllLossGradientOptions,
): Promise<NllLossGradientResult<TypeOf<Input>>> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkNll(resources, logProbabilities, targets, options);
  const { result, gradient } = await computeRowGradient<TypeOf<Input>>(resources, loss, options.into);
  return { ...result, gradLogProbabilities: gradient };
}

function checkNll(
  { arena, kernels }: Resources,
  logProbabilities: FloatInput,
  targets: Targets,
  options: NllLossGradientOptions,
): RowLoss {
  const outputs = checkLogits(arena, 'logProbabilities', logProbabilities, options);
  const { rows, columns } = outputs;
  const ignoreIndex = checkIgnoreIndex(options.ignoreIndex);
  const onInvalidTarget = checkOneOf('options.onInvalidTarget', options.onInvalidTarget ?? 'throw', [
    'throw',
    'ignore',
  ]);
  const type = computeType(outputs);
  const weight = checkNumbers('options.weight', options.weight, columns, 'classes', 0, type);
  const sampleWeight = checkNumbers('options.sampleWeight', options.sampleWeight, rows, 'rows', 0, type);
  const checked = checkTargets(arena, kernels, targets, rows, columns, {
    ignoreIndex,
    onInvalidTarget,
    rowDims: rowDimsOf(outputs),
  });
  const plan = planSlices(outputs.outer, columns, outputs.inner);
  const kept = keptTargets(checked, { ignoreIndex, onInvalidTarget }, outputs);
  return {
    outputs,
    options: checkRowOptions(options, outputs),
    weightSum: sumWeights(outputs, plan, checked, { weight, sampleWeight }),
    operands: [kept.operand, numbersOperand('options.sampleWeight', sampleWeight, outputs)],
    constants: [weight],
    reads: { targets },
    parameters: ([targetsPtr, sampleWeightPtr], [weightPtr]) => ({
      loss: 'nll',
      targets: targetsPtr!,
      ignore: kept.ignore,
      weight: weightPtr!,
      sampleWeight: sampleWeightPtr!,
    }),
  };
}

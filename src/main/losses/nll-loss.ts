// Negative log-likelihood of log-probabilities, for those who have them already.
import { checkInteger, checkOneOf, checkOptionNames } from '../options.js';
import { planSlices } from '../plan.js';
import type { Resources } from '../resources.js';
import { checkTargets, type Targets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import { checkNumbers, type Numbers, type OnInvalidTarget } from './loss-options.js';
import {
  checkRowOptions,
  checkRows,
  computeRowGradient,
  computeRowLoss,
  type Float32RowsInput,
  keptTargetsOperand,
  numbersOperand,
  ROW_GRADIENT_OPTIONS,
  ROW_LOSS_OPTIONS,
  type RowGradientOptions,
  type RowLoss,
  type RowLossOptions,
  type RowLossResult,
} from './other-loss.js';
import { sumWeights } from './weight-sum.js';

export interface NllLossOptions extends RowLossOptions {
  /** [columns], each at least 0: the weight of each class. */
  weight?: Numbers;
  /** [rows], each at least 0: the weight of each row. */
  sampleWeight?: Numbers;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget;
}

export interface NllLossGradientOptions extends NllLossOptions, RowGradientOptions {}

export interface NllLossGradientResult extends RowLossResult {
  readonly gradLogProbabilities: Tensor<'float32'>;
}

const OPTIONS = [...ROW_LOSS_OPTIONS, 'weight', 'sampleWeight', 'ignoreIndex', 'onInvalidTarget'];
const INT32_MAX = 2 ** 31 - 1;

export async function nllLoss(
  resources: Resources,
  logProbabilities: Float32RowsInput,
  targets: Targets,
  options: NllLossOptions,
): Promise<RowLossResult> {
  checkOptionNames('options', options, OPTIONS);
  const loss = checkNll(resources, logProbabilities, targets, options);
  return (await computeRowLoss(resources, loss, undefined)).result;
}

export async function nllLossGradient(
  resources: Resources,
  logProbabilities: Float32RowsInput,
  targets: Targets,
  options: NllLossGradientOptions,
): Promise<NllLossGradientResult> {
  checkOptionNames('options', options, [...OPTIONS, ...ROW_GRADIENT_OPTIONS]);
  const loss = checkNll(resources, logProbabilities, targets, options);
  const { result, gradient } = await computeRowGradient(resources, loss, options.into);
  return { ...result, gradLogProbabilities: gradient };
}

function checkNll(
  { arena, kernels }: Resources,
  logProbabilities: Float32RowsInput,
  targets: Targets,
  options: NllLossGradientOptions,
): RowLoss {
  const outputs = checkRows(arena, 'logProbabilities', logProbabilities, options.columns);
  const { rows, columns } = outputs;
  const ignoreIndex = checkInteger('options.ignoreIndex', options.ignoreIndex ?? -100, -INT32_MAX, INT32_MAX);
  const onInvalidTarget = checkOneOf('options.onInvalidTarget', options.onInvalidTarget ?? 'throw', [
    'throw',
    'ignore',
  ]);
  // As the kernels see them, so that the mean divides by what it multiplied with.
  const weight = asFloat32(checkNumbers('options.weight', options.weight, columns, 'classes', 0));
  const sampleWeight = asFloat32(checkNumbers('options.sampleWeight', options.sampleWeight, rows, 'rows', 0));
  const checked = checkTargets(arena, kernels, targets, rows, columns, { ignoreIndex, onInvalidTarget });
  const plan = planSlices(rows, columns, 1);
  return {
    outputs,
    options: checkRowOptions(options, rows),
    weightSum: sumWeights(outputs, plan, checked, { weight, sampleWeight }),
    operands: [
      keptTargetsOperand(checked, ignoreIndex, outputs),
      numbersOperand('options.sampleWeight', sampleWeight),
    ],
    constants: [weight],
    reads: { targets },
    parameters: ([targetsPtr, sampleWeightPtr], [weightPtr]) => ({
      loss: 'nll',
      targets: targetsPtr!,
      weight: weightPtr!,
      sampleWeight: sampleWeightPtr!,
    }),
  };
}

const asFloat32 = (numbers: Numbers | undefined): Float32Array | undefined =>
  numbers === undefined ? undefined : Float32Array.from(numbers);

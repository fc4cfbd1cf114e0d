// The options that every softmax cross-entropy takes (crossEntropy, its gradient, linearCrossEntropy), and their checks.

import { SoftshardError } from '../../errors.js';
import type { FloatInput } from '../arguments/axis-rows.js';
import {
  checkFinite,
  checkFraction,
  checkNumbers,
  checkPositive,
  type FloatArray,
  type NumericVector,
} from '../arguments/numeric-vectors.js';
import type { Cancellation } from '../cancellation.js';
import { checkIgnoreIndex, checkNumber, checkOneOf, checkSignal } from '../checks.js';
import type { ComputeType } from '../memory/element-types.js';

export type Reduction = 'none' | 'mean' | 'sum';
/** 'batchmean' divides by the rows where 'mean' divides by the elements. */
export type RowReduction = Reduction | 'batchmean';
export type OnEmpty = 'nan' | 'zero' | 'throw';
export type OnInvalidTarget = 'throw' | 'ignore';
export type ZeroTimesInfinity = 'zero' | 'nan';

export interface LossOptions {
  /** 'mean' (default): lossSum / weightSum; 'sum'; or 'none': the loss of each row in `losses`. */
  reduction?: Reduction | undefined;
  /** [classes], each at least 0: the weight of each class, PyTorch's `weight`. */
  weight?: NumericVector | undefined;
  /** [rows], each at least 0: the weight of each row. */
  sampleWeight?: NumericVector | undefined;
  /** Rows with this target have no loss and no gradient; default -100. It may be a class or not. */
  ignoreIndex?: number | undefined;
  /** In [0, 1]: this much of the target is spread evenly over the classes. Default 0. */
  labelSmoothing?: number | undefined;
  /** Logits are divided by it, after the soft cap, for this loss alone: no matter of SoftmaxClassifier's temperature. Default 1. */
  temperature?: number | undefined;
  /** cap · tanh(logits / cap), as Gemma 2 has it. Default: none. */
  softcap?: number | undefined;
  /** Adds zLoss · logSumExp² to each row's loss (PaLM, Liger-Kernel's lse_square_scale). Default 0. */
  zLoss?: number | undefined;
  /** Multiplies each -log p by (1 - p)^focalGamma (Lin et al., "Focal loss", 2017). Default 0. */
  focalGamma?: number | undefined;
  /** The loss of a class with target share (or weight) 0 and logit -Infinity: 0 (default), or NaN as in PyTorch. */
  zeroTimesInfinity?: ZeroTimesInfinity | undefined;
  /** The mean if every row is ignored or has weight 0: NaN (default, as PyTorch), 0 (as Liger), or ERR_EMPTY. */
  onEmpty?: OnEmpty | undefined;
  /** A target that is neither a class nor ignoreIndex: ERR_TARGET_RANGE (default), or its row is ignored. */
  onInvalidTarget?: OnInvalidTarget | undefined;
  /** Aborts the call: it rejects with signal.reason within milliseconds, and the contents of `into` are undefined. */
  signal?: AbortSignal | undefined;
}

export interface GradientOptions {
  /** [rows], with reduction 'none' only: the upstream gradient of each row's loss. Default: ones. */
  gradOutput?: NumericVector | undefined;
  /** Multiplies the gradient. Default 1. */
  gradScale?: number | undefined;
}

/** Of the gradients by logits, predictions or probabilities. */
export interface RowGradientOptions extends GradientOptions {
  /** Where to write the gradient, of the type and dims of the first argument; that argument itself for in-place work. */
  into?: FloatInput | undefined;
}

/** What every loss takes, checked. */
export interface CheckedReduction {
  readonly reduction: Reduction;
  readonly gradOutput: FloatArray | undefined;
  readonly gradScale: number;
  readonly onEmpty: OnEmpty;
  readonly signal: Cancellation | undefined;
}

export interface CheckedLossOptions extends CheckedReduction {
  /** In the type that the kernels compute in: the divisor of a mean sums the same weights as its losses have. */
  readonly weight: FloatArray | undefined;
  readonly sampleWeight: FloatArray | undefined;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  readonly temperature: number;
  /** 0: none. */
  readonly softcap: number;
  readonly zLoss: number;
  readonly focalGamma: number;
  readonly zeroTimesInfinity: ZeroTimesInfinity;
  readonly onInvalidTarget: OnInvalidTarget;
}

/** Those that training takes too. */
export const SHARED_LOSS_OPTION_NAMES = [
  'reduction',
  'weight',
  'sampleWeight',
  'ignoreIndex',
  'labelSmoothing',
  'temperature',
  'softcap',
  'zLoss',
  'focalGamma',
  'zeroTimesInfinity',
  'onEmpty',
  'onInvalidTarget',
] as const satisfies readonly (keyof LossOptions)[];
export const LOSS_OPTION_NAMES: readonly (keyof LossOptions)[] = [...SHARED_LOSS_OPTION_NAMES, 'signal'];
export const GRADIENT_OPTION_NAMES: readonly (keyof GradientOptions)[] = ['gradOutput', 'gradScale'];

export const ROW_GRADIENT_OPTION_NAMES: readonly (keyof RowGradientOptions)[] = [
  ...GRADIENT_OPTION_NAMES,
  'into',
];

const REDUCTIONS: readonly Reduction[] = ['none', 'mean', 'sum'];
const ZERO_RULES: readonly ZeroTimesInfinity[] = ['zero', 'nan'];
const EMPTY_RULES: readonly OnEmpty[] = ['nan', 'zero', 'throw'];
const TARGET_RULES: readonly OnInvalidTarget[] = ['throw', 'ignore'];

export function checkLossOptions(
  options: LossOptions & GradientOptions,
  rows: number,
  classes: number,
  type: ComputeType = 'float32',
): CheckedLossOptions {
  const { reduction, gradOutput, gradScale, onEmpty, signal } = checkReduction(options, rows, type);
  const { ignoreIndex, onInvalidTarget } = checkTargetRules(options);
  const temperature = checkPositive('options.temperature', options.temperature ?? 1, type);
  const softcap = options.softcap === undefined ? 0 : checkPositive('options.softcap', options.softcap, type);
  // What capped logits are multiplied by.
  if (softcap > 0) checkPositive('options.softcap / options.temperature', softcap / temperature, type);
  // Named one by one: in V8 properties after a spread cost a microsecond each.
  return {
    reduction,
    gradOutput,
    gradScale,
    onEmpty,
    signal,
    ignoreIndex,
    onInvalidTarget,
    weight: checkNumbers('options.weight', options.weight, classes, 'classes', 0, type),
    sampleWeight: checkNumbers('options.sampleWeight', options.sampleWeight, rows, 'rows', 0, type),
    labelSmoothing: checkFraction('options.labelSmoothing', options.labelSmoothing ?? 0),
    temperature,
    softcap,
    zLoss: checkNumber('options.zLoss', options.zLoss ?? 0, 0),
    focalGamma: checkNumber('options.focalGamma', options.focalGamma ?? 0, 0),
    zeroTimesInfinity: checkOneOf(
      'options.zeroTimesInfinity',
      options.zeroTimesInfinity ?? 'zero',
      ZERO_RULES,
    ),
  };
}

interface ReductionOptions extends GradientOptions {
  reduction?: RowReduction | undefined;
  onEmpty?: OnEmpty | undefined;
  signal?: AbortSignal | undefined;
}

export function checkReduction(
  options: ReductionOptions,
  rows: number,
  type: ComputeType,
  reductions: readonly RowReduction[] = REDUCTIONS,
): CheckedReduction {
  const usual = reductions.includes('batchmean') ? 'batchmean' : 'mean';
  const reduction = checkOneOf('options.reduction', options.reduction ?? usual, reductions);
  if (options.gradOutput !== undefined && reduction !== 'none') {
    const message = `options.gradOutput is given with reduction '${reduction}': it needs 'none' (gradScale scales a mean or sum)`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.gradOutput' });
  }
  return {
    reduction: reduction === 'batchmean' ? 'mean' : reduction,
    gradOutput: checkNumbers('options.gradOutput', options.gradOutput, rows, 'rows', -Infinity, type),
    gradScale: checkFinite('options.gradScale', options.gradScale ?? 1),
    onEmpty: checkOneOf('options.onEmpty', options.onEmpty ?? 'nan', EMPTY_RULES),
    signal: checkSignal('options.signal', options.signal),
  };
}

/** Which targets are ignored, for the losses that ignore any. */
export const checkTargetRules = ({
  ignoreIndex,
  onInvalidTarget,
}: Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'>) => ({
  ignoreIndex: checkIgnoreIndex(ignoreIndex),
  onInvalidTarget: checkOneOf('options.onInvalidTarget', onInvalidTarget ?? 'throw', TARGET_RULES),
});

/** Nothing but a reduction, as the plain kernels need. */
export const hasNoOptions = (options: CheckedLossOptions): boolean =>
  options.weight === undefined &&
  options.sampleWeight === undefined &&
  options.gradOutput === undefined &&
  options.labelSmoothing === 0 &&
  options.temperature === 1 &&
  options.softcap === 0 &&
  options.zLoss === 0 &&
  options.focalGamma === 0;

/** The error of onEmpty 'throw'. */
export const emptyError = (count: number, what = 'rows'): SoftshardError =>
  new SoftshardError(
    'ERR_EMPTY',
    `all ${count} ${what} are ignored or have weight 0, so their mean loss is undefined: check targets, options.ignoreIndex and weights, or choose options.onEmpty 'nan' or 'zero'`,
    { argument: 'targets' },
  );

/** The reduced loss. Rows without weight may have a loss (smoothing, z-loss); the mean of nothing but such rows is NaN too. */
export function reduceLoss(
  { reduction, onEmpty }: Pick<CheckedLossOptions, 'reduction' | 'onEmpty'>,
  lossSum: number,
  weightSum: number,
): number {
  if (reduction === 'sum') return lossSum;
  if (weightSum === 0) return onEmpty === 'zero' ? 0 : Number.NaN;
  return lossSum / weightSum;
}

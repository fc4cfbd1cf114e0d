// The loss that fit minimizes: its options, their defaults and checks, and class weights that balance the classes.
import { SoftshardError } from '../../errors.js';
import type { NumericVector } from '../arguments/numeric-vectors.js';
import { checkOneOf, inspectValue } from '../checks.js';
import {
  type CheckedLossOptions,
  checkLossOptions,
  type LossOptions,
  SHARED_LOSS_OPTION_NAMES,
} from '../losses/loss-options.js';
import { IGNORED, type RowTargetOptions, type RowTargets } from '../models/row-targets.js';
import { type WeightsByClass, weightsOf } from './class-weights.js';

/** As in crossEntropy, but for these; they go for the rows of a step. */
export interface FitLossOptions
  extends Omit<LossOptions, 'reduction' | 'weight' | 'sampleWeight' | 'onEmpty' | 'signal'>,
    RowTargetOptions {
  /** 'mean' (default): a step's losses are divided by the weights of its kept rows; 'sum': by nothing. */
  reduction?: 'mean' | 'sum' | undefined;
  /**
   * [classes], each at least 0: the weight of each class; or by name, { rare: 5 }, the others 1; or 'balanced', scikit-learn's
   * rule: rows / (classes · rows of the class), with the kept rows that are trained on, each counted as its sampleWeight, and the
   * classes among them.
   */
  weight?: NumericVector | WeightsByClass | 'balanced' | undefined;
  /**
   * A step whose rows are all ignored or of weight 0: 'zero' (default): its loss and gradient are 0, while momentum and
   * weight decay go on; 'throw': ERR_EMPTY.
   */
  onEmpty?: 'zero' | 'throw' | undefined;
}

export const FIT_LOSS_OPTION_NAMES: readonly (keyof FitLossOptions)[] = [...SHARED_LOSS_OPTION_NAMES, 'mask'];

export interface FitLoss extends CheckedLossOptions {
  /** `weight` is to be set by withClassWeights. */
  readonly isBalanced: boolean;
}

/** Everything but what belongs to rows (checkRowTargets). */
export function checkFitLoss(options: FitLossOptions, classes: number, names?: readonly string[]): FitLoss {
  const { weight, sampleWeight: _, ...others } = options;
  if (typeof weight === 'string' && weight !== 'balanced') {
    const message = `options.weight is ${inspectValue(weight)}: pass a number for each class, { name: number, … }, or 'balanced'`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.weight', value: weight });
  }
  const isBalanced = weight === 'balanced';
  const reduction = checkOneOf('options.reduction', options.reduction ?? 'mean', ['mean', 'sum']);
  const onEmpty = checkOneOf('options.onEmpty', options.onEmpty ?? 'zero', ['zero', 'throw']);
  const weights = isBalanced ? undefined : weightsOf(weight, classes, names);
  const given = weights && { weight: weights };
  return { ...checkLossOptions({ ...others, reduction, onEmpty, ...given }, 0, classes), isBalanced };
}

/** The loss with its class weights: those of the rows that are trained on where they are to be balanced. */
export function withClassWeights(
  loss: FitLoss,
  targets: RowTargets,
  training: Uint32Array,
  classes: number,
): FitLoss {
  if (!loss.isBalanced) return loss;
  if (targets.softTargets !== undefined) {
    const message = `options.weight is 'balanced' with soft targets, which have no classes to count: pass a number for each class`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.weight', value: 'balanced' });
  }
  return { ...loss, weight: balancedWeights(targets, training, classes) };
}

/** A class without rows, or whose rows weigh nothing, has weight 0. */
function balancedWeights(
  { classes: targets, sampleWeight }: RowTargets,
  training: Uint32Array,
  classes: number,
): Float32Array {
  const counts = new Float64Array(classes);
  let all = 0;
  for (const row of training) {
    const target = targets[row]!;
    if (target === IGNORED) continue;
    const weight = sampleWeight?.[row] ?? 1;
    counts[target]! += weight;
    all += weight;
  }
  const occurring = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  return Float32Array.from(counts, (count) => (count === 0 ? 0 : all / (occurring * count)));
}

/** Whether the loss is convex by the weights: then a minimum is the only one, and its distance can be certified. */
export const isConvex = ({ softcap, zLoss, focalGamma }: FitLoss): boolean =>
  softcap === 0 && zLoss === 0 && focalGamma === 0;

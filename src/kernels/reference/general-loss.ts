// Softmax cross-entropy with every option in float64, and its gradient: the oracle of the kernels.
import { SoftshardError } from '../../errors.js';
import { checkChoice, checkLength } from './checks.js';
import type { Reduction } from './cross-entropy.js';
import {
  checkNumber,
  type LossBatch,
  type LossGradientOptions,
  type LossOptions,
  type LossTargets,
  lossBatch,
} from './loss-options.js';
import {
  classWeighted,
  crossEntropyOfRow,
  crossEntropySlopes,
  scores,
  smoothed,
  softcapSlope,
  zeroMeetsInfinity,
  zLossOfRow,
  zLossSlopes,
} from './row-loss.js';
import { logSoftmax } from './softmax.js';

/**
 * Losses with the sums that their mean is made of: those of parts of a batch add up to those of the whole.
 */
export interface WeightedLosses {
  /** [rows], 0 for an ignored row. */
  readonly losses: Float64Array;
  readonly lossSum: number;
  /** Σ over the kept rows of sampleWeight · weight of the target's class; with soft targets Σ sampleWeight. */
  readonly weightSum: number;
  /** lossSum / weightSum; of a weightSum of 0 what onEmpty says. */
  readonly mean: number;
}

export interface GeneralLoss extends WeightedLosses {
  /** The part of lossSum that is z-loss. */
  readonly zLossSum: number;
}

/**
 * loss_i = sampleWeight_i · (Σ_j q'_j (1 - p_j)^gamma (-log p_j) + zLoss · logSumExp(u)²), p = softmax(u), with u the
 * scores and q' the smoothed, weighted target of the row (row-loss.ts). logits [rows × classes]; arrays with more
 * dimensions come through rowsAlongAxis. Throws ERR_SHAPE, ERR_OPTION, ERR_TARGET_RANGE, and ERR_EMPTY with onEmpty
 * 'throw'.
 */
export function generalLoss(
  logits: ArrayLike<number>,
  targets: LossTargets,
  rows: number,
  classes: number,
  options: LossOptions = {},
): GeneralLoss {
  const batch = lossBatch(logits, targets, rows, classes, options);
  const losses = new Float64Array(rows);
  let zLossSum = 0;
  for (let row = 0; row < rows; row++) {
    if (batch.kept[row] === 0) continue;
    const u = scoresOfRow(batch, row);
    const rowWeight = batch.sampleWeight?.[row] ?? 1;
    const crossEntropy = isSpoiled(batch, row)
      ? Number.NaN
      : crossEntropyOfRow(targetOfRow(batch, row), logSoftmax(u), batch.focalGamma);
    const zLoss = zLossOfRow(u, batch.zLoss);
    losses[row] = rowWeight * (crossEntropy + zLoss);
    zLossSum += rowWeight * zLoss;
  }
  return { ...weightedLosses(losses, weightSumOf(batch), batch.onEmpty), zLossSum };
}

/**
 * The gradient by the logits [rows × classes] of the mean, of the sum, or (reduction 'none') of Σ gradOutput_i · loss_i;
 * times gradScale. Ignored rows and masked classes have 0, and so has everything where the mean is of no weight. A row
 * whose softmax is NaN has NaN throughout. Throws as generalLoss.
 */
export function generalLossGradient(
  logits: ArrayLike<number>,
  targets: LossTargets,
  rows: number,
  classes: number,
  options: LossGradientOptions = {},
): Float64Array {
  const batch = lossBatch(logits, targets, rows, classes, options);
  const { reduction = 'mean', gradScale = 1, gradOutput } = options;
  checkNumber('gradScale', gradScale, 'that is finite', Number.isFinite);
  if (gradOutput !== undefined) checkGradLosses(gradOutput, rows, reduction);
  const reductionScale = meanScale(reduction, weightSumOf(batch), batch.onEmpty);
  const gradLogits = new Float64Array(rows * classes);
  if (reductionScale === 0) return gradLogits;
  for (let row = 0; row < rows; row++) {
    if (batch.kept[row] === 0) continue;
    const factor = gradScale * reductionScale * (batch.sampleWeight?.[row] ?? 1) * (gradOutput?.[row] ?? 1);
    gradLogits.set(
      slopesOfRow(batch, row).map((slope) => factor * slope),
      row * classes,
    );
  }
  return gradLogits;
}

/** ∂/∂z of the row's loss before its sampleWeight. */
function slopesOfRow(batch: LossBatch, row: number): Float64Array {
  const z = rowOf(batch.logits, batch, row);
  const mask = rowOfMaybe(batch.mask, batch, row);
  const u = scoresOfRow(batch, row);
  const logProbabilities = logSoftmax(u);
  const byCrossEntropy = crossEntropySlopes(targetOfRow(batch, row), logProbabilities, batch.focalGamma);
  const byZLoss = zLossSlopes(u, logProbabilities, batch.zLoss);
  return z.map((logit, k) => {
    const slope = byCrossEntropy[k]! + byZLoss[k]!;
    if (Number.isNaN(slope)) return Number.NaN;
    return mask?.[k] === 0 ? 0 : (slope * softcapSlope(logit, batch.softcap)) / batch.temperature;
  });
}

/** With zeroTimesInfinity 'nan': of the terms that PyTorch adds up, which are the target's alone where nothing is dense. */
function isSpoiled(batch: LossBatch, row: number): boolean {
  if (batch.zeroTimesInfinity === 'zero') return false;
  const { classes, labelSmoothing, mask, targets } = batch;
  const terms =
    targets === undefined || labelSmoothing > 0
      ? Array.from({ length: classes }, (_, j) => j).filter((j) => mask?.[row * classes + j] !== 0)
      : [targets[row]!].filter((j) => mask?.[row * classes + j] !== 0);
  return zeroMeetsInfinity(targetOfRow(batch, row), logSoftmax(scoresOfRow(batch, row)), terms);
}

function scoresOfRow(batch: LossBatch, row: number): Float64Array {
  return scores(rowOf(batch.logits, batch, row), rowOfMaybe(batch.mask, batch, row), batch);
}

/** q' of a kept row [classes]. */
function targetOfRow(batch: LossBatch, row: number): Float64Array {
  const { classes, labelSmoothing, softTargets, targets, weight } = batch;
  const mask = rowOfMaybe(batch.mask, batch, row);
  let target = new Float64Array(classes);
  if (softTargets === undefined) target[targets![row]!] = 1;
  else target = rowOf(softTargets, batch, row).map((share, j) => (mask?.[j] === 0 ? 0 : share));
  return classWeighted(smoothed(target, mask, labelSmoothing), weight);
}

/** An index target brings the weight of its class; a soft one brings 1, as in PyTorch. */
function weightSumOf({ kept, rows, sampleWeight, targets, weight }: LossBatch): number {
  let weightSum = 0;
  for (let row = 0; row < rows; row++) {
    if (kept[row] === 0) continue;
    const classWeight = targets === undefined ? 1 : (weight?.[targets[row]!] ?? 1);
    weightSum += (sampleWeight?.[row] ?? 1) * classWeight;
  }
  return weightSum;
}

/** Sum and mean of the losses. Throws ERR_EMPTY for a weightSum of 0 with 'throw'. */
export function weightedLosses(
  losses: Float64Array,
  weightSum: number,
  onEmpty: 'nan' | 'zero' | 'throw',
): WeightedLosses {
  const lossSum = losses.reduce((total, loss) => total + loss, 0);
  if (weightSum !== 0) return { losses, lossSum, weightSum, mean: lossSum / weightSum };
  if (onEmpty === 'throw') throw emptyMean();
  return { losses, lossSum, weightSum, mean: onEmpty === 'zero' ? 0 : Number.NaN };
}

/** The factor that a reduction puts on each row's gradient: for a mean 1 / weightSum, or 0 where that is 1 / 0. */
export function meanScale(
  reduction: Reduction,
  weightSum: number,
  onEmpty: 'nan' | 'zero' | 'throw' = 'nan',
): number {
  checkChoice('reduction', reduction, ['none', 'mean', 'sum'] satisfies Reduction[]);
  if (weightSum === 0 && onEmpty === 'throw') throw emptyMean();
  if (reduction !== 'mean') return 1;
  return weightSum === 0 ? 0 : 1 / weightSum;
}

function emptyMean(): SoftshardError {
  return new SoftshardError(
    'ERR_EMPTY',
    "The loss has no mean: the weights of the kept rows sum to 0. Give rows that count, or onEmpty 'nan' or 'zero'.",
    { argument: 'targets' },
  );
}

/** Throws unless gradOutput [rows] come with the reduction whose chain rule they begin. */
export function checkGradLosses(gradOutput: ArrayLike<number>, rows: number, reduction: Reduction): void {
  checkLength('gradOutput', gradOutput, rows, 'rows');
  if (reduction === 'none') return;
  throw new SoftshardError(
    'ERR_OPTION',
    `gradOutput is given with reduction ${reduction}; it belongs to reduction none. Use gradScale for the gradient of a mean or sum.`,
    { argument: 'gradOutput' },
  );
}

const rowOf = (matrix: ArrayLike<number>, { classes }: LossBatch, row: number): Float64Array =>
  Float64Array.from({ length: classes }, (_, j) => matrix[row * classes + j]!);

const rowOfMaybe = (matrix: ArrayLike<number> | undefined, batch: LossBatch, row: number) =>
  matrix === undefined ? undefined : rowOf(matrix, batch, row);

// Negative log-likelihood in float64: cross-entropy for those who have the log-probabilities already.
import { checkLength, checkMatrix } from './checks.js';
import { checkGradLosses, meanScale, type WeightedLosses, weightedLosses } from './general-loss.js';
import { keptRows, type LossGradientOptions, type LossOptions } from './loss-options.js';

export type NllOptions = Pick<
  LossOptions,
  'weight' | 'sampleWeight' | 'ignoreIndex' | 'onInvalidTarget' | 'onEmpty'
>;
export type NllGradientOptions = NllOptions &
  Pick<LossGradientOptions, 'reduction' | 'gradScale' | 'gradOutput'>;

/**
 * loss_i = -w_i · logProbabilities_i[t_i] with w_i = sampleWeight_i · weight of class t_i, from logProbabilities
 * [rows × classes], which need not be normalized; as PyTorch's nll_loss and ONNX's NegativeLogLikelihoodLoss. A w_i of
 * 0 is a loss of 0 also where the log-probability is -Infinity (PyTorch: NaN). Throws as generalLoss.
 */
export function nllLoss(
  logProbabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: NllOptions = {},
): WeightedLosses {
  const { weights, weightSum } = targetWeights(logProbabilities, targets, rows, classes, options);
  const losses = weights.map((weight, row) => {
    const logProbability = weight === undefined ? 0 : logProbabilities[row * classes + targets[row]!]!;
    if (weight === undefined || (weight === 0 && !Number.isNaN(logProbability))) return 0;
    return 0 - weight * logProbability;
  });
  return weightedLosses(Float64Array.from(losses), weightSum, options.onEmpty ?? 'nan');
}

/** By the log-probabilities [rows × classes]: -w_i · scale at each kept row's target, 0 elsewhere. Throws as nllLoss. */
export function nllLossGradient(
  logProbabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: NllGradientOptions = {},
): Float64Array {
  const { reduction = 'mean', gradScale = 1, gradOutput } = options;
  const { weights, weightSum } = targetWeights(logProbabilities, targets, rows, classes, options);
  if (gradOutput !== undefined) checkGradLosses(gradOutput, rows, reduction);
  const scale = gradScale * meanScale(reduction, weightSum, options.onEmpty);
  const gradient = new Float64Array(rows * classes);
  for (const [row, weight] of weights.entries()) {
    if (weight === undefined) continue;
    gradient[row * classes + targets[row]!] = 0 - weight * scale * (gradOutput?.[row] ?? 1);
  }
  return gradient;
}

/** w_i of each row, undefined for an ignored one, and their sum. */
function targetWeights(
  logProbabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  { weight, sampleWeight, ...rest }: NllOptions,
): { weights: (number | undefined)[]; weightSum: number } {
  checkMatrix('logProbabilities', logProbabilities, rows, classes, 'rows × classes');
  checkLength('targets', targets, rows, 'rows');
  if (weight !== undefined) checkLength('weight', weight, classes, 'classes');
  if (sampleWeight !== undefined) checkLength('sampleWeight', sampleWeight, rows, 'rows');
  const weights = Array.from(keptRows(targets, classes, rest), (kept, row) =>
    kept === 0 ? undefined : (sampleWeight?.[row] ?? 1) * (weight?.[targets[row]!] ?? 1),
  );
  return { weights, weightSum: weights.reduce<number>((total, each) => total + (each ?? 0), 0) };
}

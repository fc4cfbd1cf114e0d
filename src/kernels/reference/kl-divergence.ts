// Kullback-Leibler divergence from target distributions in float64, and distillation, which is built on it.
import { checkChoice, checkLength, checkMatrix } from './checks.js';
import { generalLoss, generalLossGradient, type WeightedLosses, weightedLosses } from './general-loss.js';
import { checkNumber, keptRows, type LossOptions } from './loss-options.js';
import { logSoftmax, mapRows, softmax } from './softmax.js';

/** 'none' keeps every element, 'mean' divides by their number, 'batchmean' by the rows: PyTorch's, and its meaning of 'mean'. */
export type KlReduction = 'none' | 'sum' | 'mean' | 'batchmean';

export interface KlOptions {
  /** What the first argument is; 'logits' go through logSoftmax. Default 'logProbabilities', as PyTorch's kl_div. */
  readonly from?: 'logProbabilities' | 'logits' | undefined;
  /** The targets are log-probabilities, as PyTorch's log_target. */
  readonly logTarget?: boolean | undefined;
  /** Default 'mean', as PyTorch's kl_div; 'batchmean' is the divergence per row. */
  readonly reduction?: KlReduction | undefined;
}

/**
 * Σ_j q_j (log q_j - log p_j), element by element [rows × classes] or reduced. A term with q_j = 0 is 0 also where
 * p_j = 0; q_j > 0 there is Infinity. Throws ERR_SHAPE, ERR_OPTION.
 */
export function klDivergence(
  input: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: KlOptions & { readonly reduction: 'none' },
): Float64Array;
export function klDivergence(
  input: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options?: KlOptions & { readonly reduction?: 'sum' | 'mean' | 'batchmean' },
): number;
export function klDivergence(
  input: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: KlOptions = {},
): Float64Array | number {
  const logProbabilities = logProbabilitiesOf(input, targets, rows, classes, options);
  const { logTarget = false, reduction = 'mean' } = options;
  const terms = logProbabilities.map((logProbability, index) =>
    divergenceTerm(targets[index]!, logProbability, logTarget),
  );
  if (reduction === 'none') return terms;
  return terms.reduce((total, term) => total + term, 0) / divisorOf(reduction, rows, classes);
}

/**
 * By the input [rows × classes]: of log-probabilities -q_j, of logits p_j · Σ_k q_k - q_j, with the reduction's divisor
 * (1 for 'none', the gradient of the elements' sum). Rows whose softmax is NaN have NaN. Throws as klDivergence.
 */
export function klDivergenceGradient(
  input: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: KlOptions = {},
): Float64Array {
  const logProbabilities = logProbabilitiesOf(input, targets, rows, classes, options);
  const { from = 'logProbabilities', logTarget = false, reduction = 'mean' } = options;
  const shares = Float64Array.from(targets, (target) => (logTarget ? Math.exp(target) : target));
  const divisor = divisorOf(reduction, rows, classes);
  if (from === 'logProbabilities') return shares.map((share) => (0 - share) / divisor);
  return logProbabilities.map((logProbability, index) => {
    const begin = index - (index % classes);
    const mass = shares.subarray(begin, begin + classes).reduce((total, share) => total + share, 0);
    return (Math.exp(logProbability) * mass - shares[index]!) / divisor;
  });
}

/** q (log q - log p), 0 for q = 0 unless log p is NaN. */
function divergenceTerm(target: number, logProbability: number, logTarget: boolean): number {
  const share = logTarget ? Math.exp(target) : target;
  if (share === 0 && !Number.isNaN(logProbability)) return 0;
  return share * ((logTarget ? target : Math.log(target)) - logProbability);
}

function logProbabilitiesOf(
  input: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  { from = 'logProbabilities', reduction = 'mean' }: KlOptions,
): Float64Array {
  checkMatrix('input', input, rows, classes, 'rows × classes');
  checkLength('targets', targets, rows * classes, 'rows × classes');
  checkChoice('from', from, ['logProbabilities', 'logits']);
  checkChoice('reduction', reduction, ['none', 'sum', 'mean', 'batchmean'] satisfies KlReduction[]);
  return from === 'logits' ? mapRows(input, rows, classes, logSoftmax) : Float64Array.from(input);
}

function divisorOf(reduction: KlReduction, rows: number, classes: number): number {
  if (reduction === 'mean') return rows * classes;
  return reduction === 'batchmean' ? rows : 1;
}

export interface DistillationOptions
  extends Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget' | 'onEmpty'> {
  /** Softens both distributions; above 0. */
  readonly temperature: number;
  /** The share of the teacher, from 0 to 1; the rest is cross-entropy with the targets. */
  readonly alpha: number;
}

/**
 * loss_i = alpha · T² · KL(softmax(teacher_i / T) ‖ softmax(student_i / T)) + (1 - alpha) · CE(student_i, t_i), the
 * mean over the kept rows. T² makes the teacher's gradient independent of T in size. An ignored row has neither part.
 * Logits [rows × classes]. G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network" (2015).
 * Throws as generalLoss.
 */
export function distillation(
  studentLogits: ArrayLike<number>,
  teacherLogits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: DistillationOptions,
): WeightedLosses {
  const { temperature, alpha } = checkedMix(options);
  const hard = generalLoss(studentLogits, targets, rows, classes, { ...rowOptions(options), onEmpty: 'nan' });
  const kept = keptRows(targets, classes, rowOptions(options));
  const terms = klDivergence(
    divided(studentLogits, temperature),
    mapRows(divided(teacherLogits, temperature), rows, classes, logSoftmax),
    rows,
    classes,
    { from: 'logits', logTarget: true, reduction: 'none' },
  );
  const losses = hard.losses.map((crossEntropy, row) => {
    if (kept[row] === 0) return 0;
    const divergence = terms
      .subarray(row * classes, (row + 1) * classes)
      .reduce((total, term) => total + term, 0);
    return mixed(alpha, temperature ** 2 * divergence, crossEntropy);
  });
  return weightedLosses(losses, hard.weightSum, options.onEmpty ?? 'nan');
}

/**
 * By the student's logits, of the mean: (alpha · T · (softmax(student / T) - softmax(teacher / T)) +
 * (1 - alpha) · (softmax(student) - one-hot)) / kept rows; 0 in ignored rows. Throws as distillation.
 */
export function distillationGradient(
  studentLogits: ArrayLike<number>,
  teacherLogits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: DistillationOptions,
): Float64Array {
  const { temperature, alpha } = checkedMix(options);
  const byTargets = generalLossGradient(studentLogits, targets, rows, classes, rowOptions(options));
  const kept = keptRows(targets, classes, rowOptions(options));
  const keptCount = kept.reduce((total, each) => total + each, 0);
  const student = mapRows(divided(studentLogits, temperature), rows, classes, softmax);
  const teacher = mapRows(divided(teacherLogits, temperature), rows, classes, softmax);
  return byTargets.map((hard, index) => {
    if (kept[Math.floor(index / classes)] === 0) return 0;
    return mixed(alpha, (temperature * (student[index]! - teacher[index]!)) / keptCount, hard);
  });
}

/** alpha · soft + (1 - alpha) · hard, where a share of 0 leaves its part out, also when that is Infinity. */
function mixed(alpha: number, soft: number, hard: number): number {
  return (alpha === 0 ? 0 : alpha * soft) + (alpha === 1 ? 0 : (1 - alpha) * hard);
}

function checkedMix(options: DistillationOptions): DistillationOptions {
  checkNumber('temperature', options.temperature, 'above 0', (x) => x > 0);
  checkNumber('alpha', options.alpha, 'from 0 to 1', (x) => x >= 0 && x <= 1);
  return options;
}

const rowOptions = ({ temperature: _t, alpha: _a, ...rest }: DistillationOptions) => rest;

const divided = (logits: ArrayLike<number>, temperature: number) =>
  Float64Array.from(logits, (logit) => logit / temperature);

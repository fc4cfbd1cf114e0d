// Binary cross-entropy of logits in float64: each element is a yes-or-no question of its own.
import { checkChoice, checkLength, checkMatrix } from './checks.js';
import type { Reduction } from './cross-entropy.js';

export interface BinaryOptions {
  /** [rows × classes]: the weight of each element. */
  readonly weight?: ArrayLike<number> | undefined;
  /** [classes]: the weight of "yes" in each class; above 1 it favors recall. */
  readonly posWeight?: ArrayLike<number> | undefined;
  /** 'mean' (the default) divides by the number of elements, whatever the weights, as PyTorch's does. */
  readonly reduction?: Reduction | undefined;
}

/** log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), for any x without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** 1 / (1 + exp(-x)), from the exponential that cannot overflow. */
export function sigmoid(x: number): number {
  const exponential = Math.exp(-Math.abs(x));
  return (x < 0 ? exponential : 1) / (1 + exponential);
}

/**
 * weight · (posWeight · y · softplus(-x) + (1 - y) · softplus(x)), which is -y log σ(x) - (1 - y) log(1 - σ(x)) without
 * weights. logits x and targets y in [0, 1], both [rows × classes]; PyTorch's binary_cross_entropy_with_logits. A part
 * with the factor 0 is 0 also at ±Infinity (PyTorch: NaN). Throws ERR_SHAPE, ERR_OPTION.
 */
export function binaryCrossEntropyWithLogits(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: BinaryOptions & { readonly reduction: 'none' },
): Float64Array;
export function binaryCrossEntropyWithLogits(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options?: BinaryOptions & { readonly reduction?: 'mean' | 'sum' },
): number;
export function binaryCrossEntropyWithLogits(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: BinaryOptions = {},
): Float64Array | number {
  checkBinary(logits, targets, rows, classes, options);
  const losses = Float64Array.from(logits, (x, index) => {
    const { yes, no } = factorsOf(targets[index]!, index, classes, options);
    if (Number.isNaN(x)) return Number.NaN;
    return (yes === 0 ? 0 : yes * softplus(-x)) + (no === 0 ? 0 : no * softplus(x));
  });
  const { reduction = 'mean' } = options;
  if (reduction === 'none') return losses;
  const lossSum = losses.reduce((total, loss) => total + loss, 0);
  return reduction === 'sum' ? lossSum : lossSum / losses.length;
}

/**
 * By the logits [rows × classes]: weight · ((1 - y) · σ(x) - posWeight · y · σ(-x)), so σ(x) - y without weights,
 * divided by the number of elements for 'mean' ('none': the gradient of the elements' sum). Throws as the loss.
 */
export function binaryCrossEntropyWithLogitsGradient(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  options: BinaryOptions = {},
): Float64Array {
  checkBinary(logits, targets, rows, classes, options);
  const divisor = (options.reduction ?? 'mean') === 'mean' ? rows * classes : 1;
  return Float64Array.from(logits, (x, index) => {
    const { yes, no } = factorsOf(targets[index]!, index, classes, options);
    return (no * sigmoid(x) - yes * sigmoid(-x)) / divisor;
  });
}

/** What softplus(-x) and softplus(x) are multiplied by. */
function factorsOf(target: number, index: number, classes: number, { weight, posWeight }: BinaryOptions) {
  const elementWeight = weight?.[index] ?? 1;
  return {
    yes: elementWeight * (posWeight?.[index % classes] ?? 1) * target,
    no: elementWeight * (1 - target),
  };
}

function checkBinary(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  rows: number,
  classes: number,
  { weight, posWeight, reduction = 'mean' }: BinaryOptions,
): void {
  checkMatrix('logits', logits, rows, classes, 'rows × classes');
  checkLength('targets', targets, rows * classes, 'rows × classes');
  if (weight !== undefined) checkLength('weight', weight, rows * classes, 'rows × classes');
  if (posWeight !== undefined) checkLength('posWeight', posWeight, classes, 'classes');
  checkChoice('reduction', reduction, ['none', 'mean', 'sum'] satisfies Reduction[]);
}

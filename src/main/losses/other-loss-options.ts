// Options and results that the losses beside crossEntropy share.

import { SoftshardError } from '../../errors.js';
import {
  type AxisOptions,
  computeType,
  type FloatInput,
  type FloatType,
  type Logits,
} from '../arguments/axis-rows.js';
import { checkOneOf, checkSignal } from '../arguments/checks.js';
import {
  checkFinite,
  checkNumbers,
  type FloatArray,
  type NumericVector,
} from '../arguments/numeric-vectors.js';
import type { Cancellation } from '../dispatch/cancellation.js';
import type { Tensor } from '../memory/tensor.js';
import type { OnEmpty } from './loss-options.js';

export interface RowLossOptions extends AxisOptions {
  /** 'mean' (default), 'sum', or 'none': the loss of each row in `losses`. */
  reduction?: 'none' | 'mean' | 'sum' | undefined;
  /** What a mean over nothing is: NaN (default, as PyTorch), 0, or ERR_EMPTY. */
  onEmpty?: OnEmpty | undefined;
  /** Aborts the call: it rejects with signal.reason within milliseconds; what is in `into` is then undefined. */
  signal?: AbortSignal | undefined;
}

export interface RowGradientOptions {
  /** Where to write the gradient, of the type and dims of the outputs; the outputs themselves for in-place work. */
  into?: FloatInput | undefined;
  /** [rows], with reduction 'none' only: the upstream gradient of each row's loss. Default: ones. */
  gradOutput?: NumericVector | undefined;
  /** Multiplies the gradient. Default 1. */
  gradScale?: number | undefined;
}

/** The sums are float64, so that means over batches, accumulation or machines can be made exact. */
export interface RowLossResult {
  /** lossSum / weightSum, or with reduction 'sum' lossSum. */
  readonly loss: number;
  readonly lossSum: number;
  /** What the mean divides by. */
  readonly weightSum: number;
  /** [rows], with reduction 'none' only; float64 for float64 outputs. */
  readonly losses?: Float32Array | Float64Array;
}

/** The element type of an input, which its gradient has too. */
export type TypeOf<Input> = Input extends Float32Array
  ? 'float32'
  : Input extends Float64Array
    ? 'float64'
    : Input extends Tensor<infer Type extends FloatType>
      ? Type
      : never;

export const ROW_LOSS_OPTIONS: readonly (keyof RowLossOptions)[] = [
  'columns',
  'axis',
  'reduction',
  'onEmpty',
  'signal',
];
export const ROW_GRADIENT_OPTIONS: readonly (keyof RowGradientOptions)[] = [
  'into',
  'gradOutput',
  'gradScale',
];

export interface CheckedRowOptions {
  readonly reduction: 'none' | 'mean' | 'sum';
  readonly onEmpty: OnEmpty;
  readonly signal: Cancellation | undefined;
  readonly gradOutput: FloatArray | undefined;
  readonly gradScale: number;
}

export function checkRowOptions(
  options: RowLossOptions & RowGradientOptions,
  { rows, type }: Pick<Logits, 'rows' | 'type'>,
): CheckedRowOptions {
  const reduction = checkOneOf('options.reduction', options.reduction ?? 'mean', ['none', 'mean', 'sum']);
  if (options.gradOutput !== undefined && reduction !== 'none') {
    const message = `options.gradOutput is given with reduction '${reduction}': it needs 'none' (gradScale scales a mean or sum)`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.gradOutput' });
  }
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  return {
    reduction,
    onEmpty: checkOneOf('options.onEmpty', options.onEmpty ?? 'nan', ['nan', 'zero', 'throw']),
    signal,
    gradOutput: checkNumbers(
      'options.gradOutput',
      options.gradOutput,
      rows,
      'rows',
      -Infinity,
      computeType({ type }),
    ),
    gradScale: checkFinite('options.gradScale', options.gradScale ?? 1),
  };
}

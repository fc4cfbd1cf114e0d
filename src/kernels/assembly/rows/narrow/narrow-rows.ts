// Dispatches from the row kernels to those for rows of few columns, which are compiled once for each width.
import { N0, N1, N2, N3, N4, N5 } from '../../vectors/type-numbers';
import { narrowGradientRows, narrowLossRows } from './narrow-cross-entropy';
import { narrowLogSoftmaxRows, narrowLogSumExpRows, narrowSoftmaxRows } from './narrow-softmax';
import { widthOf } from './row-widths';

export const SOFTMAX: i32 = 0;
export const LOG_SOFTMAX: i32 = 1;
export const LOG_SUM_EXP: i32 = 2;
export const LOSSES: i32 = 3;
export const GRADIENT: i32 = 4;

/**
 * Runs `kernel`, a constant at every call, and returns true if the rows have few columns. The kernel reads the
 * arguments that its exported namesake has; output is gradLogits for GRADIENT.
 */
@inline
export function runNarrow(
  kernel: i32,
  output: usize,
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  scale: f32,
): bool {
  const storesRows = kernel == SOFTMAX || kernel == LOG_SOFTMAX || kernel == GRADIENT;
  switch (widthOf(columns, storesRows && output != logits)) {
    case 0:
      runWidth<N0>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    case 1:
      runWidth<N1>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    case 2:
      runWidth<N2>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    case 3:
      runWidth<N3>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    case 4:
      runWidth<N4>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    case 5:
      runWidth<N5>(kernel, output, losses, lossSum, logits, targets, rows, columns, stride, scale);
      return true;
    default:
      return false;
  }
}

@inline
function runWidth<Width>(
  kernel: i32,
  output: usize,
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  scale: f32,
): void {
  if (kernel == SOFTMAX) narrowSoftmaxRows<Width>(output, logits, rows, columns, stride);
  if (kernel == LOG_SOFTMAX) narrowLogSoftmaxRows<Width>(output, logits, rows, columns, stride);
  if (kernel == LOG_SUM_EXP) narrowLogSumExpRows<Width>(output, logits, rows, columns);
  if (kernel == LOSSES) narrowLossRows<Width>(losses, lossSum, logits, targets, rows, columns);
  if (kernel == GRADIENT) {
    narrowGradientRows<Width>(output, losses, lossSum, logits, targets, rows, columns, stride, scale);
  }
}

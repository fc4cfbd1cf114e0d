// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from '../../layout';
import { logOfSum } from '../exp/log-sums';
import { storeFloat32, storeFloat64 } from '../vectors/not-a-number';
import { GRADIENT, LOSSES, runNarrow } from './narrow/narrow-rows';
import { aheadOf } from './prefetch';
import { exactSumOfExps, sumOfExps } from './row-sums';
import { rowMax, softmaxRow } from './rows';
import { findInvalidTarget } from './targets';

/** By how much the largest logit exceeds the target's. */
@inline
function leadOf(max: f32, targetLogit: f32): f64 {
  return <f64>max - <f64>targetLogit;
}

/**
 * The loss of one row, which is only read; NaN where sumOfExps is. Relative error below 1e-6, of small losses too, plus
 * the rounding of z - max (see softmaxRow).
 */
export function rowLoss(row: usize, columns: i32, targetLogit: f32, ahead: usize = 0): f64 {
  const max = rowMax(row, columns);
  const sum = targetLogit == max ? exactSumOfExps(row, columns, max, ahead) : sumOfExps(row, columns, max, ahead);
  return logOfSum(sum) + leadOf(max, targetLogit);
}

/** Losses of rows [rows × columns]; see the contract in kernels.ts. lossSum takes them row by row, in float64. */
export function crossEntropyRows(
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): i32 {
  const status = findInvalidTarget(targets, rows, columns);
  const count = status == STATUS_OK ? rows : status;
  if (!runNarrow(LOSSES, 0, losses, lossSum, logits, targets, count, columns, columns, 0)) {
    lossRows(losses, lossSum, logits, targets, count, columns);
  }
  return status;
}

function lossRows(losses: usize, lossSum: usize, logits: usize, targets: usize, rows: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  let total = load<f64>(lossSum);
  for (let i = 0; i < rows; i++) {
    const loss = rowLoss(logits, columns, load<f32>(logits + (targetOf(targets, i) << 2)), aheadOf(rows - i, rowBytes));
    if (losses) storeFloat32(losses + ((<usize>i) << 2), loss);
    total += loss;
    logits += rowBytes;
  }
  storeFloat64(lossSum, total);
}

/** The class of row i. */
@inline
function targetOf(targets: usize, i: i32): usize {
  return <usize>load<u32>(targets + ((<usize>i) << 2));
}

/**
 * Losses, and gradLogits = scale · (softmax - one-hot), which may be the logits; see the contract in kernels.ts. scale
 * is finite. A row whose loss is NaN gets a gradient of NaN throughout. Error of the target's element below 4e-7 ·
 * scale; where the target has the largest logit, the relative error of the loss plus 1e-6. The others as in softmaxRow.
 */
export function crossEntropyGradientRows(
  gradLogits: usize,
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  scale: f32,
): i32 {
  const status = findInvalidTarget(targets, rows, columns);
  const count = status == STATUS_OK ? rows : status;
  if (!runNarrow(GRADIENT, gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale)) {
    gradientRows(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
  }
  return status;
}

function gradientRows(
  gradLogits: usize,
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  scale: f32,
): void {
  const strideBytes = (<usize>stride) << 2;
  let total = load<f64>(lossSum);
  for (let i = 0; i < rows; i++) {
    const target = targetOf(targets, i);
    const targetLogit = load<f32>(logits + (target << 2));
    const max = rowMax(logits, columns);
    const ahead = aheadOf(rows - i, strideBytes);
    const sum = gradientRow(gradLogits, logits, columns, target, targetLogit, max, scale, ahead);
    const loss = logOfSum(sum) + leadOf(max, targetLogit);
    if (losses) storeFloat32(losses + ((<usize>i) << 2), loss);
    total += loss;
    logits += strideBytes;
    gradLogits += strideBytes;
  }
  storeFloat64(lossSum, total);
}

/** The gradient of one row, which may overwrite it; returns the sum that logOfSum takes. */
@inline
function gradientRow(
  gradient: usize,
  row: usize,
  columns: i32,
  target: usize,
  targetLogit: f32,
  max: f32,
  scale: f32,
  ahead: usize,
): f64 {
  const sum = softmaxRow(gradient, row, columns, max, scale, targetLogit == max, ahead);
  const atTarget = gradient + (target << 2);
  // The sum excludes the target's 1: p - 1 is minus the share of the others.
  if (sum < 1) store<f32>(atTarget, <f32>((-(<f64>scale) * sum) / (1 + sum)));
  else if (sum == sum) store<f32>(atTarget, load<f32>(atTarget) - scale);
  return sum;
}

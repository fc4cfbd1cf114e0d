// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from "../layout";
import { logOfSum } from "./log-sums";
import { narrowGradientRows, narrowLossRows } from "./narrow-cross-entropy";
import { Few, Four, Many, One, Three, Two, widthOf } from "./row-widths";
import { storeFloat32, storeFloat64 } from "./not-a-number";
import { exactSumOfExps, sumOfExps } from "./row-sums";
import { rowMax, softmaxRow } from "./rows";
import { aheadOf } from "./rows-ahead";
import { findInvalidTarget } from "./targets";

/** By how much the largest logit exceeds the target's. */
@inline
function leadOf(max: f32, targetLogit: f32): f64 {
  return <f64>max - <f64>targetLogit;
}

/**
 * The loss of one row, which is only read; NaN where sumOfExps is. The relative error is below 1e-6, also of a small loss;
 * to that comes the rounding of z - max as softmaxRow says.
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
  switch (widthOf(columns, false)) {
    case 0:
      narrowLossRows<Few>(losses, lossSum, logits, targets, count, columns);
      break;
    case 1:
      narrowLossRows<One>(losses, lossSum, logits, targets, count, columns);
      break;
    case 2:
      narrowLossRows<Two>(losses, lossSum, logits, targets, count, columns);
      break;
    case 3:
      narrowLossRows<Three>(losses, lossSum, logits, targets, count, columns);
      break;
    case 4:
      narrowLossRows<Four>(losses, lossSum, logits, targets, count, columns);
      break;
    case 5:
      narrowLossRows<Many>(losses, lossSum, logits, targets, count, columns);
      break;
    default:
      lossRows(losses, lossSum, logits, targets, count, columns);
  }
  return status;
}

function lossRows(losses: usize, lossSum: usize, logits: usize, targets: usize, rows: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(lossSum);
  for (let i = 0; i < rows; i++) {
    const loss = rowLoss(logits, columns, load<f32>(logits + (targetOf(targets, i) << 2)), aheadOf(rows - i, rowBytes));
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += rowBytes;
  }
  storeFloat64(lossSum, total);
}

/** The class of row i. */
@inline
function targetOf(targets: usize, i: i32): usize {
  return <usize>load<u32>(targets + (<usize>i << 2));
}

/**
 * Losses, and gradLogits = scale · (softmax - one-hot), which may be the logits; see the contract in kernels.ts. scale
 * is finite. A row whose loss is NaN gets a gradient of NaN throughout. The error of the target's element is below
 * 4e-7 · scale, and where the target has the largest logit as small a fraction of it as that of the loss, and 1e-6; of the
 * others as softmaxRow says.
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
  switch (widthOf(columns, gradLogits != logits)) {
    case 0:
      narrowGradientRows<Few>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    case 1:
      narrowGradientRows<One>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    case 2:
      narrowGradientRows<Two>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    case 3:
      narrowGradientRows<Three>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    case 4:
      narrowGradientRows<Four>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    case 5:
      narrowGradientRows<Many>(gradLogits, losses, lossSum, logits, targets, count, columns, stride, scale);
      break;
    default:
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
  const strideBytes = <usize>stride << 2;
  let total = load<f64>(lossSum);
  for (let i = 0; i < rows; i++) {
    const target = targetOf(targets, i);
    const targetLogit = load<f32>(logits + (target << 2));
    const max = rowMax(logits, columns);
    const ahead = aheadOf(rows - i, strideBytes);
    const sum = gradientRow(gradLogits, logits, columns, target, targetLogit, max, scale, ahead);
    const loss = logOfSum(sum) + leadOf(max, targetLogit);
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += strideBytes;
    gradLogits += strideBytes;
  }
  storeFloat64(lossSum, total);
}

/** The gradient of one row, which may overwrite it; gives the sum that logOfSum takes. */
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
  // The sum without the target's 1: its p - 1 is minus their share.
  if (sum < 1) store<f32>(atTarget, <f32>((-<f64>scale * sum) / (1 + sum)));
  else if (sum == sum) store<f32>(atTarget, load<f32>(atTarget) - scale);
  return sum;
}

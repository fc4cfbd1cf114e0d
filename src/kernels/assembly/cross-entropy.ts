// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from "../layout";
import { logOf, logPair } from "./log";
import {
  Four,
  Many,
  narrowRowMax,
  narrowSoftmaxRow,
  narrowSumOfExps,
  narrowVectors,
  One,
  Three,
  Two,
  vectorsOf,
} from "./narrow-rows";
import { storeFloat32, storeFloat64 } from "./not-a-number";
import { exactSumOfExps, sumOfExps } from "./row-sums";
import { rowMax, softmaxRow } from "./rows";
import { aheadOf } from "./rows-ahead";

/**
 * log(sum of exp(z)) - z[target] in float64, from the largest logit down so that nothing overflows: `lead` is by how much
 * that exceeds the target's. A sum below 1 is one without the target's own 1.
 */
@inline
function lossOf(sum: f64, lead: f64): f64 {
  return sum < 1 ? Math.log1p(sum) : logOf(sum) + lead;
}

/**
 * The losses of two rows, with the same bits. A processor cannot look far enough ahead to overlap the logarithm of a narrow
 * row with the next row: computing two logarithms at once made the loss of 10 columns 1.3 times as fast.
 */
@inline
function lossesOf(sum0: f64, sum1: f64, lead0: f64, lead1: f64): v128 {
  // NaN goes the first way.
  if (!(sum0 < 1) && !(sum1 < 1)) return f64x2.add(logPair(f64x2(sum0, sum1)), f64x2(lead0, lead1));
  return f64x2(lossOf(sum0, lead0), lossOf(sum1, lead1));
}

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
  return lossOf(sum, leadOf(max, targetLogit));
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
  switch (narrowVectors(columns)) {
    case 1:
      return lossRows<One>(losses, lossSum, logits, targets, rows, columns);
    case 2:
      return lossRows<Two>(losses, lossSum, logits, targets, rows, columns);
    case 3:
      return lossRows<Three>(losses, lossSum, logits, targets, rows, columns);
    case 4:
      return lossRows<Four>(losses, lossSum, logits, targets, rows, columns);
    default:
      return lossRows<Many>(losses, lossSum, logits, targets, rows, columns);
  }
}

function lossRows<Vectors>(
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): i32 {
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(lossSum);
  let i = 0;
  if (vectorsOf<Vectors>()) {
    for (; i + 2 <= rows; i += 2) {
      const target0 = targetOf(targets, i);
      const target1 = targetOf(targets, i + 1);
      if (target0 >= <usize>columns || target1 >= <usize>columns) break;
      const next = logits + rowBytes;
      const z0 = load<f32>(logits + (target0 << 2));
      const z1 = load<f32>(next + (target1 << 2));
      const max0 = narrowRowMax<Vectors>(logits, columns);
      const max1 = narrowRowMax<Vectors>(next, columns);
      const sum0 = narrowSumOfExps<Vectors>(logits, columns, max0, z0 == max0);
      const sum1 = narrowSumOfExps<Vectors>(next, columns, max1, z1 == max1);
      const both = lossesOf(sum0, sum1, leadOf(max0, z0), leadOf(max1, z1));
      total = addLosses(total, both, losses, i);
      logits = next + rowBytes;
    }
  }
  let status = STATUS_OK;
  for (; i < rows; i++) {
    const target = targetOf(targets, i);
    if (target >= <usize>columns) {
      status = i;
      break;
    }
    const loss = rowLoss(logits, columns, load<f32>(logits + (target << 2)), aheadOf(rows - i, rowBytes));
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += rowBytes;
  }
  storeFloat64(lossSum, total);
  return status;
}

/** The class of row i; negative ones are larger than any number of columns. */
@inline
function targetOf(targets: usize, i: i32): usize {
  return <usize>load<u32>(targets + (<usize>i << 2));
}

/** Stores the losses of rows i and i + 1, unless `losses` is 0, and adds them to the total, one after the other. */
@inline
function addLosses(total: f64, both: v128, losses: usize, i: i32): f64 {
  const loss0 = f64x2.extract_lane(both, 0);
  const loss1 = f64x2.extract_lane(both, 1);
  if (losses) {
    storeFloat32(losses + (<usize>i << 2), loss0);
    storeFloat32(losses + (<usize>i << 2) + 4, loss1);
  }
  return total + loss0 + loss1;
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
  switch (narrowVectors(columns)) {
    case 1:
      return gradientRows<One>(gradLogits, losses, lossSum, logits, targets, rows, columns, stride, scale);
    case 2:
      return gradientRows<Two>(gradLogits, losses, lossSum, logits, targets, rows, columns, stride, scale);
    case 3:
      return gradientRows<Three>(gradLogits, losses, lossSum, logits, targets, rows, columns, stride, scale);
    case 4:
      return gradientRows<Four>(gradLogits, losses, lossSum, logits, targets, rows, columns, stride, scale);
    default:
      return gradientRows<Many>(gradLogits, losses, lossSum, logits, targets, rows, columns, stride, scale);
  }
}

function gradientRows<Vectors>(
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
  const strideBytes = <usize>stride << 2;
  let total = load<f64>(lossSum);
  let i = 0;
  if (vectorsOf<Vectors>()) {
    for (; i + 2 <= rows; i += 2) {
      const target0 = targetOf(targets, i);
      const target1 = targetOf(targets, i + 1);
      if (target0 >= <usize>columns || target1 >= <usize>columns) break;
      const next = logits + strideBytes;
      const z0 = load<f32>(logits + (target0 << 2));
      const z1 = load<f32>(next + (target1 << 2));
      const max0 = narrowRowMax<Vectors>(logits, columns);
      const max1 = narrowRowMax<Vectors>(next, columns);
      const sum0 = gradientRow<Vectors>(gradLogits, logits, columns, target0, z0, max0, scale, 0);
      const sum1 = gradientRow<Vectors>(gradLogits + strideBytes, next, columns, target1, z1, max1, scale, 0);
      const both = lossesOf(sum0, sum1, leadOf(max0, z0), leadOf(max1, z1));
      total = addLosses(total, both, losses, i);
      logits = next + strideBytes;
      gradLogits += strideBytes << 1;
    }
  }
  let status = STATUS_OK;
  for (; i < rows; i++) {
    const target = targetOf(targets, i);
    if (target >= <usize>columns) {
      status = i;
      break;
    }
    const targetLogit = load<f32>(logits + (target << 2));
    const max = vectorsOf<Vectors>() ? narrowRowMax<Vectors>(logits, columns) : rowMax(logits, columns);
    const ahead = aheadOf(rows - i, strideBytes);
    const sum = gradientRow<Vectors>(gradLogits, logits, columns, target, targetLogit, max, scale, ahead);
    const loss = lossOf(sum, leadOf(max, targetLogit));
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += strideBytes;
    gradLogits += strideBytes;
  }
  storeFloat64(lossSum, total);
  return status;
}

/** The gradient of one row, which may overwrite it; gives the sum that lossOf takes. */
@inline
function gradientRow<Vectors>(
  gradient: usize,
  row: usize,
  columns: i32,
  target: usize,
  targetLogit: f32,
  max: f32,
  scale: f32,
  ahead: usize,
): f64 {
  const isLargest = targetLogit == max;
  const sum = vectorsOf<Vectors>()
    ? narrowSoftmaxRow<Vectors>(gradient, row, columns, max, scale, isLargest)
    : softmaxRow(gradient, row, columns, max, scale, isLargest, ahead);
  const atTarget = gradient + (target << 2);
  // The sum without the target's 1: its p - 1 is minus their share.
  if (sum < 1) store<f32>(atTarget, <f32>((-<f64>scale * sum) / (1 + sum)));
  else if (sum == sum) store<f32>(atTarget, load<f32>(atTarget) - scale);
  return sum;
}

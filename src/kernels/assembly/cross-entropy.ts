// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from "../layout";
import { Four, Many, narrowRowMax, narrowSoftmaxRow, narrowVectors, One, Three, Two, vectorsOf } from "./narrow-rows";
import { storeFloat32, storeFloat64 } from "./not-a-number";
import { exactSumOfExps, rowMax, softmaxRow, sumOfExps } from "./rows";

/** log(sum of exp(z)) - z[target] in float64, from the largest logit down so that nothing overflows. */
@inline
function lossOf(sum: f64, max: f32, targetLogit: f32): f64 {
  return Math.log(sum) + (<f64>max - <f64>targetLogit);
}

/**
 * The loss of one row, which is only read; NaN where sumOfExps is. The relative error is below 1e-6, also of a small loss;
 * to that comes the rounding of z - max as softmaxRow says.
 */
export function rowLoss(row: usize, columns: i32, targetLogit: f32): f64 {
  const max = rowMax(row, columns);
  const sum = targetLogit == max ? exactSumOfExps(row, columns, max) : sumOfExps(row, columns, max);
  return sum < 1 ? Math.log1p(sum) : lossOf(sum, max, targetLogit);
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
  let total = load<f64>(lossSum);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const target = <usize>load<u32>(targets + (<usize>i << 2));
    if (target >= <usize>columns) {
      status = i;
      break;
    }
    const loss = rowLoss(logits, columns, load<f32>(logits + (target << 2)));
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += <usize>columns << 2;
  }
  storeFloat64(lossSum, total);
  return status;
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
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const target = <usize>load<u32>(targets + (<usize>i << 2));
    if (target >= <usize>columns) {
      status = i;
      break;
    }
    // Before the first store: the gradient may overwrite the logits.
    const targetLogit = load<f32>(logits + (target << 2));
    const max = vectorsOf<Vectors>() ? narrowRowMax<Vectors>(logits, columns) : rowMax(logits, columns);
    const isLargest = targetLogit == max;
    const sum = vectorsOf<Vectors>()
      ? narrowSoftmaxRow<Vectors>(gradLogits, logits, columns, max, scale, isLargest)
      : softmaxRow(gradLogits, logits, columns, max, scale, isLargest);
    const atTarget = gradLogits + (target << 2);
    let loss: f64;
    if (sum < 1) {
      // The sum without the target's 1: its p - 1 is minus their share.
      store<f32>(atTarget, <f32>((-<f64>scale * sum) / (1 + sum)));
      loss = Math.log1p(sum);
    } else {
      if (sum == sum) store<f32>(atTarget, load<f32>(atTarget) - scale);
      loss = lossOf(sum, max, targetLogit);
    }
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += strideBytes;
    gradLogits += strideBytes;
  }
  storeFloat64(lossSum, total);
  return status;
}

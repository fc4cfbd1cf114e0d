// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from "../layout";
import { Four, Many, narrowRowMax, narrowSoftmaxRow, narrowVectors, One, Three, Two, vectorsOf } from "./narrow-rows";
import { storeFloat32, storeFloat64 } from "./not-a-number";
import { rowMax, softmaxRow, sumOfExps } from "./rows";

/** log(sum of exp(z)) - z[target] in float64, from the largest logit down so that nothing overflows. */
@inline
function lossOf(sum: f64, max: f32, targetLogit: f32): f64 {
  return Math.log(sum) + (<f64>max - <f64>targetLogit);
}

/** The loss of one row, which is only read; NaN where sumOfExps is. */
export function rowLoss(row: usize, columns: i32, targetLogit: f32): f64 {
  const max = rowMax(row, columns);
  return lossOf(sumOfExps(row, columns, max), max, targetLogit);
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
 * 4e-7 · scale; of the others as softmaxRow says.
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
    const sum = vectorsOf<Vectors>()
      ? narrowSoftmaxRow<Vectors>(gradLogits, logits, columns, max, scale)
      : softmaxRow(gradLogits, logits, columns, max, scale);
    if (sum == sum) {
      const atTarget = gradLogits + (target << 2);
      store<f32>(atTarget, load<f32>(atTarget) - scale);
    }
    const loss = lossOf(sum, max, targetLogit);
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += strideBytes;
    gradLogits += strideBytes;
  }
  storeFloat64(lossSum, total);
  return status;
}

// Softmax cross-entropy of rows of logits: the losses, and fused with them the gradient.
import { STATUS_OK } from "../layout";
import { expRow, fillWithNaN, loadTail, rowMax, scaleRow, storeFloat32, storeFloat64 } from "./rows";

/** log(sum of exp(z)) - z[target] in float64, from the largest logit down so that nothing overflows. */
@inline
function lossOf(sum: f64, max: f32, targetLogit: f32): f64 {
  return Math.log(sum) + (<f64>max - <f64>targetLogit);
}


/** Losses of rows [rows × columns]; see the contract in kernels.ts. */
export function crossEntropyRows(losses: usize, lossSum: usize, logits: usize, targets: usize, rows: i32, columns: i32): i32 {
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

/** The loss of one row, which is only read. NaN as for expRow. */
export function rowLoss(row: usize, columns: i32, targetLogit: f32): f64 {
  const tail = loadTail(row, columns);
  const max = rowMax(row, columns, tail);
  const sum = expRow(false, 0, row, columns, tail, max);
  return lossOf(sum, max, targetLogit);
}

/**
 * Losses, and gradLogits = scale · (softmax - one-hot), which may be the logits. A row whose loss is NaN gets a
 * gradient of NaN throughout. The target's element is scale · p - scale, rounded as float32: its absolute error is
 * below 2e-7 · scale, as that of a probability next to 1 must be.
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
    const tail = loadTail(logits, columns);
    const max = rowMax(logits, columns, tail);
    const sum = expRow(true, gradLogits, logits, columns, tail, max);
    if (sum == sum) {
      scaleRow(gradLogits, columns, tail, max, <f32>(<f64>scale / sum));
      const atTarget = gradLogits + (target << 2);
      store<f32>(atTarget, load<f32>(atTarget) - scale);
    } else {
      fillWithNaN(gradLogits, columns);
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

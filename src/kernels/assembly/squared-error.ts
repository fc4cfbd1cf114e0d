// Squared error of outputs, or of the softmax of logits, against dense or one-hot targets.
import { canonicalNaN, highPair, joinPairs, loadLanes, lowPair, oneHotLanes, storeLanes, sumOfPairs } from "./few-lanes";
import { fma64 } from "./fma";
import { fillWithNaN, storeFloat32, storeFloat64 } from "./not-a-number";
import { storeExps } from "./row-exps";
import { rowMax } from "./rows";

/** loss = Σ (a - y)², gradient = 2 scale (a - y), or through the softmax; see the contract in other-loss-kernels.ts. */
export function squaredErrorRows(
  gradient: usize,
  gradLosses: usize,
  losses: usize,
  sums: usize,
  outputs: usize,
  targets: usize,
  targetValues: usize,
  rows: i32,
  columns: i32,
  throughSoftmax: i32,
  scale: f64,
  scratch: usize,
): void {
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(sums);
  for (let i = 0; i < rows; i++) {
    const rowScale = gradLosses ? scale * <f64>load<f32>(gradLosses + (<usize>i << 2)) : scale;
    const target = targets ? load<i32>(targets + (<usize>i << 2)) : -1;
    const loss = throughSoftmax
      ? softmaxRowLoss(gradient, outputs, target, targetValues, columns, rowScale, scratch)
      : rowLossOf(gradient, outputs, target, targetValues, columns, rowScale);
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    outputs += rowBytes;
    if (gradient) gradient += rowBytes;
    if (targetValues) targetValues += rowBytes;
  }
  storeFloat64(sums, total);
}

/** Four columns of y, from a dense row or a class; `column` is the first of them. */
@inline
function targetLanes(targetRow: usize, target: i32, column: i32, count: i32): v128 {
  return targetRow ? loadLanes(targetRow + (<usize>column << 2), count, 0) : oneHotLanes(target - column);
}

function rowLossOf(gradient: usize, row: usize, target: i32, targetRow: usize, columns: i32, scale: f64): f64 {
  const factor = f64x2.splat(2 * scale);
  let low = f64x2.splat(0);
  let high = low;
  for (let column = 0; column < columns; column += 4) {
    const count = columns - column;
    const at = <usize>column << 2;
    const a = loadLanes(row + at, count, 0);
    const y = targetLanes(targetRow, target, column, count);
    const dLow = f64x2.sub(lowPair(a), lowPair(y));
    const dHigh = f64x2.sub(highPair(a), highPair(y));
    low = fma64(dLow, dLow, low);
    high = fma64(dHigh, dHigh, high);
    if (gradient) {
      const g = joinPairs(f64x2.mul(dLow, factor), f64x2.mul(dHigh, factor));
      storeLanes(gradient + at, count, canonicalNaN(g));
    }
  }
  return sumOfPairs(low, high);
}

/**
 * With a = softmax(z) and d = a - y: gradient_j = 2 scale a_j (d_j - Σ_k d_k a_k). A row whose softmax is NaN gets a
 * loss and a gradient of NaN.
 */
function softmaxRowLoss(
  gradient: usize,
  row: usize,
  target: i32,
  targetRow: usize,
  columns: i32,
  scale: f64,
  exps: usize,
): f64 {
  const sum = storeExps(exps, row, columns, rowMax(row, columns), 1);
  const inverse = f64x2.splat(1 / sum);
  let low = f64x2.splat(0);
  let high = low;
  let innerLow = low;
  let innerHigh = low;
  for (let column = 0; column < columns; column += 4) {
    const e = v128.load(exps + (<usize>column << 2));
    const y = targetLanes(targetRow, target, column, columns - column);
    const aLow = f64x2.mul(lowPair(e), inverse);
    const aHigh = f64x2.mul(highPair(e), inverse);
    const dLow = f64x2.sub(aLow, lowPair(y));
    const dHigh = f64x2.sub(aHigh, highPair(y));
    low = fma64(dLow, dLow, low);
    high = fma64(dHigh, dHigh, high);
    innerLow = fma64(dLow, aLow, innerLow);
    innerHigh = fma64(dHigh, aHigh, innerHigh);
  }
  const loss = sumOfPairs(low, high);
  if (!gradient) return loss;
  if (loss != loss) {
    fillWithNaN(gradient, columns);
    return loss;
  }
  const inner = f64x2.splat(sumOfPairs(innerLow, innerHigh));
  const factor = f64x2.splat(2 * scale);
  for (let column = 0; column < columns; column += 4) {
    const at = <usize>column << 2;
    const e = v128.load(exps + at);
    const y = targetLanes(targetRow, target, column, columns - column);
    const aLow = f64x2.mul(lowPair(e), inverse);
    const aHigh = f64x2.mul(highPair(e), inverse);
    const gLow = f64x2.mul(f64x2.mul(aLow, factor), f64x2.sub(f64x2.sub(aLow, lowPair(y)), inner));
    const gHigh = f64x2.mul(f64x2.mul(aHigh, factor), f64x2.sub(f64x2.sub(aHigh, highPair(y)), inner));
    storeLanes(gradient + at, columns - column, joinPairs(gLow, gHigh));
  }
  return loss;
}

// Squared error of outputs, or of the softmax of logits, against dense or one-hot targets.
import { TYPE_FLOAT64 } from '../../loss-layout';
import { rowMaxOf, storeExpsOf } from '../rows/typed-exps';
import { loadHigh, loadLow, oneHotPair, storePairs, sumOfPair } from '../vectors/float64-pairs';
import { fma64 } from '../vectors/fma';
import { fillRowWithNaN, storeFloat, storeFloat64 } from '../vectors/not-a-number';
import { is, N0, N1 } from '../vectors/type-numbers';

/** loss = Σ (a - y)², gradient = 2 scale (a - y), or through the softmax; see the contract in row-loss-kernels.ts. */
export function squaredErrorRows(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  outputs: usize,
  targets: usize,
  targetValues: usize,
  type: i32,
  rows: i32,
  columns: i32,
  fromLogits: i32,
  scale: f64,
  scratch: usize,
): void {
  if (type == TYPE_FLOAT64)
    rowsOf<f64>(
      gradient,
      gradOutput,
      losses,
      sums,
      outputs,
      targets,
      targetValues,
      rows,
      columns,
      fromLogits,
      scale,
      scratch,
    );
  else
    rowsOf<f32>(
      gradient,
      gradOutput,
      losses,
      sums,
      outputs,
      targets,
      targetValues,
      rows,
      columns,
      fromLogits,
      scale,
      scratch,
    );
}

function rowsOf<T>(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  outputs: usize,
  targets: usize,
  targetValues: usize,
  rows: i32,
  columns: i32,
  fromLogits: i32,
  scale: f64,
  scratch: usize,
): void {
  const rowBytes = <usize>columns * sizeof<T>();
  let total = load<f64>(sums);
  for (let i = 0; i < rows; i++) {
    const rowScale = gradOutput ? scale * <f64>load<T>(gradOutput + <usize>i * sizeof<T>()) : scale;
    const target = targets ? load<i32>(targets + ((<usize>i) << 2)) : -1;
    let loss: f64;
    if (fromLogits) {
      loss = targetValues
        ? softmaxLoss<T, N1>(gradient, outputs, target, targetValues, columns, rowScale, scratch)
        : softmaxLoss<T, N0>(gradient, outputs, target, targetValues, columns, rowScale, scratch);
    } else {
      loss = targetValues
        ? outputLoss<T, N1>(gradient, outputs, target, targetValues, columns, rowScale)
        : outputLoss<T, N0>(gradient, outputs, target, targetValues, columns, rowScale);
    }
    if (losses) storeFloat<T>(losses + <usize>i * sizeof<T>(), loss);
    total += loss;
    outputs += rowBytes;
    if (gradient) gradient += rowBytes;
    if (targetValues) targetValues += rowBytes;
  }
  storeFloat64(sums, total);
}

/** Columns `column` and the next of y, from a dense row or a class. */
@inline
function targetLow<T, IsDense>(targetRow: usize, target: i32, column: i32, count: i32): v128 {
  if (!is<IsDense>()) return oneHotPair(target - column);
  return loadLow<T>(targetRow + <usize>column * sizeof<T>(), count, 0);
}

/** The two after them. */
@inline
function targetHigh<T, IsDense>(targetRow: usize, target: i32, column: i32, count: i32): v128 {
  if (!is<IsDense>()) return oneHotPair(target - column - 2);
  return loadHigh<T>(targetRow + <usize>column * sizeof<T>(), count, 0);
}

function outputLoss<T, IsDense>(
  gradient: usize,
  row: usize,
  target: i32,
  targetRow: usize,
  columns: i32,
  scale: f64,
): f64 {
  const whole = columns & ~3;
  const loss = squares<T, IsDense>(true, gradient, row, target, targetRow, 0, whole, scale);
  if (whole == columns) return loss;
  return loss + squares<T, IsDense>(false, gradient, row, target, targetRow, whole, columns, scale);
}

/** The loss and the gradient of columns [begin, end); isWhole: their number is a multiple of 4. */
@inline
function squares<T, IsDense>(
  isWhole: bool,
  gradient: usize,
  row: usize,
  target: i32,
  targetRow: usize,
  begin: i32,
  end: i32,
  scale: f64,
): f64 {
  const factor = f64x2.splat(2 * scale);
  let low = f64x2.splat(0);
  let high = low;
  for (let column = begin; column < end; column += 4) {
    const count = isWhole ? 4 : end - column;
    const at = <usize>column * sizeof<T>();
    const dLow = f64x2.sub(loadLow<T>(row + at, count, 0), targetLow<T, IsDense>(targetRow, target, column, count));
    const dHigh = f64x2.sub(loadHigh<T>(row + at, count, 0), targetHigh<T, IsDense>(targetRow, target, column, count));
    low = fma64(dLow, dLow, low);
    high = fma64(dHigh, dHigh, high);
    if (gradient) storePairs<T>(gradient + at, count, f64x2.mul(dLow, factor), f64x2.mul(dHigh, factor));
  }
  return sumOfPair(f64x2.add(low, high));
}

/**
 * With a = softmax(z) and d = a - y: gradient_j = 2 scale a_j (d_j - Σ_k d_k a_k). A row whose softmax is NaN gets a
 * loss and a gradient of NaN.
 */
function softmaxLoss<T, IsDense>(
  gradient: usize,
  row: usize,
  target: i32,
  targetRow: usize,
  columns: i32,
  scale: f64,
  exps: usize,
): f64 {
  const inverse = f64x2.splat(1 / storeExpsOf<T>(exps, row, columns, rowMaxOf<T>(row, columns), 1));
  let low = f64x2.splat(0);
  let high = low;
  let innerLow = low;
  let innerHigh = low;
  for (let column = 0; column < columns; column += 4) {
    const count = columns - column;
    const e = exps + <usize>column * sizeof<T>();
    const aLow = f64x2.mul(loadLow<T>(e, 4, 0), inverse);
    const aHigh = f64x2.mul(loadHigh<T>(e, 4, 0), inverse);
    const dLow = f64x2.sub(aLow, targetLow<T, IsDense>(targetRow, target, column, count));
    const dHigh = f64x2.sub(aHigh, targetHigh<T, IsDense>(targetRow, target, column, count));
    low = fma64(dLow, dLow, low);
    high = fma64(dHigh, dHigh, high);
    innerLow = fma64(dLow, aLow, innerLow);
    innerHigh = fma64(dHigh, aHigh, innerHigh);
  }
  const loss = sumOfPair(f64x2.add(low, high));
  if (!gradient) return loss;
  if (loss != loss) {
    fillRowWithNaN<T>(gradient, columns);
    return loss;
  }
  const inner = f64x2.splat(sumOfPair(f64x2.add(innerLow, innerHigh)));
  const factor = f64x2.splat(2 * scale);
  for (let column = 0; column < columns; column += 4) {
    const count = columns - column;
    const at = <usize>column * sizeof<T>();
    const aLow = f64x2.mul(loadLow<T>(exps + at, 4, 0), inverse);
    const aHigh = f64x2.mul(loadHigh<T>(exps + at, 4, 0), inverse);
    const dLow = f64x2.sub(aLow, targetLow<T, IsDense>(targetRow, target, column, count));
    const dHigh = f64x2.sub(aHigh, targetHigh<T, IsDense>(targetRow, target, column, count));
    const gLow = f64x2.mul(f64x2.mul(aLow, factor), f64x2.sub(dLow, inner));
    const gHigh = f64x2.mul(f64x2.mul(aHigh, factor), f64x2.sub(dHigh, inner));
    storePairs<T>(gradient + at, count, gLow, gHigh);
  }
  return loss;
}

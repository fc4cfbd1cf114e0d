// Binary cross-entropy of independent yes-or-no logits, in the form that neither overflows nor cancels.
import { STATUS_OK } from '../../layout';
import { TYPE_FLOAT64 } from '../../loss-layout';
import { expOf } from '../exp/exp64';
import { log1p4, log1pPair } from '../exp/log';
import { highPair, loadVector, lowPair, storeVector, sumOfPair } from '../vectors/float64-pairs';
import { storeFloat, storeFloat64 } from '../vectors/not-a-number';
import { firstLanes, lanesOf } from '../vectors/typed-vectors';

/**
 * loss = Σ weight (posWeight y softplus(-x) + (1 - y) softplus(x)); see the contract in row-loss-kernels.ts. Both
 * terms are at least 0, so nothing cancels: relative error of a loss below 4e-7, of float64 below 1.1e-15 for each term.
 */
export function binaryCrossEntropyRows(
  gradLogits: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logits: usize,
  targets: usize,
  weight: usize,
  weightStride: i32,
  posWeight: usize,
  type: i32,
  rows: i32,
  columns: i32,
  scale: f64,
): i32 {
  if (type == TYPE_FLOAT64)
    return rowsOf<f64>(
      gradLogits,
      gradOutput,
      losses,
      sums,
      logits,
      targets,
      weight,
      weightStride,
      posWeight,
      rows,
      columns,
      scale,
    );
  return rowsOf<f32>(
    gradLogits,
    gradOutput,
    losses,
    sums,
    logits,
    targets,
    weight,
    weightStride,
    posWeight,
    rows,
    columns,
    scale,
  );
}

function rowsOf<T>(
  gradLogits: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logits: usize,
  targets: usize,
  weight: usize,
  weightStride: i32,
  posWeight: usize,
  rows: i32,
  columns: i32,
  scale: f64,
): i32 {
  const rowBytes = <usize>columns * sizeof<T>();
  let total = load<f64>(sums);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    if (!areInUnitInterval<T>(targets, columns)) {
      status = i;
      break;
    }
    const rowScale = gradOutput ? scale * <f64>load<T>(gradOutput + <usize>i * sizeof<T>()) : scale;
    const loss = binaryRow<T>(gradLogits, logits, targets, weight, posWeight, columns, <T>rowScale);
    if (losses) storeFloat<T>(losses + <usize>i * sizeof<T>(), loss);
    total += loss;
    logits += rowBytes;
    targets += rowBytes;
    weight += <usize>weightStride * sizeof<T>();
    if (gradLogits) gradLogits += rowBytes;
  }
  storeFloat64(sums, total);
  return status;
}

function areInUnitInterval<T>(row: usize, columns: i32): bool {
  const zero = v128.splat<T>(0);
  const one = v128.splat<T>(1);
  for (let count = columns; count > 0; count -= lanesOf<T>()) {
    const y = loadVector<T>(row, count, 0);
    if (!i32x4.all_true(v128.and(v128.ge<T>(y, zero), v128.le<T>(y, one)))) return false;
    row += 16;
  }
  return true;
}

function binaryRow<T>(
  gradient: usize,
  row: usize,
  targetRow: usize,
  weight: usize,
  posWeight: usize,
  columns: i32,
  scale: T,
): f64 {
  const zero = v128.splat<T>(0);
  const one = v128.splat<T>(1);
  const scales = v128.splat<T>(scale);
  let sum = f64x2.splat(0);
  for (let column = 0; column < columns; column += lanesOf<T>()) {
    const count = columns - column;
    const at = <usize>column * sizeof<T>();
    const x = loadVector<T>(row + at, count, 0);
    const y = loadVector<T>(targetRow + at, count, 0);
    // The lanes beyond the row weigh nothing.
    let w = count >= lanesOf<T>() ? one : firstLanes<T>(one, count, zero);
    if (weight) w = loadVector<T>(weight + at, count, 0);
    let yes = v128.mul<T>(w, y);
    if (posWeight) yes = v128.mul<T>(yes, loadVector<T>(posWeight + at, count, 0));
    const no = v128.mul<T>(w, v128.sub<T>(one, y));

    const e = expOf<T>(v128.neg<T>(v128.abs<T>(x)));
    const log = sizeof<T>() == 4 ? log1p4(e) : log1pPair(e);
    // softplus(x) = max(x, 0) + log(1 + e^-|x|); pmax(x, 0) gives x, also when that is NaN, unless x < 0.
    const ofNo = term<T>(no, v128.add<T>(v128.pmax<T>(x, zero), log));
    const ofYes = term<T>(yes, v128.add<T>(v128.pmax<T>(v128.neg<T>(x), zero), log));
    sum = f64x2.add(sum, f64x2.add(asPair<T>(ofNo), asPair<T>(ofYes)));
    if (gradient) {
      // sigmoid(|x|) and sigmoid(-|x|): the smaller one computed without cancellation.
      const larger = v128.div<T>(one, v128.add<T>(one, e));
      const smaller = v128.mul<T>(e, larger);
      const negative = v128.lt<T>(x, zero);
      const sigmoid = v128.bitselect(smaller, larger, negative);
      const complement = v128.bitselect(larger, smaller, negative);
      const g = v128.mul<T>(scales, v128.sub<T>(v128.mul<T>(no, sigmoid), v128.mul<T>(yes, complement)));
      storeVector<T>(gradient + at, count, g);
    }
  }
  return sumOfPair(sum);
}

/** factor · value, and 0 where the factor is 0 although the value is infinite; NaN stays. */
@inline
function term<T>(factor: v128, value: v128): v128 {
  const unused = v128.and(v128.eq<T>(factor, v128.splat<T>(0)), v128.eq<T>(value, value));
  return v128.andnot(v128.mul<T>(factor, value), unused);
}

/** The lanes of a vector, added in float64 down to two. */
@inline
function asPair<T>(v: v128): v128 {
  return sizeof<T>() == 4 ? f64x2.add(lowPair(v), highPair(v)) : v;
}

// Binary cross-entropy of independent yes-or-no logits, in the form that neither overflows nor cancels.
import { STATUS_OK } from "../layout";
import { exp4 } from "./exp";
import { canonicalNaN, highPair, loadLanes, lowPair, storeLanes, sumOfPairs } from "./few-lanes";
import { log1p4 } from "./log";
import { storeFloat32, storeFloat64 } from "./not-a-number";

/**
 * loss = Σ weight (posWeight y softplus(-x) + (1 - y) softplus(x)); see the contract in other-loss-kernels.ts. Both
 * terms are at least 0, so nothing cancels: relative error of a loss below 4e-7.
 */
export function binaryCrossEntropyRows(
  gradLogits: usize,
  gradLosses: usize,
  losses: usize,
  sums: usize,
  logits: usize,
  targets: usize,
  weight: usize,
  weightStride: i32,
  posWeight: usize,
  rows: i32,
  columns: i32,
  scale: f32,
): i32 {
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(sums);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    if (!areInUnitInterval(targets, columns)) {
      status = i;
      break;
    }
    const rowScale = gradLosses ? scale * load<f32>(gradLosses + (<usize>i << 2)) : scale;
    const loss = binaryRow(gradLogits, logits, targets, weight, posWeight, columns, rowScale);
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    logits += rowBytes;
    targets += rowBytes;
    weight += <usize>weightStride << 2;
    if (gradLogits) gradLogits += rowBytes;
  }
  storeFloat64(sums, total);
  return status;
}

function areInUnitInterval(row: usize, columns: i32): bool {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  for (let count = columns; count > 0; count -= 4) {
    const y = loadLanes(row, count, 0);
    if (!i32x4.all_true(v128.and(f32x4.ge(y, zero), f32x4.le(y, one)))) return false;
    row += 16;
  }
  return true;
}

function binaryRow(
  gradient: usize,
  row: usize,
  targetRow: usize,
  weight: usize,
  posWeight: usize,
  columns: i32,
  scale: f32,
): f64 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const scales = f32x4.splat(scale);
  let low = f64x2.splat(0);
  let high = low;
  for (let column = 0; column < columns; column += 4) {
    const count = columns - column;
    const at = <usize>column << 2;
    const x = loadLanes(row + at, count, 0);
    const y = loadLanes(targetRow + at, count, 0);
    // The lanes beyond the row weigh nothing.
    const w = weight ? loadLanes(weight + at, count, 0) : loadLanes(ONES, count, 0);
    let yes = f32x4.mul(w, y);
    if (posWeight) yes = f32x4.mul(yes, loadLanes(posWeight + at, count, 0));
    const no = f32x4.mul(w, f32x4.sub(one, y));

    const e = exp4(f32x4.neg(f32x4.abs(x)));
    const log = log1p4(e);
    // softplus(x) = max(x, 0) + log(1 + e^-|x|); pmax(x, 0) gives x, also when that is NaN, unless x < 0.
    const ofNo = term(no, f32x4.add(f32x4.pmax(x, zero), log));
    const ofYes = term(yes, f32x4.add(f32x4.pmax(f32x4.neg(x), zero), log));
    low = f64x2.add(low, f64x2.add(lowPair(ofNo), lowPair(ofYes)));
    high = f64x2.add(high, f64x2.add(highPair(ofNo), highPair(ofYes)));
    if (gradient) {
      // sigmoid(|x|) and sigmoid(-|x|): the smaller one made without cancellation.
      const larger = f32x4.div(one, f32x4.add(one, e));
      const smaller = f32x4.mul(e, larger);
      const negative = f32x4.lt(x, zero);
      const sigmoid = v128.bitselect(smaller, larger, negative);
      const complement = v128.bitselect(larger, smaller, negative);
      const g = f32x4.mul(scales, f32x4.sub(f32x4.mul(no, sigmoid), f32x4.mul(yes, complement)));
      storeLanes(gradient + at, count, canonicalNaN(g));
    }
  }
  return sumOfPairs(low, high);
}

/** factor · value, and 0 where the factor is 0 although the value is infinite; NaN stays. */
@inline
function term(factor: v128, value: v128): v128 {
  const unused = v128.and(f32x4.eq(factor, f32x4.splat(0)), f32x4.eq(value, value));
  return v128.andnot(f32x4.mul(factor, value), unused);
}

const ONES: usize = memory.data<f32>([1.0, 1.0, 1.0, 1.0], 16);

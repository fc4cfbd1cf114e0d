// Cross-entropy of probabilities: the textbook's -Σ y log a, with a floor under a.
import { STATUS_OK } from "../layout";
import { canonicalNaN, highPair, joinPairs, loadLanes, lowPair, storeLanes, sumOfPairs } from "./few-lanes";
import { logPair } from "./log";
import { storeFloat32, storeFloat64 } from "./not-a-number";

/** loss = -Σ y log max(a, floor), gradient = -scale · y / a, 0 below the floor; see the contract in other-loss-kernels.ts. */
export function probabilityLossRows(
  gradient: usize,
  gradLosses: usize,
  losses: usize,
  sums: usize,
  probabilities: usize,
  targets: usize,
  targetProbabilities: usize,
  rows: i32,
  columns: i32,
  floor: f64,
  scale: f64,
): i32 {
  const rowBytes = <usize>columns << 2;
  let total = load<f64>(sums);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const rowScale = gradLosses ? scale * <f64>load<f32>(gradLosses + (<usize>i << 2)) : scale;
    let loss: f64;
    if (targets) {
      const target = load<i32>(targets + (<usize>i << 2));
      if (<u32>target >= <u32>columns) {
        status = i;
        break;
      }
      loss = oneHotLoss(gradient, probabilities, target, rowBytes, floor, rowScale);
    } else {
      if (!areTargetProbabilities(targetProbabilities, columns)) {
        status = i;
        break;
      }
      loss = denseLoss(gradient, probabilities, targetProbabilities, columns, floor, rowScale);
      targetProbabilities += rowBytes;
    }
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
    total += loss;
    probabilities += rowBytes;
    if (gradient) gradient += rowBytes;
  }
  storeFloat64(sums, total);
  return status;
}

/** Whether all are at least 0 and finite. */
export function areTargetProbabilities(row: usize, columns: i32): bool {
  const zero = f32x4.splat(0);
  const infinity = f32x4.splat(Infinity);
  for (let count = columns; count > 0; count -= 4) {
    const y = loadLanes(row, count, 0);
    if (!i32x4.all_true(v128.and(f32x4.ge(y, zero), f32x4.lt(y, infinity)))) return false;
    row += 16;
  }
  return true;
}

function oneHotLoss(gradient: usize, row: usize, target: i32, rowBytes: usize, floor: f64, scale: f64): f64 {
  const cell = <usize>target << 2;
  // Before the first store: the gradient may overwrite the probabilities.
  const probability = <f64>load<f32>(row + cell);
  const a = probability < floor ? floor : probability;
  if (gradient) {
    memory.fill(gradient, 0, rowBytes);
    if (!(probability < floor)) storeFloat32(gradient + cell, -scale / a);
  }
  return 0 - Math.log(a);
}

function denseLoss(gradient: usize, row: usize, targetRow: usize, columns: i32, floor: f64, scale: f64): f64 {
  const floors = f64x2.splat(floor);
  const scales = f64x2.splat(scale);
  let low = f64x2.splat(0);
  let high = low;
  for (let count = columns; count > 0; count -= 4) {
    const a = loadLanes(row, count, 1);
    const y = loadLanes(targetRow, count, 0);
    const aLow = divisor(lowPair(a), lowPair(y), floors);
    const aHigh = divisor(highPair(a), highPair(y), floors);
    low = f64x2.sub(low, f64x2.mul(lowPair(y), logPair(aLow)));
    high = f64x2.sub(high, f64x2.mul(highPair(y), logPair(aHigh)));
    if (gradient) {
      const gLow = slope(lowPair(a), lowPair(y), aLow, floors, scales);
      const gHigh = slope(highPair(a), highPair(y), aHigh, floors, scales);
      storeLanes(gradient, count, canonicalNaN(joinPairs(gLow, gHigh)));
      gradient += 16;
    }
    row += 16;
    targetRow += 16;
  }
  return sumOfPairs(low, high);
}

/** max(a, floor); 1 where y is 0, so that such a term is 0 for any a but NaN. */
@inline
function divisor(a: v128, y: v128, floors: v128): v128 {
  // pmax(x, y) gives x, also when that is NaN, unless x < y.
  const unused = v128.and(f64x2.eq(y, f64x2.splat(0)), f64x2.eq(a, a));
  return v128.bitselect(f64x2.splat(1), f64x2.pmax(a, floors), unused);
}

/** -scale · y / a, and 0 below the floor; 0 less the quotient, so that y = 0 gives 0 and not -0. */
@inline
function slope(a: v128, y: v128, divisors: v128, floors: v128, scales: v128): v128 {
  const quotient = f64x2.div(f64x2.mul(y, scales), divisors);
  return v128.andnot(f64x2.sub(f64x2.splat(0), quotient), f64x2.lt(a, floors));
}

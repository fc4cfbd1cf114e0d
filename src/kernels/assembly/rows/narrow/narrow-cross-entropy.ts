// Cross-entropy of rows of few columns and its gradient, by groups (narrow-groups.ts). Formulas, bounds and bits are those
// of cross-entropy.ts, which has checked the targets.

import { highPair, lowPair } from '../../vectors/float64-pairs';
import { storeFloat32, storeFloat64 } from '../../vectors/not-a-number';
import { exponentialsAt, GROUP_ROWS, logsAt, maximaAt, partsAt, sumsAt, targetLogitsAt } from './group-scratch';
import {
  areConfident,
  computeGroupWithTargets,
  computeLogs,
  computeSums,
  LARGEST_TARGETS,
  targetExponentials,
  targetOffset,
} from './narrow-groups';
import { rowAfter, SCALE, spoilRows, storeQuad } from './quads';

/** As crossEntropyRows. */
export function narrowLossRows<Width>(
  losses: usize,
  lossSum: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): void {
  const rowBytes = (<usize>columns) << 2;
  let total = load<f64>(lossSum);
  for (; rows > 0; rows -= GROUP_ROWS) {
    const count = min(rows, GROUP_ROWS);
    computeGroupWithTargets<Width>(logits, rowBytes, targets, count, columns);
    computeSums<Width>(count, columns);
    computeLogs<Width>(LARGEST_TARGETS, count, columns);
    total = addLosses(total, losses, count);
    if (losses) losses += 4 * GROUP_ROWS;
    logits += <usize>GROUP_ROWS * rowBytes;
    targets += 4 * GROUP_ROWS;
  }
  storeFloat64(lossSum, total);
}

/** Stores the losses of a group, unless `losses` is 0, and adds them to the total in order. */
@inline
function addLosses(total: f64, losses: usize, rows: i32): f64 {
  for (let i = 0; i < rows; i += 4) {
    const maxima = v128.load(maximaAt(i));
    const targetLogits = v128.load(targetLogitsAt(i));
    // By how much the largest logit exceeds the target's.
    const lowLeads = f64x2.sub(lowPair(maxima), lowPair(targetLogits));
    const highLeads = f64x2.sub(highPair(maxima), highPair(targetLogits));
    const low = f64x2.add(v128.load(logsAt(i)), lowLeads);
    const high = f64x2.add(v128.load(logsAt(i), 16), highLeads);
    const ptr = losses ? losses + ((<usize>i) << 2) : 0;
    const count = rows - i;
    total += storeLoss(ptr, f64x2.extract_lane(low, 0));
    if (count > 1) total += storeLoss(ptr && ptr + 4, f64x2.extract_lane(low, 1));
    if (count > 2) total += storeLoss(ptr && ptr + 8, f64x2.extract_lane(high, 0));
    if (count > 3) total += storeLoss(ptr && ptr + 12, f64x2.extract_lane(high, 1));
  }
  return total;
}

@inline
function storeLoss(ptr: usize, loss: f64): f64 {
  if (ptr) storeFloat32(ptr, loss);
  return loss;
}

/** As crossEntropyGradientRows. */
export function narrowGradientRows<Width>(
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
  const strideBytes = (<usize>stride) << 2;
  let total = load<f64>(lossSum);
  for (; rows > 0; rows -= GROUP_ROWS) {
    const count = min(rows, GROUP_ROWS);
    computeGroupWithTargets<Width>(logits, strideBytes, targets, count, columns);
    computeSums<Width>(count, columns);
    computeLogs<Width>(LARGEST_TARGETS, count, columns);
    storeGradient<Width>(gradLogits, strideBytes, targets, count, columns, scale);
    total = addLosses(total, losses, count);
    if (losses) losses += 4 * GROUP_ROWS;
    logits += <usize>GROUP_ROWS * strideBytes;
    gradLogits += <usize>GROUP_ROWS * strideBytes;
    targets += 4 * GROUP_ROWS;
  }
  storeFloat64(lossSum, total);
}

@inline
function storeGradient<Width>(
  row0: usize,
  strideBytes: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  scale: f32,
): void {
  const scales = f32x4.splat(scale);
  for (let i = 0; i < rows; i += 4) {
    const row1 = rowAfter(row0, strideBytes, i + 1 < rows);
    const row2 = rowAfter(row1, strideBytes, i + 2 < rows);
    const row3 = rowAfter(row2, strideBytes, i + 3 < rows);
    const offset0 = targetOffset(targets, i, rows);
    const offset1 = targetOffset(targets, i + 1, rows);
    const offset2 = targetOffset(targets, i + 2, rows);
    const offset3 = targetOffset(targets, i + 3, rows);
    const exponentials = exponentialsAt(i, columns);
    const atTarget = targetExponentials<Width>(exponentials, columns, offset0, offset1, offset2, offset3);
    // Dividing in float32 gives the bits of the rounded float64 quotient, which has more than twice the digits.
    const factors = f32x4.div(scales, v128.load(sumsAt(i)));
    storeQuad<Width>(SCALE, row0, row1, row2, row3, columns, exponentials, factors);
    // scale · (p - 1); where the target has most of the sum, minus the share of the others.
    const differences = f32x4.sub(f32x4.mul(atTarget, factors), scales);
    const shares = f32x4.neg(f32x4.mul(v128.load(partsAt(i)), factors));
    const gradients = v128.bitselect(shares, differences, areConfident(LARGEST_TARGETS, i));
    v128.store32_lane(row0 + offset0, gradients, 0);
    v128.store32_lane(row1 + offset1, gradients, 1);
    v128.store32_lane(row2 + offset2, gradients, 2);
    v128.store32_lane(row3 + offset3, gradients, 3);
    spoilRows(row0, row1, row2, row3, columns, factors);
    row0 = row3 + strideBytes;
  }
}

// Exponentials of a row at a temperature, and the loss of one target.
import { exp4 } from '../exp/exp';
import { highPair, loadVector, lowPair, sumOfPair } from '../vectors/float64-pairs';
import { sumOfExps } from './row-sums';

/**
 * exps = exp((z - max) · inverseTemperature), max the row's rowMax; exps has room for columns rounded up to a multiple
 * of 4, zeros beyond the row. Returns their sum, added up in float64: NaN where sumOfExps is.
 */
export function storeExps(exps: usize, row: usize, columns: i32, max: f32, inverseTemperature: f32): f64 {
  const shift = f32x4.splat(max);
  const factor = f32x4.splat(inverseTemperature);
  let low = f64x2.splat(0);
  let high = low;
  for (let count = columns; count > 0; count -= 4) {
    const e = exp4(f32x4.mul(f32x4.sub(loadVector<f32>(row, count, -Infinity), shift), factor));
    low = f64x2.add(low, lowPair(e));
    high = f64x2.add(high, highPair(e));
    v128.store(exps, e);
    row += 16;
    exps += 16;
  }
  return sumOfPair(f64x2.add(low, high));
}

/**
 * -log softmax(z)[target], given the row's rowMax and its sum of exp(z - max). Where the target has most of the sum the
 * rest is added up without it, so that a small loss keeps its relative accuracy (below 1e-6) instead of rounding to 0.
 */
export function targetLoss(row: usize, columns: i32, target: i32, max: f32, sum: f64): f64 {
  const targetLogit = load<f32>(row + ((<usize>target) << 2));
  if (targetLogit == max && sum < 1.25) {
    const after = columns - target - 1;
    let rest: f64 = 0;
    if (target > 0) rest = sumOfExps(row, target, max);
    if (after > 0) rest += sumOfExps(row + ((<usize>(target + 1)) << 2), after, max);
    return Math.log1p(rest);
  }
  return Math.log(sum) + (<f64>max - <f64>targetLogit);
}

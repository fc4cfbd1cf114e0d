// row-exps.ts for rows of T, float32 or float64.
import { exp2 } from '../exp/exp64';
import { loadHigh, loadLow, sumOfPair } from '../vectors/float64-pairs';
import { storeExps, targetLoss } from './row-exps';
import { sumOfExps } from './row-sums';
import { rowMax } from './rows';
import { rowMax64, sumOfOthers } from './rows64';

@inline
export function rowMaxOf<T>(row: usize, columns: i32): T {
  return sizeof<T>() == 4 ? <T>rowMax(row, columns) : <T>rowMax64(row, columns);
}

/** As storeExps; exps has room for a padded row (float64-pairs.ts). */
@inline
export function storeExpsOf<T>(exps: usize, row: usize, columns: i32, max: T, inverseTemperature: f64): f64 {
  if (sizeof<T>() == 4) return storeExps(exps, row, columns, <f32>max, <f32>inverseTemperature);
  return storeExps64(exps, row, columns, <f64>max, inverseTemperature);
}

function storeExps64(exps: usize, row: usize, columns: i32, max: f64, inverseTemperature: f64): f64 {
  const shift = f64x2.splat(max);
  const factor = f64x2.splat(inverseTemperature);
  let low = f64x2.splat(0);
  let high = low;
  for (let count = columns; count > 0; count -= 4) {
    const e = exp2(f64x2.mul(f64x2.sub(loadLow<f64>(row, count, -Infinity), shift), factor));
    const f = exp2(f64x2.mul(f64x2.sub(loadHigh<f64>(row, count, -Infinity), shift), factor));
    low = f64x2.add(low, e);
    high = f64x2.add(high, f);
    v128.store(exps, e);
    v128.store(exps, f, 16);
    row += 32;
    exps += 32;
  }
  return sumOfPair(f64x2.add(low, high));
}

/** As targetLoss. */
export function targetLossOf<T>(row: usize, columns: i32, target: i32, max: T): f64 {
  if (sizeof<T>() == 4) return targetLoss(row, columns, target, <f32>max, sumOfExps(row, columns, <f32>max));
  const largest = <f64>max;
  const distance = largest - <f64>load<T>(row + <usize>target * sizeof<T>());
  // The difference is 0, or NaN for an infinity, which sumOfOthers leaves out.
  return Math.log1p(sumOfOthers(row, columns, largest)) + (largest - largest) + distance;
}

// The sums over columns in the scratch of column-groups.ts, where each lane is a row: float64, as column-lanes.ts.

import { exp2 } from '../exp/exp64';
import { additionError } from '../rows/rows64';
import { LINE } from './column-groups';

/** lines: from z to exp(z - max); results = 1 / sum of exp(z - max), NaN for spoiled rows. Two rows, the sum compensated. */
export function exponentials64(lines: usize, columns: i32, maxima: usize): void {
  const max = v128.load(maxima);
  let total = f64x2.splat(0);
  let errors = total;
  for (; columns > 0; columns--) {
    const e = exp2(f64x2.sub(v128.load(lines), max));
    v128.store(lines, e);
    const sum = f64x2.add(total, e);
    errors = f64x2.add(errors, additionError(total, e, sum));
    total = sum;
    lines += LINE;
  }
  v128.store(maxima + LINE, f64x2.div(f64x2.splat(1), f64x2.add(total, errors)));
}

/** results = log(sum of exp(z - max)) of two rows, by log1p; NaN for rows with NaN. */
export function logsOfSums64(lines: usize, columns: i32, maxima: usize): void {
  const max = v128.load(maxima);
  let total = f64x2.splat(0);
  let errors = total;
  let largest = i64x2.splat(0);
  for (; columns > 0; columns--) {
    const z = v128.load(lines);
    const isLargest = f64x2.eq(z, max);
    const e = v128.andnot(exp2(f64x2.sub(z, max)), isLargest);
    const sum = f64x2.add(total, e);
    errors = f64x2.add(errors, additionError(total, e, sum));
    total = sum;
    largest = i64x2.add(largest, isLargest);
    lines += LINE;
  }
  const others = f64x2.add(total, errors);
  const first = f64x2.extract_lane(others, 0) - (1 + <f64>i64x2.extract_lane(largest, 0));
  const second = f64x2.extract_lane(others, 1) - (1 + <f64>i64x2.extract_lane(largest, 1));
  store<f64>(maxima + LINE, Math.log1p(first));
  store<f64>(maxima + LINE, Math.log1p(second), 8);
}

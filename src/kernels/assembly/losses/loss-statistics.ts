// The statistics of a row besides its loss, each only where it is asked for.
import {
  LOSS_ARG_MAX,
  LOSS_ENTROPY,
  LOSS_LOG_SUM_EXP,
  LOSS_LOSSES,
  LOSS_MARGIN,
  LOSS_RANK,
  LOSS_TARGET_PROBABILITY,
} from '../../loss-layout';
import { storeFloat } from '../vectors/not-a-number';
import { lanesOf, largestLane } from '../vectors/typed-vectors';
import { ROW_LOG_SUM, ROW_MAX, ROW_SUM, ROW_TARGET, ROW_TARGET_SCORE, scoresOf } from './loss-scratch';
import { entropySum } from './loss-sums';

/** Writes one number of row `index` to an array of the call, if it is given. */
@inline
export function report<T>(call: usize, field: usize, index: i32, value: f64): void {
  const array = <usize>load<u32>(call + field);
  if (array) storeFloat<T>(array + <usize>index * sizeof<T>(), value);
}

@inline
function reportCount(call: usize, field: usize, index: i32, value: i32): void {
  const array = <usize>load<u32>(call + field);
  if (array) store<i32>(array + ((<usize>index) << 2), value);
}

/** The outputs of an ignored row. */
export function reportIgnored<T>(call: usize, index: i32): void {
  report<T>(call, LOSS_LOSSES, index, 0);
  report<T>(call, LOSS_LOG_SUM_EXP, index, NaN);
  reportCount(call, LOSS_ARG_MAX, index, -1);
  reportCount(call, LOSS_RANK, index, -1);
  report<T>(call, LOSS_ENTROPY, index, NaN);
  report<T>(call, LOSS_MARGIN, index, NaN);
  report<T>(call, LOSS_TARGET_PROBABILITY, index, NaN);
}

/** The statistics of the scores alone: arg-max, rank of the target, margin. */
export function reportOrder<T>(call: usize, scratch: usize, index: i32, columns: i32): void {
  const scores = scoresOf(scratch);
  if (load<u32>(call, LOSS_ARG_MAX)) {
    const column = firstColumnOf<T>(scores, columns, <T>load<f64>(scratch, ROW_MAX));
    // In a row of only NaN the -Infinity beyond its end is found.
    reportCount(call, LOSS_ARG_MAX, index, column < columns ? column : 0);
  }
  const target = load<i32>(scratch, ROW_TARGET);
  if (target < 0) return;
  if (load<u32>(call, LOSS_RANK)) reportCount(call, LOSS_RANK, index, rankOf<T>(scores, columns, target));
  if (load<u32>(call, LOSS_MARGIN)) {
    const others = <f64>largestWithout<T>(scores, columns, target);
    report<T>(call, LOSS_MARGIN, index, load<f64>(scratch, ROW_TARGET_SCORE) - others);
  }
}

/**
 * The statistics that need ROW_SUM and ROW_LOG_SUM: log-sum-exp (`limit` in a row without softmax), entropy, the
 * target's probability. The scores may be overwritten by now: `excess` is their entropyExcess.
 */
export function reportProbabilities<T>(call: usize, scratch: usize, index: i32, limit: f64, excess: f64): void {
  const max = load<f64>(scratch, ROW_MAX);
  const sum = load<f64>(scratch, ROW_SUM);
  const logSum = load<f64>(scratch, ROW_LOG_SUM);
  report<T>(call, LOSS_LOG_SUM_EXP, index, sum == sum ? max + logSum : limit);
  report<T>(call, LOSS_ENTROPY, index, logSum + excess / sum);
  if (load<u32>(call, LOSS_TARGET_PROBABILITY) && load<i32>(scratch, ROW_TARGET) >= 0) {
    const logProbability = load<f64>(scratch, ROW_TARGET_SCORE) - max - logSum;
    report<T>(call, LOSS_TARGET_PROBABILITY, index, sum == sum ? Math.exp(logProbability) : NaN);
  }
}

/** Σ exp(u - max) (max - u), if the entropy is asked for. */
@inline
export function entropyExcess<T>(call: usize, scratch: usize, columns: i32): f64 {
  if (!load<u32>(call, LOSS_ENTROPY)) return 0;
  return entropySum<T>(scoresOf(scratch), columns, <T>load<f64>(scratch, ROW_MAX));
}

/** The first column that holds the value; one beyond the row when none does. */
export function firstColumnOf<T>(row: usize, columns: i32, value: T): i32 {
  const wanted = v128.splat<T>(value);
  for (let column = 0; column < columns; column += lanesOf<T>()) {
    const equal = v128.eq<T>(v128.load(row), wanted);
    const found = sizeof<T>() == 4 ? i32x4.bitmask(equal) : i64x2.bitmask(equal);
    if (found) return column + <i32>ctz(found);
    row += 16;
  }
  return columns;
}

/**
 * How many columns come before the target: with a larger score, or with an equal one and a lower index. All of them for
 * a NaN at the target; other NaN never come before it.
 */
function rankOf<T>(scores: usize, columns: i32, target: i32): i32 {
  const score = load<T>(scores + <usize>target * sizeof<T>());
  if (score != score) return columns;
  const limit = v128.splat<T>(score);
  let count = 0;
  let row = scores;
  for (let column = 0; column < columns; column += lanesOf<T>()) {
    const larger = v128.gt<T>(v128.load(row), limit);
    let before = sizeof<T>() == 4 ? i32x4.bitmask(larger) : i64x2.bitmask(larger);
    if (column < target) {
      const equal = v128.eq<T>(v128.load(row), limit);
      const lower = target - column >= lanesOf<T>() ? -1 : (1 << (target - column)) - 1;
      before |= (sizeof<T>() == 4 ? i32x4.bitmask(equal) : i64x2.bitmask(equal)) & lower;
    }
    count += popcnt(before);
    row += 16;
  }
  return count;
}

/** The largest score except that of one column; -Infinity when there is no other number. */
function largestWithout<T>(scores: usize, columns: i32, column: i32): T {
  const at = scores + <usize>column * sizeof<T>();
  const left = load<T>(at);
  store<T>(at, <T>-Infinity);
  let max = v128.splat<T>(<T>-Infinity);
  let row = scores;
  for (let begin = 0; begin < columns; begin += lanesOf<T>()) {
    max = v128.pmax<T>(max, v128.load(row));
    row += 16;
  }
  store<T>(at, left);
  return largestLane<T>(max);
}

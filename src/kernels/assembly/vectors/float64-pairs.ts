// Reads and writes a row of T (float32 or float64) a vector at a time, or two columns at a time as float64; the last
// columns get a vector or pair of their own. A column always has the same lane, so that sums by lanes have the same
// bits wherever the row lies. Nothing outside the row is read or written. Simpler than the overlapping tails of
// rows.ts, for kernels that spend their time on logarithms.

import { canonicalNaN } from './not-a-number';
import { lanesOf, loadSome, storeSome } from './typed-vectors';

/** A vector from ptr on, or the `count` columns that are left of the row and `fill` in the other lanes. */
@inline
export function loadVector<T>(ptr: usize, count: i32, fill: T): v128 {
  return count >= lanesOf<T>() ? v128.load(ptr) : loadSome<T>(ptr, count, v128.splat<T>(fill));
}

/** Stores the NaN of not-a-number.ts. */
@inline
export function storeVector<T>(ptr: usize, count: i32, v: v128): void {
  const numbers = canonicalNaN<T>(v);
  if (count >= lanesOf<T>()) v128.store(ptr, numbers);
  else storeSome<T>(ptr, count, numbers);
}

/** Lanes 0 and 1 of float32 as float64. */
@inline
export function lowPair(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

/** Lanes 2 and 3 of float32 as float64. */
@inline
export function highPair(v: v128): v128 {
  return f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
}

/** Two pairs of float64 as float32: the reverse of lowPair and highPair. */
@inline
export function demotePairs(low: v128, high: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

/** Two columns as float64, `fill` for the second where only one is left of the row. */
@inline
export function loadPair<T>(ptr: usize, count: i32, fill: f64): v128 {
  return count >= 2 ? fullPair<T>(ptr) : f64x2.replace_lane(f64x2.splat(fill), 0, <f64>load<T>(ptr));
}

@inline
function fullPair<T>(ptr: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(ptr) : f64x2.promote_low_f32x4(v128.load64_zero(ptr));
}

/** Rounded to T, with the NaN of not-a-number.ts. */
@inline
export function storePair<T>(ptr: usize, count: i32, pair: v128): void {
  if (sizeof<T>() == 8) storeVector<T>(ptr, count, pair);
  else if (count >= 2) v128.store64_lane(ptr, canonicalNaN<T>(f32x4.demote_f64x2_zero(pair)), 0);
  else v128.store32_lane(ptr, canonicalNaN<T>(f32x4.demote_f64x2_zero(pair)), 0);
}

// Four columns are a low and a high pair: enough for the processor to overlap the steps of a loop.

/** The first two of four columns from ptr on, of which `count` are left of the row. */
@inline
export function loadLow<T>(ptr: usize, count: i32, fill: f64): v128 {
  return loadPair<T>(ptr, count, fill);
}

/** The last two. */
@inline
export function loadHigh<T>(ptr: usize, count: i32, fill: f64): v128 {
  if (count >= 4) return fullPair<T>(ptr + 2 * sizeof<T>());
  return count == 3 ? loadPair<T>(ptr + 2 * sizeof<T>(), 1, fill) : f64x2.splat(fill);
}

/** Rounded to T, with the NaN of not-a-number.ts. */
@inline
export function storePairs<T>(ptr: usize, count: i32, low: v128, high: v128): void {
  if (sizeof<T>() == 8) {
    storeVector<T>(ptr, count, low);
    if (count > 2) storeVector<T>(ptr + 16, count - 2, high);
  } else {
    storeVector<T>(ptr, count, demotePairs(low, high));
  }
}

/** Rows of scratch are padded with zeros to a multiple of four columns. */
@inline
export function paddedRowBytes<T>(columns: i32): usize {
  return <usize>((columns + 3) & ~3) * sizeof<T>();
}

/** 1 in the lane `position` (0 or 1), else 0 in both: two columns of a one-hot row. */
@inline
export function oneHotPair(position: i32): v128 {
  // The constants are loaded for the reason given in exp-constants.ts.
  return v128.and(i64x2.eq(i64x2.splat(<i64>position), v128.load(POSITIONS)), v128.load64_splat(ONE));
}

const POSITIONS: usize = memory.data<i64>([0, 1], 16);
const ONE: usize = memory.data<f64>([1.0], 16);

/** The sum of both lanes. */
@inline
export function sumOfPair(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

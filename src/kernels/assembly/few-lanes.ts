// Rows taken four columns at a time where the last one to three columns are lanes of a vector of their own. Column j of
// a row is always lane j % 4, so that a sum by lanes has the same bits wherever the row lies. Nothing outside of the row
// is read or written. Simpler than the overlapping tails of rows.ts, for kernels whose time goes into logarithms.

/** Four columns from ptr on, or the `count` that are left of the row and `fill` in the other lanes. */
@inline
export function loadLanes(ptr: usize, count: i32, fill: f32): v128 {
  return count >= 4 ? v128.load(ptr) : loadFew(ptr, count, fill);
}

function loadFew(ptr: usize, count: i32, fill: f32): v128 {
  let v = v128.load32_lane(ptr, f32x4.splat(fill), 0);
  if (count > 1) v = v128.load32_lane(ptr, v, 1, 4);
  if (count > 2) v = v128.load32_lane(ptr, v, 2, 8);
  return v;
}

@inline
export function storeLanes(ptr: usize, count: i32, v: v128): void {
  if (count >= 4) v128.store(ptr, v);
  else storeFew(ptr, count, v);
}

function storeFew(ptr: usize, count: i32, v: v128): void {
  v128.store32_lane(ptr, v, 0);
  if (count > 1) v128.store32_lane(ptr, v, 1, 4);
  if (count > 2) v128.store32_lane(ptr, v, 2, 8);
}

/** 1 in the lane `position` (0 to 3), else 0 in all lanes: four columns of a one-hot row. */
@inline
export function oneHotLanes(position: i32): v128 {
  return v128.and(i32x4.eq(i32x4.splat(position), i32x4(0, 1, 2, 3)), f32x4.splat(1));
}

/** Lanes 0 and 1 as float64. */
@inline
export function lowPair(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

/** Lanes 2 and 3 as float64. */
@inline
export function highPair(v: v128): v128 {
  return f64x2.promote_low_f32x4(i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
}

/** Two pairs of float64 rounded to four float32. */
@inline
export function joinPairs(low: v128, high: v128): v128 {
  const a = f32x4.demote_f64x2_zero(low);
  const b = f32x4.demote_f64x2_zero(high);
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3) of sums by lanes. */
@inline
export function sumOfPairs(low: v128, high: v128): f64 {
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/** The NaN of not-a-number.ts for whatever NaN there is. */
@inline
export function canonicalNaN(v: v128): v128 {
  return v128.bitselect(v, f32x4.splat(f32.reinterpret_i32(0x7fc00000)), f32x4.eq(v, v));
}

// Vectors of T, float32 or float64: whole, or only their first lanes.
import { maxOfLanes, sumOfLanes } from './lanes';

/** Elements in a vector. */
@inline
export function lanesOf<T>(): i32 {
  return 16 / <i32>sizeof<T>();
}

/** No lane may be NaN. */
@inline
export function largestLane<T>(v: v128): T {
  if (sizeof<T>() == 4) return <T>maxOfLanes(v);
  const low = f64x2.extract_lane(v, 0);
  const high = f64x2.extract_lane(v, 1);
  return <T>(high > low ? high : low);
}

@inline
export function lanesSummed<T>(v: v128): f64 {
  return sizeof<T>() == 4 ? <f64>sumOfLanes(v) : f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** The first `lanes` (at least 1, not all) elements at ptr; the other lanes are those of `rest`. */
@inline
export function loadSome<T>(ptr: usize, lanes: i32, rest: v128): v128 {
  if (sizeof<T>() == 8) return v128.load64_lane(ptr, rest, 0);
  let v = v128.load32_lane(ptr, rest, 0);
  if (lanes > 1) v = v128.load32_lane(ptr, v, 1, 4);
  if (lanes > 2) v = v128.load32_lane(ptr, v, 2, 8);
  return v;
}

/** Stores the first `lanes` (at least 1, not all) of v. */
@inline
export function storeSome<T>(ptr: usize, lanes: i32, v: v128): void {
  if (sizeof<T>() == 8) {
    v128.store64_lane(ptr, v, 0);
    return;
  }
  v128.store32_lane(ptr, v, 0);
  if (lanes > 1) v128.store32_lane(ptr, v, 1, 4);
  if (lanes > 2) v128.store32_lane(ptr, v, 2, 8);
}

/** All bits set in the lanes whose mask byte is not 0. */
@inline
export function keptLanes<T>(mask: usize): v128 {
  const none = i32x4.splat(0);
  return widened<T>(sizeof<T>() == 4 ? v128.load32_lane(mask, none, 0) : v128.load16_lane(mask, none, 0));
}

/** As keptLanes for the first `lanes` (at least 1, not all); the others are not kept. */
@inline
export function keptLanesOfSome<T>(mask: usize, lanes: i32): v128 {
  let bytes = v128.load8_lane(mask, i32x4.splat(0), 0);
  if (lanes > 1) bytes = v128.load8_lane(mask, bytes, 1, 1);
  if (lanes > 2) bytes = v128.load8_lane(mask, bytes, 2, 2);
  return widened<T>(bytes);
}

@inline
function widened<T>(bytes: v128): v128 {
  const words = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(i8x16.ne(bytes, i32x4.splat(0))));
  return sizeof<T>() == 4 ? words : i64x2.extend_low_i32x4_s(words);
}

/** The first `lanes` (at least 1, not all) of v, the others from rest. */
@inline
export function firstLanes<T>(v: v128, lanes: i32, rest: v128): v128 {
  if (sizeof<T>() == 8) return i8x16.shuffle(v, rest, 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31);
  return v128.bitselect(v, rest, i32x4.lt_s(v128.load(LANE_NUMBERS), i32x4.splat(lanes)));
}

const LANE_NUMBERS: usize = memory.data<i32>([0, 1, 2, 3], 16);

// Loads and stores of each element type as float32 lanes. `type` is a constant wherever these are inlined, so no branch
// on it is left.
import { TYPE_BFLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from '../../loss-layout';
import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './half-floats';

/** log2 of an element's bytes. */
@inline
export function sizeShift(type: i32): usize {
  return type == TYPE_FLOAT64 ? 3 : type == TYPE_FLOAT32 ? 2 : 1;
}

/** float32 lanes from elements in the low halves of the lanes. */
@inline
function widen(type: i32, halves: v128): v128 {
  return type == TYPE_BFLOAT16 ? widenBfloat16(halves) : widenFloat16(halves);
}

/** The reverse of widen, rounded. */
@inline
export function narrow(type: i32, x: v128): v128 {
  return type == TYPE_BFLOAT16 ? narrowBfloat16(x) : narrowFloat16(x);
}

/** Four elements one after the other, as float32 lanes. */
@inline
export function load4(type: i32, ptr: usize): v128 {
  return type == TYPE_FLOAT32 ? v128.load(ptr) : widen(type, v128.load_ext<u16>(ptr));
}

@inline
export function store4(type: i32, ptr: usize, x: v128): void {
  if (type == TYPE_FLOAT32) {
    v128.store(ptr, x);
  } else {
    const halves = narrow(type, x);
    v128.store64_lane(ptr, i16x8.narrow_i32x4_u(halves, halves), 0);
  }
}

/** One element in lane 0, the other lanes 0. */
@inline
export function load1(type: i32, ptr: usize): v128 {
  const zero = i32x4.splat(0);
  return type == TYPE_FLOAT32 ? v128.load32_lane(ptr, zero, 0) : widen(type, v128.load16_lane(ptr, zero, 0));
}

/** Lane 0. */
@inline
export function store1(type: i32, ptr: usize, x: v128): void {
  if (type == TYPE_FLOAT32) v128.store32_lane(ptr, x, 0);
  else v128.store16_lane(ptr, narrow(type, x), 0);
}

/** Four elements `stride` bytes apart, as float32 lanes. */
@inline
export function gather4(type: i32, ptr: usize, stride: usize): v128 {
  let x = i32x4.splat(0);
  if (type == TYPE_FLOAT32) {
    x = v128.load32_lane(ptr, x, 0);
    x = v128.load32_lane(ptr + stride, x, 1);
    x = v128.load32_lane(ptr + 2 * stride, x, 2);
    return v128.load32_lane(ptr + 3 * stride, x, 3);
  }
  x = v128.load16_lane(ptr, x, 0);
  x = v128.load16_lane(ptr + stride, x, 2);
  x = v128.load16_lane(ptr + 2 * stride, x, 4);
  return widen(type, v128.load16_lane(ptr + 3 * stride, x, 6));
}

@inline
export function scatter4(type: i32, ptr: usize, stride: usize, x: v128): void {
  if (type == TYPE_FLOAT32) {
    v128.store32_lane(ptr, x, 0);
    v128.store32_lane(ptr + stride, x, 1);
    v128.store32_lane(ptr + 2 * stride, x, 2);
    v128.store32_lane(ptr + 3 * stride, x, 3);
  } else {
    const halves = narrow(type, x);
    v128.store16_lane(ptr, halves, 0);
    v128.store16_lane(ptr + stride, halves, 2);
    v128.store16_lane(ptr + 2 * stride, halves, 4);
    v128.store16_lane(ptr + 3 * stride, halves, 6);
  }
}

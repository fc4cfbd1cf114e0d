// Stores NaN with the same bits on every CPU: computed ones differ in sign and payload.

const QUIET_NAN: u32 = 0x7fc00000;
const QUIET_NAN_64: u64 = 0x7ff8000000000000;

/** Fills a row of T (float32 or float64) with NaN. */
export function fillRowWithNaN<T>(row: usize, columns: i32): void {
  for (let i = 0; i < columns; i++) storeFloat<T>(row + <usize>i * sizeof<T>(), NaN);
}

/** Fills a row of float32 with NaN. */
export function fillWithNaN(row: usize, columns: i32): void {
  for (let i = 0; i < columns; i++) store<u32>(row + ((<usize>i) << 2), QUIET_NAN);
}

/** As fillWithNaN, float64. */
export function fillWithNaN64(row: usize, columns: i32): void {
  for (let i = 0; i < columns; i++) store<u64>(row + ((<usize>i) << 3), QUIET_NAN_64);
}

/** v with this NaN for every NaN among its lanes of T. */
@inline
export function canonicalNaN<T>(v: v128): v128 {
  const quiet = sizeof<T>() == 4 ? i32x4.splat(<i32>QUIET_NAN) : i64x2.splat(<i64>QUIET_NAN_64);
  return v128.bitselect(v, quiet, v128.eq<T>(v, v));
}

export function hasNaN(row: usize, columns: i32): bool {
  for (let i = 0; i < columns; i++) {
    const z = load<f32>(row + ((<usize>i) << 2));
    if (z != z) return true;
  }
  return false;
}

/** Rounded to float32. */
@inline
export function storeFloat32(ptr: usize, value: f64): void {
  if (value == value) store<f32>(ptr, <f32>value);
  else store<u32>(ptr, QUIET_NAN);
}

@inline
export function storeFloat64(ptr: usize, value: f64): void {
  if (value == value) store<f64>(ptr, value);
  else store<u64>(ptr, QUIET_NAN_64);
}

/** The value as a T, float32 or float64. */
@inline
export function storeFloat<T>(ptr: usize, value: f64): void {
  if (sizeof<T>() == 4) storeFloat32(ptr, value);
  else storeFloat64(ptr, value);
}

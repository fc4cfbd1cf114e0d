// Copies groups of rows whose columns lie apart to the scratch of column-softmax.ts and back, with the first and the
// last pass done on the way.
//
//   lines      [columns][64 bytes]   a column in each: up to 16 float32, 8 float64, from rows side by side
//   maxima     [64 bytes]            the largest logit of each row
//   results    [64 bytes]            1 / sum, or log(sum), of each row
//   totals     [128 bytes]           for the sums, float64
import { TYPE_FLOAT64 } from '../../loss-layout';
import { load1, load4, sizeShift, store1, store4 } from '../vectors/element-types';

export const LINE: usize = 64;

@inline
export function maximaOf(lines: usize, columns: i32): usize {
  return lines + <usize>columns * LINE;
}

@inline
export function resultsOf(lines: usize, columns: i32): usize {
  return maximaOf(lines, columns) + LINE;
}

@inline
export function totalsOf(lines: usize, columns: i32): usize {
  return maximaOf(lines, columns) + 2 * LINE;
}

/** Rows in a vector of scratch. */
@inline
export function lanesOf(type: i32): i32 {
  return type == TYPE_FLOAT64 ? 2 : 4;
}

/** pmax(m, x) is m unless m < x: NaN in x does not count, and m is never NaN. */
@inline
function larger(type: i32, m: v128, x: v128): v128 {
  return type == TYPE_FLOAT64 ? f64x2.pmax(m, x) : f32x4.pmax(m, x);
}

/** Fills lines and maxima. Lanes that are no row become 0. */
@inline
export function copyIn(type: i32, lines: usize, source: usize, columns: i32, columnBytes: usize, rows: i32): void {
  const lanes = lanesOf(type);
  const step = (<usize>lanes) << sizeShift(type);
  let m0 = type == TYPE_FLOAT64 ? f64x2.splat(-Infinity) : f32x4.splat(-Infinity);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  const isWhole = rows == 4 * lanes;
  for (; columns > 0; columns--) {
    let z0: v128, z1: v128, z2: v128, z3: v128;
    if (isWhole) {
      z0 = loadVector(type, source);
      z1 = loadVector(type, source + step);
      z2 = loadVector(type, source + 2 * step);
      z3 = loadVector(type, source + 3 * step);
    } else {
      z0 = loadRagged(type, source, rows);
      z1 = loadRagged(type, source + step, rows - lanes);
      z2 = loadRagged(type, source + 2 * step, rows - 2 * lanes);
      z3 = loadRagged(type, source + 3 * step, rows - 3 * lanes);
    }
    v128.store(lines, z0);
    v128.store(lines, z1, 16);
    v128.store(lines, z2, 32);
    v128.store(lines, z3, 48);
    m0 = larger(type, m0, z0);
    m1 = larger(type, m1, z1);
    m2 = larger(type, m2, z2);
    m3 = larger(type, m3, z3);
    source += columnBytes;
    lines += LINE;
  }
  v128.store(lines, m0);
  v128.store(lines, m1, 16);
  v128.store(lines, m2, 32);
  v128.store(lines, m3, 48);
}

/**
 * Lines that hold exponentials go out as softmax, e · result; `shifting`, lines that hold logits as log-softmax,
 * (z - max) - result.
 */
@inline
export function copyOut(
  type: i32,
  shifting: bool,
  target: usize,
  lines: usize,
  columns: i32,
  columnBytes: usize,
  rows: i32,
): void {
  const lanes = lanesOf(type);
  const step = (<usize>lanes) << sizeShift(type);
  const maxima = maximaOf(lines, columns);
  const m0 = v128.load(maxima);
  const m1 = v128.load(maxima, 16);
  const m2 = v128.load(maxima, 32);
  const m3 = v128.load(maxima, 48);
  const r0 = v128.load(maxima, 64);
  const r1 = v128.load(maxima, 80);
  const r2 = v128.load(maxima, 96);
  const r3 = v128.load(maxima, 112);
  const isWhole = rows == 4 * lanes;
  for (; columns > 0; columns--) {
    const x0 = finish(type, shifting, v128.load(lines), m0, r0);
    const x1 = finish(type, shifting, v128.load(lines, 16), m1, r1);
    const x2 = finish(type, shifting, v128.load(lines, 32), m2, r2);
    const x3 = finish(type, shifting, v128.load(lines, 48), m3, r3);
    if (isWhole) {
      storeVector(type, target, x0);
      storeVector(type, target + step, x1);
      storeVector(type, target + 2 * step, x2);
      storeVector(type, target + 3 * step, x3);
    } else {
      storeRagged(type, target, x0, rows);
      storeRagged(type, target + step, x1, rows - lanes);
      storeRagged(type, target + 2 * step, x2, rows - 2 * lanes);
      storeRagged(type, target + 3 * step, x3, rows - 3 * lanes);
    }
    target += columnBytes;
    lines += LINE;
  }
}

@inline
function finish(type: i32, shifting: bool, x: v128, max: v128, result: v128): v128 {
  if (type == TYPE_FLOAT64) return shifting ? f64x2.sub(f64x2.sub(x, max), result) : f64x2.mul(x, result);
  return shifting ? f32x4.sub(f32x4.sub(x, max), result) : f32x4.mul(x, result);
}

@inline
function loadVector(type: i32, ptr: usize): v128 {
  return type == TYPE_FLOAT64 ? v128.load(ptr) : load4(type, ptr);
}

@inline
function storeVector(type: i32, ptr: usize, x: v128): void {
  if (type == TYPE_FLOAT64) v128.store(ptr, x);
  else store4(type, ptr, x);
}

/** The first elements of a vector, as many as `count` says if that is less; the other lanes 0. */
@inline
function loadRagged(type: i32, ptr: usize, count: i32): v128 {
  if (count >= lanesOf(type)) return loadVector(type, ptr);
  if (count <= 0) return i32x4.splat(0);
  if (type == TYPE_FLOAT64) return v128.load64_zero(ptr);
  const size = (<usize>1) << sizeShift(type);
  let x = load1(type, ptr);
  if (count > 1) x = v128.shuffle<i32>(x, load1(type, ptr + size), 0, 4, 2, 3);
  if (count > 2) x = v128.shuffle<i32>(x, load1(type, ptr + 2 * size), 0, 1, 4, 3);
  return x;
}

@inline
function storeRagged(type: i32, ptr: usize, x: v128, count: i32): void {
  if (count >= lanesOf(type)) {
    storeVector(type, ptr, x);
  } else if (count > 0) {
    if (type == TYPE_FLOAT64) {
      v128.store64_lane(ptr, x, 0);
    } else {
      const size = (<usize>1) << sizeShift(type);
      store1(type, ptr, x);
      if (count > 1) store1(type, ptr + size, v128.shuffle<i32>(x, x, 1, 1, 1, 1));
      if (count > 2) store1(type, ptr + 2 * size, v128.shuffle<i32>(x, x, 2, 2, 2, 2));
    }
  }
}

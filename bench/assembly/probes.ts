// Kernels that only the benchmarks need: what the machine's memory and arithmetic give, and rows taken one at a time.

import { rowMax, softmaxRow } from '../../src/kernels/assembly/rows/rows';
import { fma } from '../../src/kernels/assembly/vectors/fma';

/** The largest of the floats [bytes / 4] at ptr; bytes is a multiple of 64. */
export function readMemory(ptr: usize, bytes: usize): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  for (const end = ptr + bytes; ptr < end; ptr += 64) {
    m0 = f32x4.pmax(m0, v128.load(ptr));
    m1 = f32x4.pmax(m1, v128.load(ptr, 16));
    m2 = f32x4.pmax(m2, v128.load(ptr, 32));
    m3 = f32x4.pmax(m3, v128.load(ptr, 48));
  }
  const m = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  return max<f32>(
    max<f32>(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
    max<f32>(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
  );
}

export function writeMemory(ptr: usize, bytes: usize): void {
  const one = f32x4.splat(1);
  for (const end = ptr + bytes; ptr < end; ptr += 64) {
    v128.store(ptr, one);
    v128.store(ptr, one, 16);
    v128.store(ptr, one, 32);
    v128.store(ptr, one, 48);
  }
}

/** Adds up to nothing: each float times 1, in place. */
export function scaleMemory(ptr: usize, bytes: usize): void {
  copyScaled(ptr, ptr, bytes);
}

/** The second half of the bytes becomes the first. */
export function copyMemory(ptr: usize, bytes: usize): void {
  const half = bytes >> 1;
  copyScaled(ptr + half, ptr, half);
}

@inline
function copyScaled(output: usize, input: usize, bytes: usize): void {
  const one = f32x4.splat(1);
  for (const end = input + bytes; input < end; input += 64) {
    v128.store(output, f32x4.mul(v128.load(input), one));
    v128.store(output, f32x4.mul(v128.load(input, 16), one), 16);
    v128.store(output, f32x4.mul(v128.load(input, 32), one), 32);
    v128.store(output, f32x4.mul(v128.load(input, 48), one), 48);
    output += 64;
  }
}

/** Operations of a round of multiplyAdd, in all lanes. */
export const FLOPS_A_ROUND: i32 = 10 * 4 * 2;

const FACTORS: usize = memory.data<f32>([0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25], 16);

/** Ten chains of multiply-adds, enough to fill two units of four to five cycles. */
export function multiplyAdd(rounds: i32): f32 {
  // Loaded, for V8 would make splatted ones anew for each use.
  const x = v128.load(FACTORS);
  const y = v128.load(FACTORS, 16);
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  let i = a;
  let j = a;
  for (; rounds > 0; rounds--) {
    a = fma(x, y, a);
    b = fma(x, y, b);
    c = fma(x, y, c);
    d = fma(x, y, d);
    e = fma(x, y, e);
    f = fma(x, y, f);
    g = fma(x, y, g);
    h = fma(x, y, h);
    i = fma(x, y, i);
    j = fma(x, y, j);
  }
  const left = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  const right = f32x4.add(f32x4.add(f32x4.add(e, f), f32x4.add(g, h)), f32x4.add(i, j));
  return f32x4.extract_lane(f32x4.add(left, right), 0);
}

/** softmaxRows by the passes for rows of any length, one row after the other, whatever the number of columns. */
export function softmaxRowByRow(output: usize, logits: usize, rows: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows--) {
    softmaxRow(output, logits, columns, rowMax(logits, columns), 1, false, 0);
    logits += rowBytes;
    output += rowBytes;
  }
}

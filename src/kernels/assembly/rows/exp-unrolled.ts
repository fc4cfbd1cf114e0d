// The exponentials of a row, four or eight vectors at a time: where the time of the row kernels goes.

import { exp4 } from '../exp/exp';
import {
  constant,
  EXP_C2,
  EXP_C3,
  EXP_C4,
  EXP_C5,
  EXP_C6,
  EXP_FLOOR,
  LOG2_E,
  lastLanes,
  MINUS_LN2_HIGH,
  MINUS_LN2_LOW,
  ONE,
  ROUND_AND_BIAS,
} from '../exp/exp-constants';
import { fma } from '../vectors/fma';
import { sumOfLanes } from '../vectors/lanes';
import { afterLoop, join } from '../vectors/wide-simd';
import { prefetch } from './prefetch';

// What a call computes (`kind`, a constant at every call).

/** The sum of exp(z - max) over the row. */
export const EXPS: i32 = 0;
/** As EXPS; stores each exponential to output. */
export const STORED_EXPS: i32 = 1;
/** As EXPS; stores each z - max to output. */
export const STORED_SHIFTS: i32 = 2;
/** As EXPS, or where that sum is below CONFIDENT_SUM the sum without the largest exponential. */
export const EXACT: i32 = 3;
/** As EXACT; stores each z - max to output. */
export const EXACT_STORED_SHIFTS: i32 = 4;
/** The sum without the largest exponential, of a row of exponentials that STORED_EXPS left. */
export const STORED_OTHERS: i32 = 5;
/** No sum: stores the exponentials of a row of z - max, in whole groups of 16 (`wide`: 32) columns. */
const ONLY_STORED: i32 = 6;

/**
 * Below it a sum of exponentials is not precise enough for its logarithm: it errs by up to 4e-7, which would be more than
 * 1e-6 of log(sum). Where a small loss matters, log1p takes the sum without the largest exponential instead.
 */
export const CONFIDENT_SUM: f64 = 1.5;

/** Lane sums in float32 are gathered in float64 after this many groups of four vectors: 512 columns. */
const GROUPS_PER_BLOCK: i32 = 32;

@inline
function storesShifts(kind: i32): bool {
  return kind == STORED_SHIFTS || kind == EXACT_STORED_SHIFTS;
}

@inline
function isExact(kind: i32): bool {
  return kind == EXACT || kind == EXACT_STORED_SHIFTS;
}

/** to = exp4 of `vectors` vectors at `from`, rounded up to a multiple of 4; the two do not overlap. */
@inline
export function storeExps(to: usize, from: usize, vectors: i32): void {
  unrolledExps(false, ONLY_STORED, to, from, vectors << 2, 0, f32x4.splat(0), 0);
}

/** As storeExps, rounded up to a multiple of 8, for where V8 joins pairs of vectors. */
@inline
export function storeExpsWide(to: usize, from: usize, vectors: i32): void {
  unrolledExps(true, ONLY_STORED, to, from, vectors << 2, 0, f32x4.splat(0), 0);
}

/**
 * What `kind` says, of one row (row-sums.ts has the contract). exp4 of several vectors at once, each step for all of them
 * before the next: one vector alone would wait for every multiply-add. With the build's passes, which keep this order, four
 * at a time are 1.2 times as fast as one exp4 after the other (rows of 1024 columns); six are no faster, eight do not fit
 * into the registers (0.7 times as fast). Only where V8 joins pairs of vectors (`wide`) are eight as cheap as four.
 *
 * Eight lane sums in float32 for a block of 512 columns, even and odd vectors apart, then float64. `wide` adds in the same
 * order. It computes no exact kinds.
 */
@inline
export function unrolledExps(
  wide: bool,
  kind: i32,
  output: usize,
  row: usize,
  columns: i32,
  max: f32,
  tail: v128,
  ahead: usize,
): f64 {
  const hasSum = kind != ONLY_STORED;
  const shift = f32x4.splat(max);
  let total: f64 = 0;
  let others: f64 = 0;
  let groups = hasSum ? columns >> 4 : (columns + 15) >> 4;
  do {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let o0 = s0;
    let o1 = s0;
    const n = hasSum ? min(groups, GROUPS_PER_BLOCK) : groups;
    groups -= n;
    for (let left = wide ? (hasSum ? n >> 1 : (n + 1) >> 1) : n; left > 0; left--) {
      let e0 = v128.load(row);
      let e1 = v128.load(row, 16);
      let e2 = v128.load(row, 32);
      let e3 = v128.load(row, 48);
      let e4 = wide ? v128.load(row, 64) : e0;
      let e5 = wide ? v128.load(row, 80) : e0;
      let e6 = wide ? v128.load(row, 96) : e0;
      let e7 = wide ? v128.load(row, 112) : e0;
      if (hasSum) prefetch(row, ahead);
      if (hasSum && wide) prefetch(row + 64, ahead);
      if (kind == STORED_OTHERS) {
        e0 = butLargest(e0);
        e1 = butLargest(e1);
        e2 = butLargest(e2);
        e3 = butLargest(e3);
      } else {
        let r0 = hasSum ? f32x4.sub(e0, shift) : e0;
        let r1 = hasSum ? f32x4.sub(e1, shift) : e1;
        let r2 = hasSum ? f32x4.sub(e2, shift) : e2;
        let r3 = hasSum ? f32x4.sub(e3, shift) : e3;
        let r4 = wide && hasSum ? f32x4.sub(e4, shift) : e4;
        let r5 = wide && hasSum ? f32x4.sub(e5, shift) : e5;
        let r6 = wide && hasSum ? f32x4.sub(e6, shift) : e6;
        let r7 = wide && hasSum ? f32x4.sub(e7, shift) : e7;
        if (storesShifts(kind)) output = storeVectors(wide, output, r0, r1, r2, r3, r4, r5, r6, r7);
        let c = constant(EXP_FLOOR);
        r0 = f32x4.pmax(r0, c);
        r1 = f32x4.pmax(r1, c);
        r2 = f32x4.pmax(r2, c);
        r3 = f32x4.pmax(r3, c);
        r4 = wide ? f32x4.pmax(r4, c) : r0;
        r5 = wide ? f32x4.pmax(r5, c) : r0;
        r6 = wide ? f32x4.pmax(r6, c) : r0;
        r7 = wide ? f32x4.pmax(r7, c) : r0;
        c = constant(LOG2_E);
        const rounder = constant(ROUND_AND_BIAS);
        let t0 = fma(r0, c, rounder);
        let t1 = fma(r1, c, rounder);
        let t2 = fma(r2, c, rounder);
        let t3 = fma(r3, c, rounder);
        let t4 = wide ? fma(r4, c, rounder) : t0;
        let t5 = wide ? fma(r5, c, rounder) : t0;
        let t6 = wide ? fma(r6, c, rounder) : t0;
        let t7 = wide ? fma(r7, c, rounder) : t0;
        const n0 = f32x4.sub(t0, rounder);
        const n1 = f32x4.sub(t1, rounder);
        const n2 = f32x4.sub(t2, rounder);
        const n3 = f32x4.sub(t3, rounder);
        const n4 = wide ? f32x4.sub(t4, rounder) : n0;
        const n5 = wide ? f32x4.sub(t5, rounder) : n0;
        const n6 = wide ? f32x4.sub(t6, rounder) : n0;
        const n7 = wide ? f32x4.sub(t7, rounder) : n0;
        c = constant(MINUS_LN2_HIGH);
        r0 = fma(n0, c, r0);
        r1 = fma(n1, c, r1);
        r2 = fma(n2, c, r2);
        r3 = fma(n3, c, r3);
        r4 = wide ? fma(n4, c, r4) : r0;
        r5 = wide ? fma(n5, c, r5) : r0;
        r6 = wide ? fma(n6, c, r6) : r0;
        r7 = wide ? fma(n7, c, r7) : r0;
        c = constant(MINUS_LN2_LOW);
        r0 = fma(n0, c, r0);
        r1 = fma(n1, c, r1);
        r2 = fma(n2, c, r2);
        r3 = fma(n3, c, r3);
        r4 = wide ? fma(n4, c, r4) : r0;
        r5 = wide ? fma(n5, c, r5) : r0;
        r6 = wide ? fma(n6, c, r6) : r0;
        r7 = wide ? fma(n7, c, r7) : r0;
        c = constant(EXP_C6);
        const c5 = constant(EXP_C5);
        e0 = fma(c, r0, c5);
        e1 = fma(c, r1, c5);
        e2 = fma(c, r2, c5);
        e3 = fma(c, r3, c5);
        e4 = wide ? fma(c, r4, c5) : e0;
        e5 = wide ? fma(c, r5, c5) : e0;
        e6 = wide ? fma(c, r6, c5) : e0;
        e7 = wide ? fma(c, r7, c5) : e0;
        c = constant(EXP_C4);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        e4 = wide ? fma(e4, r4, c) : e0;
        e5 = wide ? fma(e5, r5, c) : e0;
        e6 = wide ? fma(e6, r6, c) : e0;
        e7 = wide ? fma(e7, r7, c) : e0;
        c = constant(EXP_C3);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        e4 = wide ? fma(e4, r4, c) : e0;
        e5 = wide ? fma(e5, r5, c) : e0;
        e6 = wide ? fma(e6, r6, c) : e0;
        e7 = wide ? fma(e7, r7, c) : e0;
        c = constant(EXP_C2);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        e4 = wide ? fma(e4, r4, c) : e0;
        e5 = wide ? fma(e5, r5, c) : e0;
        e6 = wide ? fma(e6, r6, c) : e0;
        e7 = wide ? fma(e7, r7, c) : e0;
        c = constant(ONE);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        e4 = wide ? fma(e4, r4, c) : e0;
        e5 = wide ? fma(e5, r5, c) : e0;
        e6 = wide ? fma(e6, r6, c) : e0;
        e7 = wide ? fma(e7, r7, c) : e0;
        t0 = i32x4.shl(t0, 23);
        t1 = i32x4.shl(t1, 23);
        t2 = i32x4.shl(t2, 23);
        t3 = i32x4.shl(t3, 23);
        t4 = wide ? i32x4.shl(t4, 23) : t0;
        t5 = wide ? i32x4.shl(t5, 23) : t0;
        t6 = wide ? i32x4.shl(t6, 23) : t0;
        t7 = wide ? i32x4.shl(t7, 23) : t0;
        r0 = f32x4.mul(r0, t0);
        r1 = f32x4.mul(r1, t1);
        r2 = f32x4.mul(r2, t2);
        r3 = f32x4.mul(r3, t3);
        r4 = wide ? f32x4.mul(r4, t4) : r0;
        r5 = wide ? f32x4.mul(r5, t5) : r0;
        r6 = wide ? f32x4.mul(r6, t6) : r0;
        r7 = wide ? f32x4.mul(r7, t7) : r0;
        e0 = fma(e0, r0, t0);
        e1 = fma(e1, r1, t1);
        e2 = fma(e2, r2, t2);
        e3 = fma(e3, r3, t3);
        e4 = wide ? fma(e4, r4, t4) : e0;
        e5 = wide ? fma(e5, r5, t5) : e0;
        e6 = wide ? fma(e6, r6, t6) : e0;
        e7 = wide ? fma(e7, r7, t7) : e0;
      }
      if (kind == STORED_EXPS || kind == ONLY_STORED) {
        output = storeVectors(wide, output, e0, e1, e2, e3, e4, e5, e6, e7);
      }
      // Adds two terms first: half as many additions, and roundings, in the lane that holds the largest term, 1.
      if (hasSum) {
        s0 = f32x4.add(s0, f32x4.add(e0, e2));
        if (wide) s0 = f32x4.add(s0, f32x4.add(e4, e6));
        s1 = f32x4.add(s1, f32x4.add(e1, e3));
        if (wide) s1 = f32x4.add(s1, f32x4.add(e5, e7));
      }
      if (isExact(kind)) {
        o0 = f32x4.add(o0, f32x4.add(butLargest(e0), butLargest(e2)));
        o1 = f32x4.add(o1, f32x4.add(butLargest(e1), butLargest(e3)));
      }
      row += wide ? 128 : 64;
    }
    if (!hasSum) break;
    if (wide) {
      s0 = afterLoop(s0);
      s1 = afterLoop(s1);
    }
    join(s0, s1);
    if (isExact(kind)) join(o0, o1);
    if (groups == 0) {
      if (wide && n & 1) {
        const d0 = f32x4.sub(v128.load(row), shift);
        const d1 = f32x4.sub(v128.load(row, 16), shift);
        const d2 = f32x4.sub(v128.load(row, 32), shift);
        const d3 = f32x4.sub(v128.load(row, 48), shift);
        const e0 = exp4(d0);
        const e1 = exp4(d1);
        const e2 = exp4(d2);
        const e3 = exp4(d3);
        if (storesShifts(kind)) output = storeVectors(false, output, d0, d1, d2, d3, d0, d1, d2, d3);
        if (kind == STORED_EXPS) output = storeVectors(false, output, e0, e1, e2, e3, e0, e1, e2, e3);
        s0 = f32x4.add(s0, f32x4.add(e0, e2));
        s1 = f32x4.add(s1, f32x4.add(e1, e3));
        row += 64;
      }
      // Alternates between two sums, as narrow-groups.ts does, for the same bits.
      for (let vectors = (columns >> 2) & 3; vectors > 0; vectors--) {
        const z = v128.load(row);
        const e = term(kind, z, shift);
        if (kind == STORED_EXPS) {
          v128.store(output, e);
          output += 16;
        }
        if (storesShifts(kind)) {
          v128.store(output, f32x4.sub(z, shift));
          output += 16;
        }
        const sum = f32x4.add(s0, e);
        s0 = s1;
        s1 = sum;
        if (isExact(kind)) {
          const other = f32x4.add(o0, butLargest(e));
          o0 = o1;
          o1 = other;
        }
        row += 16;
      }
      if (columns & 3) {
        let e = v128.and(exp4(f32x4.sub(tail, shift)), lastLanes(columns & 3));
        if (kind == STORED_OTHERS) e = butLargest(e);
        s0 = f32x4.add(s0, e);
        if (isExact(kind)) o0 = f32x4.add(o0, butLargest(e));
      }
    }
    total += <f64>sumOfLanes(f32x4.add(s0, s1));
    if (isExact(kind)) others += <f64>sumOfLanes(f32x4.add(o0, o1));
  } while (groups > 0);
  return isExact(kind) && total < CONFIDENT_SUM ? others : total;
}

/** Stores four or (`wide`) eight vectors, the higher address of a pair first (wide-simd.ts); returns the address after them. */
@inline
function storeVectors(
  wide: bool,
  to: usize,
  v0: v128,
  v1: v128,
  v2: v128,
  v3: v128,
  v4: v128,
  v5: v128,
  v6: v128,
  v7: v128,
): usize {
  v128.store(to, v1, 16);
  v128.store(to, v0);
  v128.store(to, v3, 48);
  v128.store(to, v2, 32);
  if (!wide) return to + 64;
  v128.store(to, v5, 80);
  v128.store(to, v4, 64);
  v128.store(to, v7, 112);
  v128.store(to, v6, 96);
  return to + 128;
}

@inline
function term(kind: i32, v: v128, shift: v128): v128 {
  return kind == STORED_OTHERS ? butLargest(v) : exp4(f32x4.sub(v, shift));
}

/** The exponentials with 0 for the largest, which is 1: if another one were 1 the sum would not be below CONFIDENT_SUM. */
@inline
export function butLargest(e: v128): v128 {
  return v128.and(e, f32x4.ne(e, constant(ONE)));
}

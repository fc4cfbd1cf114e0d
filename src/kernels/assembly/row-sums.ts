// The sum of the exponentials of one row, which is where the time of the row kernels goes.
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
} from "./constants";
import { exp4 } from "./exp";
import { fma } from "./fma";
import { sumOfLanes } from "./lanes";
import { join } from "./pairs";
import { loadTail } from "./row-tails";
import { fetchAhead } from "./rows-ahead";
import {
  EXACT,
  EXPS,
  GROUPS_PER_BLOCK,
  isExact,
  STORED_EXPS,
  STORED_OTHERS,
  STORED_SHIFTS,
  storesShifts,
} from "./sum-kinds";
import { storedExpsByEight, storedShiftsByEight, sumByEight, takesEight } from "./wide-row-sums";

/**
 * Below it a sum of exponentials is not taken for its logarithm: it errs by up to 4e-7, which would be more than 1e-6 of
 * log(sum). Where a small loss matters, the other exponentials are then summed without the largest, for log1p.
 */
export const CONFIDENT_SUM: f64 = 1.5;

/**
 * The sum of exp(z - max) over the row, max its rowMax: at least 1, or NaN when the row has a NaN or +Infinity or no
 * finite number. What sum-kinds.ts has stored goes to output, which may be the row, but for the columns that only the tail
 * covers: scaleRow and shiftRow do those. tail is the row's from before that. ahead: see rows-ahead.ts.
 *
 * Eight lane sums in float32 for a block of 512 columns, even and odd vectors apart, then float64: for any number of
 * columns the additions cost less than 4e-7 of the sum.
 */
@inline
export function sumOfExpsAs(
  kind: i32,
  output: usize,
  row: usize,
  columns: i32,
  max: f32,
  tail: v128,
  ahead: usize,
): f64 {
  if (takesEight(columns)) {
    if (kind == EXPS) return sumByEight(row, columns, max, ahead);
    if (kind == STORED_EXPS) return storedExpsByEight(output, row, columns, max, ahead);
    if (kind == STORED_SHIFTS) return storedShiftsByEight(output, row, columns, max, ahead);
  }
  return sumByFour(kind, output, row, columns, max, tail, ahead);
}

/**
 * Four exponentials are computed side by side, each step of exp4 for all of them before the next: one alone would wait
 * for every multiply-add. With the build's passes, which keep this order, rows of 1024 columns are 1.2 times as fast as
 * with one exp4 after the other; six at a time are as fast, eight do not fit into the registers (0.7 times as fast).
 */
@inline
function sumByFour(kind: i32, output: usize, row: usize, columns: i32, max: f32, tail: v128, ahead: usize): f64 {
  const shift = f32x4.splat(max);
  let total: f64 = 0;
  let others: f64 = 0;
  let groups = columns >> 4;
  do {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let o0 = s0;
    let o1 = s0;
    let n = min(groups, GROUPS_PER_BLOCK);
    groups -= n;
    for (; n > 0; n--) {
      let e0 = v128.load(row);
      let e1 = v128.load(row, 16);
      let e2 = v128.load(row, 32);
      let e3 = v128.load(row, 48);
      fetchAhead(row, ahead);
      if (kind == STORED_OTHERS) {
        e0 = butLargest(e0);
        e1 = butLargest(e1);
        e2 = butLargest(e2);
        e3 = butLargest(e3);
      } else {
        let r0 = f32x4.sub(e0, shift);
        let r1 = f32x4.sub(e1, shift);
        let r2 = f32x4.sub(e2, shift);
        let r3 = f32x4.sub(e3, shift);
        if (storesShifts(kind)) {
          v128.store(output, r1, 16);
          v128.store(output, r0);
          v128.store(output, r3, 48);
          v128.store(output, r2, 32);
          output += 64;
        }
        let c = constant(EXP_FLOOR);
        r0 = f32x4.pmax(r0, c);
        r1 = f32x4.pmax(r1, c);
        r2 = f32x4.pmax(r2, c);
        r3 = f32x4.pmax(r3, c);
        c = constant(LOG2_E);
        const rounder = constant(ROUND_AND_BIAS);
        let t0 = fma(r0, c, rounder);
        let t1 = fma(r1, c, rounder);
        let t2 = fma(r2, c, rounder);
        let t3 = fma(r3, c, rounder);
        const n0 = f32x4.sub(t0, rounder);
        const n1 = f32x4.sub(t1, rounder);
        const n2 = f32x4.sub(t2, rounder);
        const n3 = f32x4.sub(t3, rounder);
        c = constant(MINUS_LN2_HIGH);
        r0 = fma(n0, c, r0);
        r1 = fma(n1, c, r1);
        r2 = fma(n2, c, r2);
        r3 = fma(n3, c, r3);
        c = constant(MINUS_LN2_LOW);
        r0 = fma(n0, c, r0);
        r1 = fma(n1, c, r1);
        r2 = fma(n2, c, r2);
        r3 = fma(n3, c, r3);
        c = constant(EXP_C6);
        const c5 = constant(EXP_C5);
        e0 = fma(c, r0, c5);
        e1 = fma(c, r1, c5);
        e2 = fma(c, r2, c5);
        e3 = fma(c, r3, c5);
        c = constant(EXP_C4);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        c = constant(EXP_C3);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        c = constant(EXP_C2);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        c = constant(ONE);
        e0 = fma(e0, r0, c);
        e1 = fma(e1, r1, c);
        e2 = fma(e2, r2, c);
        e3 = fma(e3, r3, c);
        t0 = i32x4.shl(t0, 23);
        t1 = i32x4.shl(t1, 23);
        t2 = i32x4.shl(t2, 23);
        t3 = i32x4.shl(t3, 23);
        r0 = f32x4.mul(r0, t0);
        r1 = f32x4.mul(r1, t1);
        r2 = f32x4.mul(r2, t2);
        r3 = f32x4.mul(r3, t3);
        e0 = fma(e0, r0, t0);
        e1 = fma(e1, r1, t1);
        e2 = fma(e2, r2, t2);
        e3 = fma(e3, r3, t3);
      }
      if (kind == STORED_EXPS) {
        // The higher address of a pair first: see pairs.ts.
        v128.store(output, e1, 16);
        v128.store(output, e0);
        v128.store(output, e3, 48);
        v128.store(output, e2, 32);
        output += 64;
      }
      // Two terms together first: half the additions to a lane that holds the largest, 1, and so half their rounding.
      s0 = f32x4.add(s0, f32x4.add(e0, e2));
      s1 = f32x4.add(s1, f32x4.add(e1, e3));
      if (isExact(kind)) {
        o0 = f32x4.add(o0, f32x4.add(butLargest(e0), butLargest(e2)));
        o1 = f32x4.add(o1, f32x4.add(butLargest(e1), butLargest(e3)));
      }
      row += 64;
    }
    join(s0, s1);
    if (isExact(kind)) join(o0, o1);
    if (groups == 0) {
      // One or the other sum in turns, as narrow-groups.ts has it, which gives the same bits.
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

@inline
function term(kind: i32, v: v128, shift: v128): v128 {
  return kind == STORED_OTHERS ? butLargest(v) : exp4(f32x4.sub(v, shift));
}

/** The exponentials with 0 for the largest, which is 1: if another one were 1 the sum would not be below CONFIDENT_SUM. */
@inline
export function butLargest(e: v128): v128 {
  return v128.and(e, f32x4.ne(e, constant(ONE)));
}

/** As sumOfExpsAs says; the row is only read. */
@inline
export function sumOfExps(row: usize, columns: i32, max: f32, ahead: usize = 0): f64 {
  return sumOfExpsAs(EXPS, 0, row, columns, max, loadTail(row, columns), ahead);
}

/**
 * As sumOfExps, but of a row whose sum is below CONFIDENT_SUM the sum without the largest exponential, which is 1: known
 * by being below 1, which no other sum is. It takes a fifth longer.
 */
export function exactSumOfExps(row: usize, columns: i32, max: f32, ahead: usize = 0): f64 {
  return sumOfExpsAs(EXACT, 0, row, columns, max, loadTail(row, columns), ahead);
}

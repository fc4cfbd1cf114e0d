// The sums of row-sums.ts where V8 joins pairs of vectors into 256 bits: eight exponentials side by side, as four of a
// double width. Elsewhere eight do not fit into the registers.
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
import { afterLoop, join, joinsPairs } from "./pairs";
import { loadTail } from "./row-tails";
import { fetchAhead } from "./rows-ahead";
import { EXPS, GROUPS_PER_BLOCK, STORED_EXPS, STORED_SHIFTS } from "./sum-kinds";

/** Whether sums of so many columns are faster this way. */
@inline
export function takesEight(columns: i32): bool {
  return joinsPairs() && columns >= 64;
}

// As sumOfExpsAs of row-sums.ts, with the same bits. Each a function of its own: in the rows' they would take registers
// from the loops that run elsewhere.

export function sumByEight(row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return sumAs(EXPS, 0, row, columns, max, ahead);
}

export function storedExpsByEight(output: usize, row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return sumAs(STORED_EXPS, output, row, columns, max, ahead);
}

export function storedShiftsByEight(output: usize, row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return sumAs(STORED_SHIFTS, output, row, columns, max, ahead);
}

@inline
function sumAs(kind: i32, output: usize, row: usize, columns: i32, max: f32, ahead: usize): f64 {
  const shift = f32x4.splat(max);
  const tail = loadTail(row, columns);
  let total: f64 = 0;
  let groups = columns >> 4;
  do {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    const n = min(groups, GROUPS_PER_BLOCK);
    groups -= n;
    for (let pairs = n >> 1; pairs > 0; pairs--) {
      let e0 = v128.load(row);
      let e1 = v128.load(row, 16);
      let e2 = v128.load(row, 32);
      let e3 = v128.load(row, 48);
      let e4 = v128.load(row, 64);
      let e5 = v128.load(row, 80);
      let e6 = v128.load(row, 96);
      let e7 = v128.load(row, 112);
      fetchAhead(row, ahead);
      fetchAhead(row + 64, ahead);
      let r0 = f32x4.sub(e0, shift);
      let r1 = f32x4.sub(e1, shift);
      let r2 = f32x4.sub(e2, shift);
      let r3 = f32x4.sub(e3, shift);
      let r4 = f32x4.sub(e4, shift);
      let r5 = f32x4.sub(e5, shift);
      let r6 = f32x4.sub(e6, shift);
      let r7 = f32x4.sub(e7, shift);
      if (kind == STORED_SHIFTS) {
        v128.store(output, r1, 16);
        v128.store(output, r0);
        v128.store(output, r3, 48);
        v128.store(output, r2, 32);
        v128.store(output, r5, 80);
        v128.store(output, r4, 64);
        v128.store(output, r7, 112);
        v128.store(output, r6, 96);
        output += 128;
      }
      let c = constant(EXP_FLOOR);
      r0 = f32x4.pmax(r0, c);
      r1 = f32x4.pmax(r1, c);
      r2 = f32x4.pmax(r2, c);
      r3 = f32x4.pmax(r3, c);
      r4 = f32x4.pmax(r4, c);
      r5 = f32x4.pmax(r5, c);
      r6 = f32x4.pmax(r6, c);
      r7 = f32x4.pmax(r7, c);
      c = constant(LOG2_E);
      const rounder = constant(ROUND_AND_BIAS);
      let t0 = fma(r0, c, rounder);
      let t1 = fma(r1, c, rounder);
      let t2 = fma(r2, c, rounder);
      let t3 = fma(r3, c, rounder);
      let t4 = fma(r4, c, rounder);
      let t5 = fma(r5, c, rounder);
      let t6 = fma(r6, c, rounder);
      let t7 = fma(r7, c, rounder);
      const n0 = f32x4.sub(t0, rounder);
      const n1 = f32x4.sub(t1, rounder);
      const n2 = f32x4.sub(t2, rounder);
      const n3 = f32x4.sub(t3, rounder);
      const n4 = f32x4.sub(t4, rounder);
      const n5 = f32x4.sub(t5, rounder);
      const n6 = f32x4.sub(t6, rounder);
      const n7 = f32x4.sub(t7, rounder);
      c = constant(MINUS_LN2_HIGH);
      r0 = fma(n0, c, r0);
      r1 = fma(n1, c, r1);
      r2 = fma(n2, c, r2);
      r3 = fma(n3, c, r3);
      r4 = fma(n4, c, r4);
      r5 = fma(n5, c, r5);
      r6 = fma(n6, c, r6);
      r7 = fma(n7, c, r7);
      c = constant(MINUS_LN2_LOW);
      r0 = fma(n0, c, r0);
      r1 = fma(n1, c, r1);
      r2 = fma(n2, c, r2);
      r3 = fma(n3, c, r3);
      r4 = fma(n4, c, r4);
      r5 = fma(n5, c, r5);
      r6 = fma(n6, c, r6);
      r7 = fma(n7, c, r7);
      c = constant(EXP_C6);
      const c5 = constant(EXP_C5);
      e0 = fma(c, r0, c5);
      e1 = fma(c, r1, c5);
      e2 = fma(c, r2, c5);
      e3 = fma(c, r3, c5);
      e4 = fma(c, r4, c5);
      e5 = fma(c, r5, c5);
      e6 = fma(c, r6, c5);
      e7 = fma(c, r7, c5);
      c = constant(EXP_C4);
      e0 = fma(e0, r0, c);
      e1 = fma(e1, r1, c);
      e2 = fma(e2, r2, c);
      e3 = fma(e3, r3, c);
      e4 = fma(e4, r4, c);
      e5 = fma(e5, r5, c);
      e6 = fma(e6, r6, c);
      e7 = fma(e7, r7, c);
      c = constant(EXP_C3);
      e0 = fma(e0, r0, c);
      e1 = fma(e1, r1, c);
      e2 = fma(e2, r2, c);
      e3 = fma(e3, r3, c);
      e4 = fma(e4, r4, c);
      e5 = fma(e5, r5, c);
      e6 = fma(e6, r6, c);
      e7 = fma(e7, r7, c);
      c = constant(EXP_C2);
      e0 = fma(e0, r0, c);
      e1 = fma(e1, r1, c);
      e2 = fma(e2, r2, c);
      e3 = fma(e3, r3, c);
      e4 = fma(e4, r4, c);
      e5 = fma(e5, r5, c);
      e6 = fma(e6, r6, c);
      e7 = fma(e7, r7, c);
      c = constant(ONE);
      e0 = fma(e0, r0, c);
      e1 = fma(e1, r1, c);
      e2 = fma(e2, r2, c);
      e3 = fma(e3, r3, c);
      e4 = fma(e4, r4, c);
      e5 = fma(e5, r5, c);
      e6 = fma(e6, r6, c);
      e7 = fma(e7, r7, c);
      t0 = i32x4.shl(t0, 23);
      t1 = i32x4.shl(t1, 23);
      t2 = i32x4.shl(t2, 23);
      t3 = i32x4.shl(t3, 23);
      t4 = i32x4.shl(t4, 23);
      t5 = i32x4.shl(t5, 23);
      t6 = i32x4.shl(t6, 23);
      t7 = i32x4.shl(t7, 23);
      r0 = f32x4.mul(r0, t0);
      r1 = f32x4.mul(r1, t1);
      r2 = f32x4.mul(r2, t2);
      r3 = f32x4.mul(r3, t3);
      r4 = f32x4.mul(r4, t4);
      r5 = f32x4.mul(r5, t5);
      r6 = f32x4.mul(r6, t6);
      r7 = f32x4.mul(r7, t7);
      e0 = fma(e0, r0, t0);
      e1 = fma(e1, r1, t1);
      e2 = fma(e2, r2, t2);
      e3 = fma(e3, r3, t3);
      e4 = fma(e4, r4, t4);
      e5 = fma(e5, r5, t5);
      e6 = fma(e6, r6, t6);
      e7 = fma(e7, r7, t7);
      if (kind == STORED_EXPS) {
        v128.store(output, e1, 16);
        v128.store(output, e0);
        v128.store(output, e3, 48);
        v128.store(output, e2, 32);
        v128.store(output, e5, 80);
        v128.store(output, e4, 64);
        v128.store(output, e7, 112);
        v128.store(output, e6, 96);
        output += 128;
      }
      s0 = f32x4.add(f32x4.add(s0, f32x4.add(e0, e2)), f32x4.add(e4, e6));
      s1 = f32x4.add(f32x4.add(s1, f32x4.add(e1, e3)), f32x4.add(e5, e7));
      row += 128;
    }
    s0 = afterLoop(s0);
    s1 = afterLoop(s1);
    join(s0, s1);
    if (groups == 0) {
      if (n & 1) {
        const d0 = f32x4.sub(v128.load(row), shift);
        const d1 = f32x4.sub(v128.load(row, 16), shift);
        const d2 = f32x4.sub(v128.load(row, 32), shift);
        const d3 = f32x4.sub(v128.load(row, 48), shift);
        const e0 = exp4(d0);
        const e1 = exp4(d1);
        const e2 = exp4(d2);
        const e3 = exp4(d3);
        if (kind == STORED_SHIFTS) {
          v128.store(output, d1, 16);
          v128.store(output, d0);
          v128.store(output, d3, 48);
          v128.store(output, d2, 32);
          output += 64;
        }
        if (kind == STORED_EXPS) {
          v128.store(output, e1, 16);
          v128.store(output, e0);
          v128.store(output, e3, 48);
          v128.store(output, e2, 32);
          output += 64;
        }
        s0 = f32x4.add(s0, f32x4.add(e0, e2));
        s1 = f32x4.add(s1, f32x4.add(e1, e3));
        row += 64;
      }
      for (let vectors = (columns >> 2) & 3; vectors > 0; vectors--) {
        const d = f32x4.sub(v128.load(row), shift);
        const e = exp4(d);
        if (kind == STORED_SHIFTS) {
          v128.store(output, d);
          output += 16;
        }
        if (kind == STORED_EXPS) {
          v128.store(output, e);
          output += 16;
        }
        const sum = f32x4.add(s0, e);
        s0 = s1;
        s1 = sum;
        row += 16;
      }
      if (columns & 3) s0 = f32x4.add(s0, v128.and(exp4(f32x4.sub(tail, shift)), lastLanes(columns & 3)));
    }
    total += <f64>sumOfLanes(f32x4.add(s0, s1));
  } while (groups > 0);
  return total;
}

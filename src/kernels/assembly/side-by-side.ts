// Exponentials side by side, without a row around them. Stores as pairs.ts says.
import {
  constant,
  EXP_C2,
  EXP_C3,
  EXP_C4,
  EXP_C5,
  EXP_C6,
  EXP_FLOOR,
  LOG2_E,
  MINUS_LN2_HIGH,
  MINUS_LN2_LOW,
  ONE,
  ROUND_AND_BIAS,
} from "./constants";
import { fma } from "./fma";

/**
 * to = exp4 of `vectors` vectors from `from` on; they do not overlap. Rounds up to a multiple of 4. In the order of
 * sumOfExpsAs (row-sums.ts), and for the same reason.
 */
@inline
export function storeExps(to: usize, from: usize, vectors: i32): void {
  for (; vectors > 0; vectors -= 4) {
    let e0 = v128.load(from);
    let e1 = v128.load(from, 16);
    let e2 = v128.load(from, 32);
    let e3 = v128.load(from, 48);
    let c = constant(EXP_FLOOR);
    let r0 = f32x4.pmax(e0, c);
    let r1 = f32x4.pmax(e1, c);
    let r2 = f32x4.pmax(e2, c);
    let r3 = f32x4.pmax(e3, c);
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
    v128.store(to, e1, 16);
    v128.store(to, e0);
    v128.store(to, e3, 48);
    v128.store(to, e2, 32);
    from += 64;
    to += 64;
  }
}

/**
 * The same, rounded up to a multiple of 8, where V8 joins pairs of vectors: four of those at a time, as many as it takes to
 * fill the time that each waits for its multiply-adds.
 */
@inline
export function storeExpsWide(to: usize, from: usize, vectors: i32): void {
  for (; vectors > 0; vectors -= 8) {
    let e0 = v128.load(from);
    let e1 = v128.load(from, 16);
    let e2 = v128.load(from, 32);
    let e3 = v128.load(from, 48);
    let e4 = v128.load(from, 64);
    let e5 = v128.load(from, 80);
    let e6 = v128.load(from, 96);
    let e7 = v128.load(from, 112);
    let c = constant(EXP_FLOOR);
    let r0 = f32x4.pmax(e0, c);
    let r1 = f32x4.pmax(e1, c);
    let r2 = f32x4.pmax(e2, c);
    let r3 = f32x4.pmax(e3, c);
    let r4 = f32x4.pmax(e4, c);
    let r5 = f32x4.pmax(e5, c);
    let r6 = f32x4.pmax(e6, c);
    let r7 = f32x4.pmax(e7, c);
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
    v128.store(to, e1, 16);
    v128.store(to, e0);
    v128.store(to, e3, 48);
    v128.store(to, e2, 32);
    v128.store(to, e5, 80);
    v128.store(to, e4, 64);
    v128.store(to, e7, 112);
    v128.store(to, e6, 96);
    from += 128;
    to += 128;
  }
}

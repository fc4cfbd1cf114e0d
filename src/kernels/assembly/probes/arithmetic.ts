// The most multiply-adds that this build can do, to measure what bounds kernels whose operands lie in caches. Chains that
// do not wait for each other, more than two units of four to five cycles can have under way.

import { PROBE_FLOPS_A_ROUND } from '../../layout';
import { fma } from '../vectors/fma';
import { usesWideSimd } from '../vectors/wide-simd';

/** Multiply-adds of vectors in a round. */
const VECTORS_A_ROUND: i32 = PROBE_FLOPS_A_ROUND / 8;

/** Of v · x + y: it tends to 0.5 from any number, and never stays among subnormal ones, which take longer. */
const FACTORS: usize = memory.data<f32>([0.5, 0.25], 16);

/** `rounds` rounds of PROBE_FLOPS_A_ROUND operations on sums, float32 [PROBE_SUMS] at a multiple of 16, whatever they hold. */
export function multiplyAdd(sums: usize, rounds: i32): void {
  if (usesWideSimd()) multiplyAddPairs(sums, rounds);
  else multiplyAddVectors(sums, rounds);
}

/** Twelve at a time: with the factors they take 14 of 16 registers. */
function multiplyAddVectors(sums: usize, rounds: i32): void {
  const x = v128.load32_splat(FACTORS);
  const y = v128.load32_splat(FACTORS, 4);
  let a = v128.load(sums);
  let b = v128.load(sums, 16);
  let c = v128.load(sums, 32);
  let d = v128.load(sums, 48);
  let e = v128.load(sums, 64);
  let f = v128.load(sums, 80);
  let g = v128.load(sums, 96);
  let h = v128.load(sums, 112);
  let i = v128.load(sums, 128);
  let j = v128.load(sums, 144);
  let k = v128.load(sums, 160);
  let l = v128.load(sums, 176);
  for (rounds *= VECTORS_A_ROUND / 12; rounds > 0; rounds--) {
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
    g = fma(g, x, y);
    h = fma(h, x, y);
    i = fma(i, x, y);
    j = fma(j, x, y);
    k = fma(k, x, y);
    l = fma(l, x, y);
  }
  v128.store(sums, b, 16);
  v128.store(sums, a);
  v128.store(sums, d, 48);
  v128.store(sums, c, 32);
  v128.store(sums, f, 80);
  v128.store(sums, e, 64);
  v128.store(sums, h, 112);
  v128.store(sums, g, 96);
  v128.store(sums, j, 144);
  v128.store(sums, i, 128);
  v128.store(sums, l, 176);
  v128.store(sums, k, 160);
}

/** Twelve pairs at a time: V8 joins each by its stores at the end (vectors/wide-simd.ts). */
function multiplyAddPairs(sums: usize, rounds: i32): void {
  const x = v128.load32_splat(FACTORS);
  const y = v128.load32_splat(FACTORS, 4);
  let a = v128.load(sums);
  let b = v128.load(sums, 16);
  let c = v128.load(sums, 32);
  let d = v128.load(sums, 48);
  let e = v128.load(sums, 64);
  let f = v128.load(sums, 80);
  let g = v128.load(sums, 96);
  let h = v128.load(sums, 112);
  let i = v128.load(sums, 128);
  let j = v128.load(sums, 144);
  let k = v128.load(sums, 160);
  let l = v128.load(sums, 176);
  let m = v128.load(sums, 192);
  let n = v128.load(sums, 208);
  let o = v128.load(sums, 224);
  let p = v128.load(sums, 240);
  let q = v128.load(sums, 256);
  let r = v128.load(sums, 272);
  let s = v128.load(sums, 288);
  let t = v128.load(sums, 304);
  let u = v128.load(sums, 320);
  let v = v128.load(sums, 336);
  let w = v128.load(sums, 352);
  let z = v128.load(sums, 368);
  for (rounds *= VECTORS_A_ROUND / 24; rounds > 0; rounds--) {
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
    g = fma(g, x, y);
    h = fma(h, x, y);
    i = fma(i, x, y);
    j = fma(j, x, y);
    k = fma(k, x, y);
    l = fma(l, x, y);
    m = fma(m, x, y);
    n = fma(n, x, y);
    o = fma(o, x, y);
    p = fma(p, x, y);
    q = fma(q, x, y);
    r = fma(r, x, y);
    s = fma(s, x, y);
    t = fma(t, x, y);
    u = fma(u, x, y);
    v = fma(v, x, y);
    w = fma(w, x, y);
    z = fma(z, x, y);
  }
  v128.store(sums, b, 16);
  v128.store(sums, a);
  v128.store(sums, d, 48);
  v128.store(sums, c, 32);
  v128.store(sums, f, 80);
  v128.store(sums, e, 64);
  v128.store(sums, h, 112);
  v128.store(sums, g, 96);
  v128.store(sums, j, 144);
  v128.store(sums, i, 128);
  v128.store(sums, l, 176);
  v128.store(sums, k, 160);
  v128.store(sums, n, 208);
  v128.store(sums, m, 192);
  v128.store(sums, p, 240);
  v128.store(sums, o, 224);
  v128.store(sums, r, 272);
  v128.store(sums, q, 256);
  v128.store(sums, t, 304);
  v128.store(sums, s, 288);
  v128.store(sums, v, 336);
  v128.store(sums, u, 320);
  v128.store(sums, z, 368);
  v128.store(sums, w, 352);
}

// Logarithms by lanes, in float64 and (for 1 + e) in float32: 2 artanh(s) = 2 s (1 + s²/3 + s⁴/5 + …).
import { fma, fma64 } from '../vectors/fma';

/**
 * log(x) by lanes. x = 2^k m with m in [√½, √2), s = (m - 1) / (m + 1), so |s| < 0.172 and the first term left out is
 * below 2e-17. -Infinity for 0, NaN for negative numbers and NaN. Measured on float32 and float64 numbers: relative error below 1e-15.
 */
@inline
export function logPair(x: v128): v128 {
  const normal = v128.and(f64x2.ge(x, number(SMALLEST_NORMAL)), f64x2.lt(x, f64x2.splat(Infinity)));
  return i64x2.all_true(normal) ? logOfNormal(x) : logOneByOne(x);
}

@inline
function logOfNormal(x: v128): v128 {
  const above = i64x2.sub(x, number(SQRT_HALF));
  const k = i64x2.shr_s(above, 52);
  const m = i64x2.sub(x, i64x2.shl(k, 52));
  // k + 1.5 · 2^52 as bits is the float64 1.5 · 2^52 + k.
  const exponent = f64x2.sub(i64x2.add(k, number(ROUNDER)), number(ROUNDER));
  const s = f64x2.div(f64x2.sub(m, number(ONE)), f64x2.add(m, number(ONE)));
  const square = f64x2.mul(s, s);
  // Estrin's scheme: half as many dependent steps as Horner's.
  const fourth = f64x2.mul(square, square);
  const eighth = f64x2.mul(fourth, fourth);
  const low = fma64(fma64(number(A4), square, number(A3)), fourth, fma64(number(A2), square, number(A1)));
  const high = fma64(fma64(number(A8), square, number(A7)), fourth, fma64(number(A6), square, number(A5)));
  const p = fma64(fma64(fma64(number(A10), square, number(A9)), eighth, high), eighth, low);
  const twice = f64x2.add(s, s);
  // The small part first: 2 s + 2 s³ (…) + k ln 2 low, then k ln 2 high, which is exact.
  const part = fma64(exponent, number(LN2_LOW), f64x2.mul(f64x2.mul(twice, square), p));
  return f64x2.add(f64x2.add(part, twice), f64x2.mul(exponent, number(LN2_HIGH)));
}

function logOneByOne(x: v128): v128 {
  return f64x2(Math.log(f64x2.extract_lane(x, 0)), Math.log(f64x2.extract_lane(x, 1)));
}

@inline
function number(offset: usize): v128 {
  return v128.load64_splat(NUMBERS + offset);
}

const A1: usize = 0;
const A2: usize = 8;
const A3: usize = 16;
const A4: usize = 24;
const A5: usize = 32;
const A6: usize = 40;
const A7: usize = 48;
const A8: usize = 56;
const A9: usize = 64;
const A10: usize = 72;
const ONE: usize = 80;
/** 1.5 · 2^52. */
const ROUNDER: usize = 88;
/** √½: subtracting its bits from those of x leaves k in the exponent field. */
const SQRT_HALF: usize = 96;
/** ln 2 in two parts: the high one has 32 bits, so that its product with any k is exact. */
const LN2_HIGH: usize = 104;
const LN2_LOW: usize = 112;
const SMALLEST_NORMAL: usize = 120;

const NUMBERS: usize = memory.data<f64>(
  [
    0.3333333333333333, 0.2, 0.14285714285714285, 0.1111111111111111, 0.09090909090909091, 0.07692307692307693,
    0.06666666666666667, 0.058823529411764705, 0.05263157894736842, 0.047619047619047616, 1.0, 6755399441055744.0,
    0.7071067811865476, 0.6931471803691238, 1.9082149292705877e-10, 2.2250738585072014e-308,
  ],
  16,
);

/**
 * log(1 + e) by lanes for e in [0, 1]: s = e / (2 + e) is at most 1/3. Keeps the relative accuracy of small e, where
 * 1 + e would round to 1. Measured: relative error below 2.5e-7.
 */
@inline
export function log1p4(e: v128): v128 {
  const s = f32x4.div(e, f32x4.add(e, f32x4.splat(2)));
  const square = f32x4.mul(s, s);
  let p = fma(single(S7), square, single(S6));
  p = fma(p, square, single(S5));
  p = fma(p, square, single(S4));
  p = fma(p, square, single(S3));
  p = fma(p, square, single(S2));
  p = fma(p, square, single(S1));
  const twice = f32x4.add(s, s);
  return fma(f32x4.mul(twice, square), p, twice);
}

/**
 * log(1 + e) of two float64, e in [0, 1]: the logarithm of the rounded u = 1 + e, plus the rounding error divided by u,
 * which for small e is the whole result. Measured with exp2 before it (softplus): relative error below 1.1e-15.
 */
@inline
export function log1pPair(e: v128): v128 {
  const one = number(ONE);
  const u = f64x2.add(one, e);
  return f64x2.add(logPair(u), f64x2.div(f64x2.sub(e, f64x2.sub(u, one)), u));
}

@inline
function single(offset: usize): v128 {
  return v128.load32_splat(SINGLES + offset);
}

const S1: usize = 0;
const S2: usize = 4;
const S3: usize = 8;
const S4: usize = 12;
const S5: usize = 16;
const S6: usize = 20;
const S7: usize = 24;

const SINGLES: usize = memory.data<f32>(
  [0.33333334, 0.2, 0.14285715, 0.11111111, 0.09090909, 0.07692308, 0.06666667],
  16,
);

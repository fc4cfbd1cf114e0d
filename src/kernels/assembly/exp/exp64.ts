// The exponential of two non-positive float64 numbers: exp.ts in the other element type.
import { fma64 } from '../vectors/fma';
import { exp4 } from './exp';

/**
 * exp(d) by lanes for d <= 0: n = round(d / ln 2), r = d - n ln 2, 2^n times a polynomial in r.
 * Exactly 1 at ±0, exactly 0 from about -708.8 down to -Infinity (denormal results are not made), NaN for NaN.
 * Measured on [-708, 0]: within 1.17 ulp (portable), 0.82 ulp (fast).
 */
@inline
export function exp2(d: v128): v128 {
  // pmax(x, y) is one instruction and gives x, also when x is NaN, unless x < y.
  d = f64x2.pmax(d, constant64(EXP64_FLOOR));
  const shifted = fma64(d, constant64(LOG2_E), constant64(EXP64_ROUND_AND_BIAS));
  const n = f64x2.sub(shifted, constant64(EXP64_ROUND_AND_BIAS));
  const r = fma64(n, constant64(MINUS_LN2_LOW), fma64(n, constant64(MINUS_LN2_HIGH), d));
  const p = fma64(expMinusOneOverR64(r), r, constant64(EXP64_ONE));
  // The low bits of `shifted` are n + 1023: as an exponent field they are 2^n, and 0 for n = -1023.
  return f64x2.mul(p, i64x2.shl(shifted, 52));
}

/** exp4 or exp2 of vectors of T, d <= 0. */
@inline
export function expOf<T>(d: v128): v128 {
  return sizeof<T>() == 4 ? exp4(d) : exp2(d);
}

/** (exp(r) - 1) / r on |r| <= ln 2 / 2. */
@inline
export function expMinusOneOverR64(r: v128): v128 {
  let p = fma64(constant64(EXP64_C11), r, constant64(EXP64_C10));
  p = fma64(p, r, constant64(EXP64_C9));
  p = fma64(p, r, constant64(EXP64_C8));
  p = fma64(p, r, constant64(EXP64_C7));
  p = fma64(p, r, constant64(EXP64_C6));
  p = fma64(p, r, constant64(EXP64_C5));
  p = fma64(p, r, constant64(EXP64_C4));
  p = fma64(p, r, constant64(EXP64_C3));
  p = fma64(p, r, constant64(EXP64_C2));
  return fma64(p, r, constant64(EXP64_ONE));
}

/** A constant in both lanes, `slot` a number below; loaded for the reason given in exp-constants.ts. */
@inline
export function constant64(slot: usize): v128 {
  return v128.load(CONSTANTS_64 + (slot << 4));
}

export const LOG2_E: usize = 0;
/** 1.5 · 2^52 + 1023: adding it rounds a small number to an integer, with the exponent's bias, in the low bits. */
export const EXP64_ROUND_AND_BIAS: usize = 1;
/** -1023 ln 2, where the scale 2^n becomes 0. */
export const EXP64_FLOOR: usize = 2;
/** ln 2 in two parts: the high one has 42 bits, so that its product with any n from -1023 to 0 is exact. */
export const MINUS_LN2_HIGH: usize = 3;
export const MINUS_LN2_LOW: usize = 4;
/**
 * exp(r) on |r| <= ln 2 / 2 as 1 + r + c2 r² + … + c11 r¹¹: a minimax fit (Remez, 50 digits) of the relative error with
 * c0 = c1 = 1 fixed (so that exp(0) is exactly 1), then rounded to float64; relative error 0.10 · 2^-53.
 */
const EXP64_C11: usize = 5;
const EXP64_C10: usize = 6;
const EXP64_C9: usize = 7;
const EXP64_C8: usize = 8;
const EXP64_C7: usize = 9;
const EXP64_C6: usize = 10;
const EXP64_C5: usize = 11;
const EXP64_C4: usize = 12;
const EXP64_C3: usize = 13;
const EXP64_C2: usize = 14;
const EXP64_ONE: usize = 15;

// biome-ignore format: a constant a line
const CONSTANTS_64: usize = memory.data<f64>(
  [
    1.4426950408889634, 1.4426950408889634,
    6755399441056767.0, 6755399441056767.0,
    -709.0895657128241, -709.0895657128241,
    -0.6931471805598903, -0.6931471805598903,
    -5.497923018708371e-14, -5.497923018708371e-14,
    2.500007959653487e-8, 2.500007959653487e-8,
    2.763023395309068e-7, 2.763023395309068e-7,
    2.7557586242936957e-6, 2.7557586242936957e-6,
    2.4801493135925258e-5, 2.4801493135925258e-5,
    0.00019841269506806148, 0.00019841269506806148,
    0.0013888888943598165, 0.0013888888943598165,
    0.00833333333349432, 0.00833333333349432,
    0.041666666666530267, 0.041666666666530267,
    0.16666666666666413, 0.16666666666666413,
    0.5000000000000011, 0.5000000000000011,
    1.0, 1.0,
  ],
  16,
);

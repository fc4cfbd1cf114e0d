// Logarithms of sums of exponentials of z - max: of four rows at a time, or of one with the same bits.
//
// A sum is at least 1, the largest term, or NaN. A sum below 1 excludes the largest term: the result is then log1p of
// it, with all the digits of a small sum.
//
// sum = 2^k (1 + excess) with 1 + excess in [√½, √2), or excess = sum and k = 0 where the 1 was left out (below ½ then).
// log = k ln 2 + 2 artanh(s), s = excess / (2 + excess), |s| <= 0.2. Relative error of the polynomial 2.4e-11.

import { highPair, lowPair } from '../vectors/float64-pairs';
import { fma64 } from '../vectors/fma';

/** excess of float32 sums by lanes. */
@inline
function excessesOf(sums: v128): v128 {
  const mantissas = i32x4.sub(sums, i32x4.shl(exponentBits(sums), 23));
  const one = constant(ONE);
  // NaN goes the other way, and stays.
  return v128.bitselect(f32x4.sub(mantissas, one), sums, f32x4.ge(sums, one));
}

/** k of float32 sums by lanes, Int32. */
@inline
function exponentsOf(sums: v128): v128 {
  return v128.and(exponentBits(sums), f32x4.ge(sums, constant(ONE)));
}

@inline
function exponentBits(sums: v128): v128 {
  return i32x4.shr_s(i32x4.sub(sums, constant(SQRT_HALF)), 23);
}

/** Float64 logarithms of four float32 sums. */
@inline
export function storeLogs(to: usize, sums: v128): void {
  const excesses = excessesOf(sums);
  const exponents = exponentsOf(sums);
  const high = v128.shuffle<i64>(exponents, exponents, 1, 1);
  v128.store(to, logsFrom(lowPair(excesses), f64x2.convert_low_i32x4_s(exponents)));
  v128.store(to, logsFrom(highPair(excesses), f64x2.convert_low_i32x4_s(high)), 16);
}

/** Of one sum in float64. */
@inline
export function logOfSum(sum: f64): f64 {
  let excess = sum;
  let exponent: i64 = 0;
  if (sum >= 1) {
    const bits = reinterpret<i64>(sum);
    exponent = (bits - reinterpret<i64>(0.7071067811865476)) >> 52;
    excess = reinterpret<f64>(bits - (exponent << 52)) - 1;
  }
  return f64x2.extract_lane(logsFrom(f64x2.splat(excess), f64x2.splat(<f64>exponent)), 0);
}

@inline
function logsFrom(excesses: v128, exponents: v128): v128 {
  const s = f64x2.div(excesses, f64x2.add(excesses, number(TWO)));
  const square = f64x2.mul(s, s);
  const p = fma64(fma64(fma64(number(A4), square, number(A3)), square, number(A2)), square, number(A1));
  const twice = f64x2.add(s, s);
  return fma64(exponents, number(LN2), fma64(f64x2.mul(twice, square), p, twice));
}

@inline
function constant(offset: usize): v128 {
  return v128.load(CONSTANTS + offset);
}

const ONE: usize = 0;
/** √½: subtracting its bits from those of a sum leaves k in the exponent field. */
const SQRT_HALF: usize = 16;

// The smallest float32 that is not below the float64 of logOfSum: a float32 sum has the same k in both.
const CONSTANTS: usize = memory.data<f32>([1.0, 1.0, 1.0, 1.0, 0.70710683, 0.70710683, 0.70710683, 0.70710683], 16);

@inline
function number(offset: usize): v128 {
  return v128.load(NUMBERS + offset);
}

const A1: usize = 0;
const A2: usize = 16;
const A3: usize = 32;
const A4: usize = 48;
const TWO: usize = 64;
const LN2: usize = 80;

/** artanh(s) = s + s³ (a1 + a2 s² + …): a minimax fit of the relative error on |s| <= 0.2. */
const NUMBERS: usize = memory.data<f64>(
  [
    0.3333333151899995, 0.3333333151899995, 0.2000043588368532, 0.2000043588368532, 0.1425328016127521,
    0.1425328016127521, 0.1205356882270442, 0.1205356882270442, 2.0, 2.0, 0.6931471805599453, 0.6931471805599453,
  ],
  16,
);

// From logits to scores, the input of the softmax: soft cap, temperature, mask.
import { LOSS_SOFTCAP, LOSS_TEMPERATURE } from '../../loss-layout';
import { expMinusOneOverR } from '../exp/exp';
import { constant, EXP_FLOOR, LOG2_E, MINUS_LN2_HIGH, MINUS_LN2_LOW, ROUND_AND_BIAS } from '../exp/exp-constants';
import * as exp64 from '../exp/exp64';
import { fma, fma64 } from '../vectors/fma';
import { is, N0, N1 } from '../vectors/type-numbers';
import { firstLanes, keptLanes, keptLanesOfSome, lanesOf, largestLane, loadSome } from '../vectors/typed-vectors';

/**
 * scores = softcap(logits) / temperature, -Infinity where a mask byte is 0, and up to whole vectors; with a cap also
 * capSlopes = d softcap / d logit. Returns the largest score; NaN does not count, and a row of only NaN gives -Infinity.
 */
export function loadScores<T>(
  call: usize,
  scores: usize,
  capSlopes: usize,
  logits: usize,
  mask: usize,
  columns: i32,
): T {
  if (load<f64>(call, LOSS_SOFTCAP) != 0) {
    if (mask) return transformed<T, N1, N1>(call, scores, capSlopes, logits, mask, columns);
    return transformed<T, N1, N0>(call, scores, capSlopes, logits, mask, columns);
  }
  if (mask) return transformed<T, N0, N1>(call, scores, capSlopes, logits, mask, columns);
  if (load<f64>(call, LOSS_TEMPERATURE) != 1) {
    return transformed<T, N0, N0>(call, scores, capSlopes, logits, mask, columns);
  }
  return copied<T>(scores, logits, columns);
}

function copied<T>(scores: usize, logits: usize, columns: i32): T {
  const lowest = v128.splat<T>(<T>-Infinity);
  let m0 = lowest;
  let m1 = lowest;
  let m2 = lowest;
  let m3 = lowest;
  const vectors = columns / lanesOf<T>();
  for (let groups = vectors >> 2; groups > 0; groups--) {
    const z0 = v128.load(logits);
    const z1 = v128.load(logits, 16);
    const z2 = v128.load(logits, 32);
    const z3 = v128.load(logits, 48);
    // The higher address of a pair first: see wide-simd.ts.
    v128.store(scores, z1, 16);
    v128.store(scores, z0);
    v128.store(scores, z3, 48);
    v128.store(scores, z2, 32);
    // pmax(m, x) is one instruction: m unless m < x, so a NaN in x leaves m, which is never NaN.
    m0 = v128.pmax<T>(m0, z0);
    m1 = v128.pmax<T>(m1, z1);
    m2 = v128.pmax<T>(m2, z2);
    m3 = v128.pmax<T>(m3, z3);
    logits += 64;
    scores += 64;
  }
  for (let single = vectors & 3; single > 0; single--) {
    const z = v128.load(logits);
    v128.store(scores, z);
    m0 = v128.pmax<T>(m0, z);
    logits += 16;
    scores += 16;
  }
  const rest = columns % lanesOf<T>();
  if (rest > 0) {
    const z = loadSome<T>(logits, rest, lowest);
    v128.store(scores, z);
    m1 = v128.pmax<T>(m1, z);
  }
  return largestLane<T>(v128.pmax<T>(v128.pmax<T>(m0, m2), v128.pmax<T>(m1, m3)));
}

function transformed<T, Capped, Masked>(
  call: usize,
  scores: usize,
  capSlopes: usize,
  logits: usize,
  mask: usize,
  columns: i32,
): T {
  const isCapped = is<Capped>();
  const isMasked = is<Masked>();
  const lanes = lanesOf<T>();
  const lowest = v128.splat<T>(<T>-Infinity);
  const cap = load<f64>(call, LOSS_SOFTCAP);
  const temperature = load<f64>(call, LOSS_TEMPERATURE);
  const divisor = v128.splat<T>(<T>(isCapped ? cap : temperature));
  const factor = v128.splat<T>(<T>(cap / temperature));
  let max = lowest;
  for (let vectors = columns / lanes; vectors > 0; vectors--) {
    let z = v128.load(logits);
    const kept = isMasked ? keptLanes<T>(mask) : z;
    // A masked logit is not read: it may be NaN, and must not spoil the slope.
    if (isMasked) z = v128.and(z, kept);
    let u = v128.div<T>(z, divisor);
    if (isCapped) u = v128.mul<T>(tanhAndSlope<T>(u, capSlopes), factor);
    if (isMasked) u = v128.bitselect(u, lowest, kept);
    v128.store(scores, u);
    max = v128.pmax<T>(max, u);
    logits += 16;
    scores += 16;
    if (isCapped) capSlopes += 16;
    if (isMasked) mask += lanes;
  }
  const rest = columns % lanes;
  if (rest > 0) {
    let z = loadSome<T>(logits, rest, v128.splat<T>(0));
    const kept = isMasked ? keptLanesOfSome<T>(mask, rest) : z;
    if (isMasked) z = v128.and(z, kept);
    let u = v128.div<T>(z, divisor);
    if (isCapped) u = v128.mul<T>(tanhAndSlope<T>(u, capSlopes), factor);
    u = isMasked ? v128.bitselect(u, lowest, kept) : firstLanes<T>(u, rest, lowest);
    v128.store(scores, u);
    max = v128.pmax<T>(max, u);
  }
  return largestLane<T>(max);
}

/**
 * tanh(x), and at `slopes` its derivative 1 - tanh² by lanes. With m = exp(-2|x|) - 1, computed without subtracting
 * from 1:
 *
 *   |tanh x| = -m / (2 + m)        1 - tanh² x = 4 exp(-2|x|) / (2 + m)²
 *
 * so that neither small nor large |x| lose digits. tanh(±Infinity) = ±1 with slope 0, NaN stays NaN. Measured with the
 * rounding of x = z / cap: cap · tanh(x) within 3.6 · 2^-24 of its size in float32, 5 · 2^-53 in float64; the slope
 * within 8 + 2|x| of these units, the second part from the rounding of x.
 */
@inline
function tanhAndSlope<T>(x: v128, slopes: usize): v128 {
  const d = v128.mul<T>(v128.abs<T>(x), own<T>(MINUS_TWO));
  // As exp4 and exp2: exp(d) = 2^n (1 + m0), m0 = exp(r) - 1.
  const floored = v128.pmax<T>(d, floorOf<T>());
  const shifted = multiplyAdd<T>(floored, log2EOf<T>(), biasOf<T>());
  const n = v128.sub<T>(shifted, biasOf<T>());
  const r = multiplyAdd<T>(n, minusLn2LowOf<T>(), multiplyAdd<T>(n, minusLn2HighOf<T>(), floored));
  const m0 = v128.mul<T>(sizeof<T>() == 4 ? expMinusOneOverR(r) : exp64.expMinusOneOverR64(r), r);
  const power = sizeof<T>() == 4 ? i32x4.shl(shifted, 23) : i64x2.shl(shifted, 52);
  const e = multiplyAdd<T>(m0, power, power);
  const minusM = v128.sub<T>(v128.sub<T>(own<T>(ONE), power), v128.mul<T>(m0, power));
  const quotient = v128.div<T>(own<T>(ONE), v128.sub<T>(own<T>(TWO), minusM));
  const twice = v128.add<T>(quotient, quotient);
  v128.store(slopes, v128.mul<T>(e, v128.mul<T>(twice, twice)));
  return v128.or(v128.mul<T>(minusM, quotient), v128.and(x, own<T>(SIGN)));
}

const ONE: usize = 0;
const TWO: usize = 1;
const MINUS_TWO: usize = 2;
const SIGN: usize = 3;

/** A constant of tanhAndSlope in all lanes, loaded for the reason given in exp-constants.ts. */
@inline
function own<T>(slot: usize): v128 {
  return v128.load((sizeof<T>() == 4 ? CONSTANTS_32 : CONSTANTS_64) + (slot << 4));
}

const CONSTANTS_32: usize = memory.data<f32>(
  [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, -2.0, -2.0, -2.0, -2.0, -0.0, -0.0, -0.0, -0.0],
  16,
);
const CONSTANTS_64: usize = memory.data<f64>([1.0, 1.0, 2.0, 2.0, -2.0, -2.0, -0.0, -0.0], 16);

@inline
function multiplyAdd<T>(a: v128, b: v128, c: v128): v128 {
  return sizeof<T>() == 4 ? fma(a, b, c) : fma64(a, b, c);
}

@inline
function floorOf<T>(): v128 {
  return sizeof<T>() == 4 ? constant(EXP_FLOOR) : exp64.constant64(exp64.EXP64_FLOOR);
}

@inline
function log2EOf<T>(): v128 {
  return sizeof<T>() == 4 ? constant(LOG2_E) : exp64.constant64(exp64.LOG2_E);
}

@inline
function biasOf<T>(): v128 {
  return sizeof<T>() == 4 ? constant(ROUND_AND_BIAS) : exp64.constant64(exp64.EXP64_ROUND_AND_BIAS);
}

@inline
function minusLn2HighOf<T>(): v128 {
  return sizeof<T>() == 4 ? constant(MINUS_LN2_HIGH) : exp64.constant64(exp64.MINUS_LN2_HIGH);
}

@inline
function minusLn2LowOf<T>(): v128 {
  return sizeof<T>() == 4 ? constant(MINUS_LN2_LOW) : exp64.constant64(exp64.MINUS_LN2_LOW);
}

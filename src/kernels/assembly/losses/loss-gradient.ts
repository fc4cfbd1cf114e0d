// The gradient of one row of cross-entropy with options, from the row's scratch.
import { LOSS_GRAD_LOSSES, LOSS_SCALE, LOSS_SOFTCAP, LOSS_TEMPERATURE, LOSS_Z_LOSS } from '../../loss-layout';
import { fillRowWithNaN } from '../vectors/not-a-number';
import { is, N0, N1 } from '../vectors/type-numbers';
import { lanesOf, storeSome } from '../vectors/typed-vectors';
import {
  capSlopesOf,
  coefficientsOf,
  ROW_COEFFICIENT_AT_TARGET,
  ROW_COEFFICIENT_SUM,
  ROW_DOMINANT,
  ROW_EXPONENTIALS,
  ROW_HAS_COEFFICIENTS,
  ROW_LOG_SUM,
  ROW_MAX,
  ROW_OTHERS,
  ROW_SUM,
  ROW_TARGET,
  ROW_WEIGHT,
} from './loss-scratch';
import { sumWithout } from './loss-sums';

/**
 * gradient = a · ((C + 2 zLoss lse) p - c) · capSlope, C the sum of the coefficients c and a all factors together. A row
 * without softmax is NaN throughout, and so is one whose factors overflow T.
 */
export function gradientRow<T>(
  call: usize,
  scratch: usize,
  gradient: usize,
  mask: usize,
  index: i32,
  columns: i32,
): void {
  let a = load<f64>(call, LOSS_SCALE) * load<f64>(scratch, ROW_WEIGHT);
  const gradOutput = <usize>load<u32>(call, LOSS_GRAD_LOSSES);
  if (gradOutput) a *= <f64>load<T>(gradOutput + <usize>index * sizeof<T>());
  a /= load<f64>(call, LOSS_TEMPERATURE);
  const logSumExp = load<f64>(scratch, ROW_MAX) + load<f64>(scratch, ROW_LOG_SUM);
  const zSlope = 2 * load<f64>(call, LOSS_Z_LOSS) * logSumExp;
  const coefficientSum = load<f64>(scratch, ROW_COEFFICIENT_SUM) + load<f64>(scratch, ROW_COEFFICIENT_AT_TARGET);
  const factor = <T>((a * (coefficientSum + zSlope)) / load<f64>(scratch, ROW_SUM));
  const target = load<i32>(scratch, ROW_TARGET);
  const dominant = load<i32>(scratch, ROW_DOMINANT);
  if (!isFinite<T>(factor) || !isFinite<T>(<T>a)) {
    fillRowWithNaN<T>(gradient, columns);
    return;
  }
  store<f64>(scratch, a, ROW_WEIGHT);
  const exponentials = <usize>load<u32>(scratch, ROW_EXPONENTIALS);
  const coefficients = load<i32>(scratch, ROW_HAS_COEFFICIENTS) ? coefficientsOf<T>(scratch, columns) : 0;
  const capSlopes = load<f64>(call, LOSS_SOFTCAP) != 0 ? capSlopesOf<T>(scratch, columns) : 0;
  combine<T>(gradient, exponentials, coefficients, capSlopes, columns, factor, <T>a);
  if (target >= 0 && !(mask && load<u8>(mask + <usize>target) == 0)) {
    atColumn<T>(scratch, gradient, coefficients, capSlopes, columns, target, zSlope);
  }
  if (dominant >= 0 && dominant != target) {
    atColumn<T>(scratch, gradient, coefficients, capSlopes, columns, dominant, zSlope);
  }
}

/**
 * One element in float64: at the target, which the pass over the row leaves without its one-hot part, and at the class
 * that dominates a confident row, where (C p - c) would cancel: with p = 1 - o it is (C - c) p - c o.
 */
function atColumn<T>(
  scratch: usize,
  gradient: usize,
  coefficients: usize,
  capSlopes: usize,
  columns: i32,
  column: i32,
  zSlope: f64,
): void {
  const at = <usize>column * sizeof<T>();
  const sum = load<f64>(scratch, ROW_SUM);
  const p = <f64>load<T>(<usize>load<u32>(scratch, ROW_EXPONENTIALS) + at) / sum;
  const target = load<i32>(scratch, ROW_TARGET);
  const atTarget = load<f64>(scratch, ROW_COEFFICIENT_AT_TARGET);
  let c: f64 = column == target ? atTarget : 0;
  if (coefficients) c += <f64>load<T>(coefficients + at);
  let slope: f64;
  if (column == load<i32>(scratch, ROW_DOMINANT)) {
    let rest: f64 = column == target ? 0 : atTarget;
    if (coefficients) rest += sumWithout<T>(coefficients, columns, column);
    slope = rest * p - (c * load<f64>(scratch, ROW_OTHERS)) / sum;
  } else {
    slope = (load<f64>(scratch, ROW_COEFFICIENT_SUM) + atTarget) * p - c;
  }
  let result = load<f64>(scratch, ROW_WEIGHT) * (slope + zSlope * p);
  if (capSlopes) result *= <f64>load<T>(capSlopes + at);
  store<T>(gradient + at, <T>result);
}

/** gradient = (factor · exponentials - a · coefficients) · capSlopes, the last two only where given. */
@inline
function combine<T>(
  gradient: usize,
  exponentials: usize,
  coefficients: usize,
  capSlopes: usize,
  columns: i32,
  factor: T,
  a: T,
): void {
  if (coefficients) {
    if (capSlopes) passOver<T, N1, N1>(gradient, exponentials, coefficients, capSlopes, columns, factor, a);
    else passOver<T, N1, N0>(gradient, exponentials, coefficients, capSlopes, columns, factor, a);
  } else {
    if (capSlopes) passOver<T, N0, N1>(gradient, exponentials, coefficients, capSlopes, columns, factor, a);
    else passOver<T, N0, N0>(gradient, exponentials, coefficients, capSlopes, columns, factor, a);
  }
}

function passOver<T, Dense, Capped>(
  gradient: usize,
  exponentials: usize,
  coefficients: usize,
  capSlopes: usize,
  columns: i32,
  factor: T,
  a: T,
): void {
  const factors = v128.splat<T>(factor);
  const scale = v128.splat<T>(a);
  const vectors = columns / lanesOf<T>();
  for (let groups = vectors >> 2; groups > 0; groups--) {
    const g0 = element<T, Dense, Capped>(exponentials, coefficients, capSlopes, factors, scale);
    const g1 = element<T, Dense, Capped>(exponentials + 16, coefficients + 16, capSlopes + 16, factors, scale);
    const g2 = element<T, Dense, Capped>(exponentials + 32, coefficients + 32, capSlopes + 32, factors, scale);
    const g3 = element<T, Dense, Capped>(exponentials + 48, coefficients + 48, capSlopes + 48, factors, scale);
    // The higher address of a pair first: see wide-simd.ts.
    v128.store(gradient, g1, 16);
    v128.store(gradient, g0);
    v128.store(gradient, g3, 48);
    v128.store(gradient, g2, 32);
    gradient += 64;
    exponentials += 64;
    if (is<Dense>()) coefficients += 64;
    if (is<Capped>()) capSlopes += 64;
  }
  for (let single = vectors & 3; single > 0; single--) {
    v128.store(gradient, element<T, Dense, Capped>(exponentials, coefficients, capSlopes, factors, scale));
    gradient += 16;
    exponentials += 16;
    if (is<Dense>()) coefficients += 16;
    if (is<Capped>()) capSlopes += 16;
  }
  const rest = columns % lanesOf<T>();
  if (rest > 0) {
    const g = element<T, Dense, Capped>(exponentials, coefficients, capSlopes, factors, scale);
    storeSome<T>(gradient, rest, g);
  }
}

@inline
function element<T, Dense, Capped>(
  exponentials: usize,
  coefficients: usize,
  capSlopes: usize,
  factors: v128,
  scale: v128,
): v128 {
  let g = v128.mul<T>(v128.load(exponentials), factors);
  if (is<Dense>()) g = v128.sub<T>(g, v128.mul<T>(v128.load(coefficients), scale));
  if (is<Capped>()) g = v128.mul<T>(g, v128.load(capSlopes));
  return g;
}

// The coefficients of a row's log-probabilities: smoothing, soft targets, class weights, mask.
import { LOSS_LABEL_SMOOTHING, LOSS_WEIGHT } from '../../loss-layout';
import { is, N0, N1 } from '../vectors/type-numbers';
import { firstLanes, keptLanes, keptLanesOfSome, lanesOf, loadSome } from '../vectors/typed-vectors';
import { sumOfRow } from './loss-sums';

/**
 * coefficients = weight · ((1 - labelSmoothing) · softTargets + labelSmoothing / classes), 0 up to whole vectors. Without
 * softTargets only the second term: the one-hot part is kept apart. With a mask the smoothing is divided by the number of
 * kept classes, and the others have 0. Returns the sum of the coefficients.
 */
export function loadCoefficients<T>(
  call: usize,
  coefficients: usize,
  softTargets: usize,
  mask: usize,
  columns: i32,
): f64 {
  const weight = <usize>load<u32>(call, LOSS_WEIGHT);
  if (softTargets) {
    if (weight) {
      if (mask) fill<T, N1, N1, N1>(call, coefficients, softTargets, weight, mask, columns);
      else fill<T, N1, N1, N0>(call, coefficients, softTargets, weight, mask, columns);
    } else {
      if (mask) fill<T, N1, N0, N1>(call, coefficients, softTargets, weight, mask, columns);
      else fill<T, N1, N0, N0>(call, coefficients, softTargets, weight, mask, columns);
    }
  } else {
    if (weight) {
      if (mask) fill<T, N0, N1, N1>(call, coefficients, softTargets, weight, mask, columns);
      else fill<T, N0, N1, N0>(call, coefficients, softTargets, weight, mask, columns);
    } else {
      if (mask) fill<T, N0, N0, N1>(call, coefficients, softTargets, weight, mask, columns);
      else fill<T, N0, N0, N0>(call, coefficients, softTargets, weight, mask, columns);
    }
  }
  return sumOfRow<T>(coefficients, columns);
}

function fill<T, Soft, Weighted, Masked>(
  call: usize,
  coefficients: usize,
  softTargets: usize,
  weight: usize,
  mask: usize,
  columns: i32,
): void {
  const lanes = lanesOf<T>();
  const smoothing = load<f64>(call, LOSS_LABEL_SMOOTHING);
  const share = v128.splat<T>(<T>(1 - smoothing));
  const kept = is<Masked>() ? keptCount(mask, columns) : columns;
  const spread = v128.splat<T>(<T>(smoothing / <f64>kept));
  for (let vectors = columns / lanes; vectors > 0; vectors--) {
    let c = is<Soft>() ? v128.add<T>(v128.mul<T>(v128.load(softTargets), share), spread) : spread;
    if (is<Weighted>()) c = v128.mul<T>(c, v128.load(weight));
    if (is<Masked>()) c = v128.and(c, keptLanes<T>(mask));
    v128.store(coefficients, c);
    coefficients += 16;
    if (is<Soft>()) softTargets += 16;
    if (is<Weighted>()) weight += 16;
    if (is<Masked>()) mask += lanes;
  }
  const rest = columns % lanes;
  if (rest > 0) {
    const zero = v128.splat<T>(0);
    let c = is<Soft>() ? v128.add<T>(v128.mul<T>(loadSome<T>(softTargets, rest, zero), share), spread) : spread;
    if (is<Weighted>()) c = v128.mul<T>(c, loadSome<T>(weight, rest, zero));
    if (is<Masked>()) c = v128.and(c, keptLanesOfSome<T>(mask, rest));
    v128.store(coefficients, firstLanes<T>(c, rest, zero));
  }
}

/** How many mask bytes are not 0. */
function keptCount(mask: usize, columns: i32): i32 {
  let kept = 0;
  for (let vectors = columns >> 4; vectors > 0; vectors--) {
    kept += popcnt(i8x16.bitmask(i8x16.ne(v128.load(mask), i8x16.splat(0))));
    mask += 16;
  }
  for (let rest = columns & 15; rest > 0; rest--) {
    kept += <i32>(load<u8>(mask) != 0);
    mask += 1;
  }
  return kept;
}

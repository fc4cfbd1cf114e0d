// Cross-entropy of probabilities: the textbook's -Σ y log a, with a floor under a.
import { STATUS_OK } from '../../layout';
import { TYPE_FLOAT64 } from '../../loss-layout';
import { logPair } from '../exp/log';
import { loadPair, loadVector, storePair, sumOfPair } from '../vectors/float64-pairs';
import { storeFloat, storeFloat64 } from '../vectors/not-a-number';
import { lanesOf } from '../vectors/typed-vectors';

/** loss = -Σ y log max(a, floor), gradient = -scale · y / a, 0 below the floor; see the contract in row-loss-kernels.ts. */
export function probabilityLossRows(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  probabilities: usize,
  targets: usize,
  targetProbabilities: usize,
  type: i32,
  rows: i32,
  columns: i32,
  floor: f64,
  scale: f64,
): i32 {
  if (type == TYPE_FLOAT64)
    return rowsOf<f64>(
      gradient,
      gradOutput,
      losses,
      sums,
      probabilities,
      targets,
      targetProbabilities,
      rows,
      columns,
      floor,
      scale,
    );
  return rowsOf<f32>(
    gradient,
    gradOutput,
    losses,
    sums,
    probabilities,
    targets,
    targetProbabilities,
    rows,
    columns,
    floor,
    scale,
  );
}

function rowsOf<T>(
  gradient: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  probabilities: usize,
  targets: usize,
  targetProbabilities: usize,
  rows: i32,
  columns: i32,
  floor: f64,
  scale: f64,
): i32 {
  const rowBytes = <usize>columns * sizeof<T>();
  let total = load<f64>(sums);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const rowScale = gradOutput ? scale * <f64>load<T>(gradOutput + <usize>i * sizeof<T>()) : scale;
    let loss: f64;
    if (targets) {
      const target = load<i32>(targets + ((<usize>i) << 2));
      if (<u32>target >= <u32>columns) {
        status = i;
        break;
      }
      loss = oneHotLoss<T>(gradient, probabilities, target, rowBytes, floor, rowScale);
    } else {
      if (!areTargetProbabilities<T>(targetProbabilities, columns)) {
        status = i;
        break;
      }
      loss = denseLoss<T>(gradient, probabilities, targetProbabilities, columns, floor, rowScale);
      targetProbabilities += rowBytes;
    }
    if (losses) storeFloat<T>(losses + <usize>i * sizeof<T>(), loss);
    total += loss;
    probabilities += rowBytes;
    if (gradient) gradient += rowBytes;
  }
  storeFloat64(sums, total);
  return status;
}

/** Whether all are at least 0 and finite. */
export function areTargetProbabilities<T>(row: usize, columns: i32): bool {
  const zero = v128.splat<T>(0);
  const infinity = v128.splat<T>(<T>Infinity);
  for (let count = columns; count > 0; count -= lanesOf<T>()) {
    const y = loadVector<T>(row, count, 0);
    // A comparison sets all bits of a lane or none, so both halves of a float64 agree.
    if (!i32x4.all_true(v128.and(v128.ge<T>(y, zero), v128.lt<T>(y, infinity)))) return false;
    row += 16;
  }
  return true;
}

function oneHotLoss<T>(gradient: usize, row: usize, target: i32, rowBytes: usize, floor: f64, scale: f64): f64 {
  const cell = <usize>target * sizeof<T>();
  // Before the first store: the gradient may overwrite the probabilities.
  const probability = <f64>load<T>(row + cell);
  const a = probability < floor ? floor : probability;
  if (gradient) {
    memory.fill(gradient, 0, rowBytes);
    if (!(probability < floor)) storeFloat<T>(gradient + cell, -scale / a);
  }
  return 0 - Math.log(a);
}

function denseLoss<T>(gradient: usize, row: usize, targetRow: usize, columns: i32, floor: f64, scale: f64): f64 {
  const floors = f64x2.splat(floor);
  const scales = f64x2.splat(scale);
  let sum = f64x2.splat(0);
  for (let count = columns; count > 0; count -= 2) {
    const a = loadPair<T>(row, count, 1);
    const y = loadPair<T>(targetRow, count, 0);
    const divisors = divisor(a, y, floors);
    sum = f64x2.sub(sum, f64x2.mul(y, logPair(divisors)));
    if (gradient) {
      storePair<T>(gradient, count, slope(a, y, divisors, floors, scales));
      gradient += 2 * sizeof<T>();
    }
    row += 2 * sizeof<T>();
    targetRow += 2 * sizeof<T>();
  }
  return sumOfPair(sum);
}

/** max(a, floor); 1 where y is 0, so that such a term is 0 for any a but NaN. */
@inline
function divisor(a: v128, y: v128, floors: v128): v128 {
  // pmax(x, y) gives x, also when that is NaN, unless x < y.
  const unused = v128.and(f64x2.eq(y, f64x2.splat(0)), f64x2.eq(a, a));
  return v128.bitselect(f64x2.splat(1), f64x2.pmax(a, floors), unused);
}

/** -scale · y / a, and 0 below the floor; 0 less the quotient, so that y = 0 gives 0 and not -0. */
@inline
function slope(a: v128, y: v128, divisors: v128, floors: v128, scales: v128): v128 {
  const quotient = f64x2.div(f64x2.mul(y, scales), divisors);
  return v128.andnot(f64x2.sub(f64x2.splat(0), quotient), f64x2.lt(a, floors));
}

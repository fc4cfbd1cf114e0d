// Kullback-Leibler divergence of a student's softmax from a teacher's, alone or mixed with cross-entropy: distillation.
//
// Σ q log(q / p) is a small difference of large terms where student and teacher nearly agree. Since Σ p = 1, it equals
//
//   Σ (q log(q / p) - q + p) + (Σ q - 1) = Σ q (exp(r) - 1 - r) + (Σ q - 1)     r = log p - log q
//
// whose terms are all at least 0: nothing cancels, and an error of log-sum-exp, the same in each r, cancels to first
// order. exp(r) - 1 - r comes from its series for |r| < ½, and as p / q - 1 - r beyond; likewise p - q = q (exp(r) - 1).
import { STATUS_OK } from '../../layout';
import { TYPE_FLOAT64 } from '../../loss-layout';
import { logPair } from '../exp/log';
import { rowMaxOf, storeExpsOf, targetLossOf } from '../rows/typed-exps';
import {
  loadHigh,
  loadLow,
  loadPair,
  oneHotPair,
  paddedRowBytes,
  storePairs,
  sumOfPair,
} from '../vectors/float64-pairs';
import { fma64 } from '../vectors/fma';
import { fillRowWithNaN, storeFloat, storeFloat64 } from '../vectors/not-a-number';
import { areTargetProbabilities } from './probability-loss';

/** See the contract in row-loss-kernels.ts. */
export function divergenceRows(
  gradLogits: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logits: usize,
  teacher: usize,
  teacherIsProbabilities: i32,
  targets: usize,
  type: i32,
  rows: i32,
  columns: i32,
  temperature: f64,
  divergenceFactor: f64,
  crossEntropyFactor: f64,
  scale: f64,
  scratch: usize,
): i32 {
  if (type == TYPE_FLOAT64)
    return rowsOf<f64>(
      gradLogits,
      gradOutput,
      losses,
      sums,
      logits,
      teacher,
      teacherIsProbabilities,
      targets,
      rows,
      columns,
      temperature,
      divergenceFactor,
      crossEntropyFactor,
      scale,
      scratch,
    );
  return rowsOf<f32>(
    gradLogits,
    gradOutput,
    losses,
    sums,
    logits,
    teacher,
    teacherIsProbabilities,
    targets,
    rows,
    columns,
    temperature,
    divergenceFactor,
    crossEntropyFactor,
    scale,
    scratch,
  );
}

function rowsOf<T>(
  gradLogits: usize,
  gradOutput: usize,
  losses: usize,
  sums: usize,
  logits: usize,
  teacher: usize,
  teacherIsProbabilities: i32,
  targets: usize,
  rows: i32,
  columns: i32,
  temperature: f64,
  divergenceFactor: f64,
  crossEntropyFactor: f64,
  scale: f64,
  scratch: usize,
): i32 {
  const rowBytes = <usize>columns * sizeof<T>();
  let lossTotal = load<f64>(sums);
  let divergenceTotal = load<f64>(sums, 8);
  let crossEntropyTotal = load<f64>(sums, 16);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const target = targets ? load<i32>(targets + ((<usize>i) << 2)) : 0;
    let loss: f64 = 0;
    if (<u32>target < <u32>columns) {
      if (teacherIsProbabilities && !areTargetProbabilities<T>(teacher, columns)) {
        status = i;
        break;
      }
      const max = rowMaxOf<T>(logits, columns);
      // Before the gradient, which may overwrite the logits.
      if (targets) {
        const crossEntropy = targetLossOf<T>(logits, columns, target, max);
        crossEntropyTotal += crossEntropy;
        if (crossEntropyFactor != 0) loss = crossEntropyFactor * crossEntropy;
      }
      const rowScale = gradOutput ? scale * <f64>load<T>(gradOutput + <usize>i * sizeof<T>()) : scale;
      const divergence = divergenceRow<T>(
        gradLogits,
        logits,
        teacher,
        teacherIsProbabilities,
        target,
        columns,
        max,
        temperature,
        (rowScale * divergenceFactor) / temperature,
        rowScale * crossEntropyFactor,
        scratch,
      );
      divergenceTotal += divergence;
      if (divergenceFactor != 0) loss += divergenceFactor * divergence;
      if (gradLogits && loss != loss) fillRowWithNaN<T>(gradLogits, columns);
    } else if (gradLogits) {
      memory.fill(gradLogits, 0, rowBytes);
    }
    if (losses) storeFloat<T>(losses + <usize>i * sizeof<T>(), loss);
    lossTotal += loss;
    logits += rowBytes;
    teacher += rowBytes;
    if (gradLogits) gradLogits += rowBytes;
  }
  storeFloat64(sums, lossTotal);
  storeFloat64(sums + 8, divergenceTotal);
  storeFloat64(sums + 16, crossEntropyTotal);
  return status;
}

/**
 * The divergence; and gradient = divergenceScale · (p Σ q - q) + crossEntropyScale · (softmax(z) - one-hot(target)).
 * exps: three padded rows (float64-pairs.ts).
 */
function divergenceRow<T>(
  gradient: usize,
  row: usize,
  teacherRow: usize,
  teacherIsProbabilities: i32,
  target: i32,
  columns: i32,
  max: T,
  temperature: f64,
  divergenceScale: f64,
  crossEntropyScale: f64,
  exps: usize,
): f64 {
  const inverse = 1 / temperature;
  const expsBytes = paddedRowBytes<T>(columns);
  const teacherExps = exps + expsBytes;
  const hardExps = teacherExps + expsBytes;
  const sum = storeExpsOf<T>(exps, row, columns, max, inverse);
  const logSumExp = <f64>max * inverse + Math.log(sum);
  let teacherSum: f64 = 1;
  let excess: f64 = 0;
  let shift = logSumExp;
  if (teacherIsProbabilities) {
    excess = sumOfRow<T>(teacherRow, columns) - 1;
  } else {
    const teacherMax = rowMaxOf<T>(teacherRow, columns);
    teacherSum = storeExpsOf<T>(teacherExps, teacherRow, columns, teacherMax, inverse);
    shift -= <f64>teacherMax * inverse + Math.log(teacherSum);
  }
  const withHard = gradient != 0 && crossEntropyScale != 0;
  const hardSum = withHard ? storeExpsOf<T>(hardExps, row, columns, max, 1) : 1;

  const inverses = f64x2.splat(inverse);
  const shifts = f64x2.splat(shift);
  const perSum = f64x2.splat(1 / sum);
  const perTeacherSum = f64x2.splat(1 / teacherSum);
  const excesses = f64x2.splat(excess);
  const softScale = f64x2.splat(divergenceScale);
  const hardScale = f64x2.splat(crossEntropyScale);
  const perHardSum = f64x2.splat(1 / hardSum);
  let low = f64x2.splat(0);
  let high = low;
  for (let column = 0; column < columns; column += 4) {
    const count = columns - column;
    const at = <usize>column * sizeof<T>();
    const zLow = loadLow<T>(row + at, count, 0);
    const zHigh = loadHigh<T>(row + at, count, 0);
    const tLow = loadLow<T>(teacherRow + at, count, 0);
    const tHigh = loadHigh<T>(teacherRow + at, count, 0);
    const pLow = f64x2.mul(loadLow<T>(exps + at, 4, 0), perSum);
    const pHigh = f64x2.mul(loadHigh<T>(exps + at, 4, 0), perSum);
    let qLow = tLow;
    let qHigh = tHigh;
    let rLow: v128;
    let rHigh: v128;
    if (teacherIsProbabilities) {
      rLow = f64x2.sub(f64x2.sub(f64x2.mul(zLow, inverses), shifts), logPair(oneForZero(qLow)));
      rHigh = f64x2.sub(f64x2.sub(f64x2.mul(zHigh, inverses), shifts), logPair(oneForZero(qHigh)));
    } else {
      qLow = f64x2.mul(loadLow<T>(teacherExps + at, 4, 0), perTeacherSum);
      qHigh = f64x2.mul(loadHigh<T>(teacherExps + at, 4, 0), perTeacherSum);
      rLow = f64x2.sub(f64x2.mul(f64x2.sub(zLow, tLow), inverses), shifts);
      rHigh = f64x2.sub(f64x2.mul(f64x2.sub(zHigh, tHigh), inverses), shifts);
    }
    const restLow = expRest<T>(rLow);
    const restHigh = expRest<T>(rHigh);
    low = f64x2.add(low, divergenceTerm(pLow, qLow, rLow, restLow));
    high = f64x2.add(high, divergenceTerm(pHigh, qHigh, rHigh, restHigh));
    if (gradient) {
      // No 0 · NaN: with a factor of 0 the teacher does not count.
      let gLow = f64x2.splat(0);
      let gHigh = gLow;
      if (divergenceScale != 0) {
        gLow = f64x2.mul(softScale, fma64(pLow, excesses, difference(pLow, qLow, rLow, restLow)));
        gHigh = f64x2.mul(softScale, fma64(pHigh, excesses, difference(pHigh, qHigh, rHigh, restHigh)));
      }
      if (withHard) {
        const hLow = f64x2.mul(loadLow<T>(hardExps + at, 4, 0), perHardSum);
        const hHigh = f64x2.mul(loadHigh<T>(hardExps + at, 4, 0), perHardSum);
        gLow = fma64(hardScale, f64x2.sub(hLow, oneHotPair(target - column)), gLow);
        gHigh = fma64(hardScale, f64x2.sub(hHigh, oneHotPair(target - column - 2)), gHigh);
      }
      storePairs<T>(gradient + at, count, gLow, gHigh);
    }
  }
  return sumOfPair(f64x2.add(low, high)) + excess;
}

function sumOfRow<T>(row: usize, columns: i32): f64 {
  let sum = f64x2.splat(0);
  for (let count = columns; count > 0; count -= 2) {
    sum = f64x2.add(sum, loadPair<T>(row, count, 0));
    row += 2 * sizeof<T>();
  }
  return sumOfPair(sum);
}

@inline
function oneForZero(q: v128): v128 {
  return v128.bitselect(f64x2.splat(1), q, f64x2.eq(q, f64x2.splat(0)));
}

/** Where the series holds: never where q is 0, which leaves r undefined. */
@inline
function isNear(q: v128, r: v128): v128 {
  return v128.andnot(f64x2.lt(f64x2.abs(r), f64x2.splat(0.5)), f64x2.eq(q, f64x2.splat(0)));
}

/** exp(r) - 1 - r for |r| < ½ by its series, relative error below 1e-10, of float64 rows below 1e-17. */
@inline
function expRest<T>(r: v128): v128 {
  let p = coefficient(8);
  if (sizeof<T>() == 8) {
    p = fma64(coefficient(14), r, coefficient(13));
    p = fma64(p, r, coefficient(12));
    p = fma64(p, r, coefficient(11));
    p = fma64(p, r, coefficient(10));
    p = fma64(p, r, coefficient(9));
    p = fma64(p, r, coefficient(8));
  }
  p = fma64(p, r, coefficient(7));
  p = fma64(p, r, coefficient(6));
  p = fma64(p, r, coefficient(5));
  p = fma64(p, r, coefficient(4));
  p = fma64(p, r, coefficient(3));
  p = fma64(p, r, coefficient(2));
  p = fma64(p, r, coefficient(1));
  p = fma64(p, r, coefficient(0));
  return f64x2.mul(f64x2.mul(r, r), p);
}

/** q log(q / p) - q + p; p where q is 0, Infinity where only p is 0. */
@inline
function divergenceTerm(p: v128, q: v128, r: v128, rest: v128): v128 {
  const far = f64x2.sub(f64x2.sub(p, q), f64x2.mul(q, r));
  const term = v128.bitselect(f64x2.mul(q, rest), far, isNear(q, r));
  return v128.bitselect(p, term, f64x2.eq(q, f64x2.splat(0)));
}

/** p - q. */
@inline
function difference(p: v128, q: v128, r: v128, rest: v128): v128 {
  return v128.bitselect(f64x2.mul(q, f64x2.add(r, rest)), f64x2.sub(p, q), isNear(q, r));
}

@inline
function coefficient(index: usize): v128 {
  return v128.load64_splat(COEFFICIENTS + (index << 3));
}

/** 1 / (index + 2)! */
const COEFFICIENTS: usize = memory.data<f64>(
  [
    0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889, 0.0001984126984126984,
    2.48015873015873e-5, 2.7557319223985893e-6, 2.755731922398589e-7, 2.505210838544172e-8, 2.08767569878681e-9,
    1.6059043836821613e-10, 1.1470745597729725e-11, 7.647163731819816e-13, 4.779477332387385e-14,
  ],
  16,
);

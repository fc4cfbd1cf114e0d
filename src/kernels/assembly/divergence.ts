// Kullback-Leibler divergence of a student's softmax from a teacher's, alone or mixed with cross-entropy: distillation.
//
// Σ q log(q / p) is a small difference of large terms where student and teacher nearly agree. Since Σ p = 1, it equals
//
//   Σ (q log(q / p) - q + p) + (Σ q - 1) = Σ q (exp(r) - 1 - r) + (Σ q - 1)     r = log p - log q
//
// whose terms are all at least 0: nothing cancels, and an error of log-sum-exp, the same in each r, cancels to first
// order. exp(r) - 1 - r comes from its series for |r| < ½, and as p / q - 1 - r beyond; likewise p - q = q (exp(r) - 1).
import { STATUS_OK } from "../layout";
import { highPair, joinPairs, loadLanes, lowPair, oneHotLanes, storeLanes, sumOfPairs } from "./few-lanes";
import { fma64 } from "./fma";
import { logPair } from "./log";
import { fillWithNaN, storeFloat32, storeFloat64 } from "./not-a-number";
import { areTargetProbabilities } from "./probability-loss";
import { storeExps, targetLoss } from "./row-exps";
import { sumOfExps } from "./row-sums";
import { rowMax } from "./rows";

/** See the contract in other-loss-kernels.ts. */
export function divergenceRows(
  gradLogits: usize,
  gradLosses: usize,
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
  const rowBytes = <usize>columns << 2;
  let lossTotal = load<f64>(sums);
  let divergenceTotal = load<f64>(sums, 8);
  let crossEntropyTotal = load<f64>(sums, 16);
  let status = STATUS_OK;
  for (let i = 0; i < rows; i++) {
    const target = targets ? load<i32>(targets + (<usize>i << 2)) : 0;
    let loss: f64 = 0;
    if (<u32>target < <u32>columns) {
      if (teacherIsProbabilities && !areTargetProbabilities(teacher, columns)) {
        status = i;
        break;
      }
      const max = rowMax(logits, columns);
      // Before the gradient, which may overwrite the logits.
      if (targets) {
        const crossEntropy = targetLoss(logits, columns, target, max, sumOfExps(logits, columns, max));
        crossEntropyTotal += crossEntropy;
        if (crossEntropyFactor != 0) loss = crossEntropyFactor * crossEntropy;
      }
      const rowScale = gradLosses ? scale * <f64>load<f32>(gradLosses + (<usize>i << 2)) : scale;
      const divergence = divergenceRow(
        gradLogits,
        logits,
        teacher,
        teacherIsProbabilities,
        target,
        columns,
        max,
        temperature,
        rowScale * divergenceFactor / temperature,
        rowScale * crossEntropyFactor,
        scratch,
      );
      divergenceTotal += divergence;
      if (divergenceFactor != 0) loss += divergenceFactor * divergence;
      if (gradLogits && loss != loss) fillWithNaN(gradLogits, columns);
    } else if (gradLogits) {
      memory.fill(gradLogits, 0, rowBytes);
    }
    if (losses) storeFloat32(losses + (<usize>i << 2), loss);
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
 * exps: three rows of columns rounded up to a multiple of 4.
 */
function divergenceRow(
  gradient: usize,
  row: usize,
  teacherRow: usize,
  teacherIsProbabilities: i32,
  target: i32,
  columns: i32,
  max: f32,
  temperature: f64,
  divergenceScale: f64,
  crossEntropyScale: f64,
  exps: usize,
): f64 {
  const inverse = 1 / temperature;
  const expsBytes = <usize>((columns + 3) & ~3) << 2;
  const teacherExps = exps + expsBytes;
  const hardExps = teacherExps + expsBytes;
  const sum = storeExps(exps, row, columns, max, <f32>inverse);
  const logSumExp = <f64>max * inverse + Math.log(sum);
  let teacherSum: f64 = 1;
  let excess: f64 = 0;
  let shift = logSumExp;
  if (teacherIsProbabilities) {
    excess = copyProbabilities(teacherExps, teacherRow, columns) - 1;
  } else {
    const teacherMax = rowMax(teacherRow, columns);
    teacherSum = storeExps(teacherExps, teacherRow, columns, teacherMax, <f32>inverse);
    shift -= <f64>teacherMax * inverse + Math.log(teacherSum);
  }
  const withHard = gradient != 0 && crossEntropyScale != 0;
  const hardSum = withHard ? storeExps(hardExps, row, columns, max, 1) : 1;

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
    const at = <usize>column << 2;
    const e = v128.load(exps + at);
    const f = v128.load(teacherExps + at);
    const z = loadLanes(row + at, count, 0);
    const pLow = f64x2.mul(lowPair(e), perSum);
    const pHigh = f64x2.mul(highPair(e), perSum);
    const qLow = f64x2.mul(lowPair(f), perTeacherSum);
    const qHigh = f64x2.mul(highPair(f), perTeacherSum);
    let rLow: v128;
    let rHigh: v128;
    if (teacherIsProbabilities) {
      rLow = f64x2.sub(f64x2.sub(f64x2.mul(lowPair(z), inverses), shifts), logPair(oneForZero(qLow)));
      rHigh = f64x2.sub(f64x2.sub(f64x2.mul(highPair(z), inverses), shifts), logPair(oneForZero(qHigh)));
    } else {
      const t = loadLanes(teacherRow + at, count, 0);
      rLow = f64x2.sub(f64x2.mul(f64x2.sub(lowPair(z), lowPair(t)), inverses), shifts);
      rHigh = f64x2.sub(f64x2.mul(f64x2.sub(highPair(z), highPair(t)), inverses), shifts);
    }
    const restLow = expRest(rLow);
    const restHigh = expRest(rHigh);
    low = f64x2.add(low, divergenceTerm(pLow, qLow, rLow, restLow));
    high = f64x2.add(high, divergenceTerm(pHigh, qHigh, rHigh, restHigh));
    if (gradient) {
      // Not 0 · NaN: with a factor of 0 the teacher does not matter.
      let gLow = f64x2.splat(0);
      let gHigh = gLow;
      if (divergenceScale != 0) {
        gLow = f64x2.mul(softScale, fma64(pLow, excesses, difference(pLow, qLow, rLow, restLow)));
        gHigh = f64x2.mul(softScale, fma64(pHigh, excesses, difference(pHigh, qHigh, rHigh, restHigh)));
      }
      if (withHard) {
        const h = v128.load(hardExps + at);
        const y = oneHotLanes(target - column);
        gLow = fma64(hardScale, f64x2.sub(f64x2.mul(lowPair(h), perHardSum), lowPair(y)), gLow);
        gHigh = fma64(hardScale, f64x2.sub(f64x2.mul(highPair(h), perHardSum), highPair(y)), gHigh);
      }
      storeLanes(gradient + at, count, joinPairs(gLow, gHigh));
    }
  }
  return sumOfPairs(low, high) + excess;
}

/** Into scratch, with zeros beyond the row; gives their sum. */
function copyProbabilities(copy: usize, row: usize, columns: i32): f64 {
  let low = f64x2.splat(0);
  let high = low;
  for (let count = columns; count > 0; count -= 4) {
    const q = loadLanes(row, count, 0);
    low = f64x2.add(low, lowPair(q));
    high = f64x2.add(high, highPair(q));
    v128.store(copy, q);
    row += 16;
    copy += 16;
  }
  return sumOfPairs(low, high);
}

@inline
function oneForZero(q: v128): v128 {
  return v128.bitselect(f64x2.splat(1), q, f64x2.eq(q, f64x2.splat(0)));
}

/** Where the series holds: not where q is 0, of which r knows nothing. */
@inline
function isNear(q: v128, r: v128): v128 {
  return v128.andnot(f64x2.lt(f64x2.abs(r), f64x2.splat(0.5)), f64x2.eq(q, f64x2.splat(0)));
}

/** exp(r) - 1 - r for |r| < ½ by its series, relative error below 1e-10. */
@inline
function expRest(r: v128): v128 {
  let p = fma64(coefficient(8), r, coefficient(7));
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
    0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889,
    0.0001984126984126984, 0.0000248015873015873, 0.0000027557319223985893, 2.755731922398589e-7,
  ],
  16,
);

// Softmax cross-entropy with every option, for rows of float32 or float64; the contract is in loss-kernels.ts.
import { STATUS_OK } from '../../layout';
import {
  LOSS_FOCAL_GAMMA,
  LOSS_IGNORE_INDEX,
  LOSS_IGNORE_INVALID,
  LOSS_LABEL_SMOOTHING,
  LOSS_LOSSES,
  LOSS_SAMPLE_WEIGHT,
  LOSS_SCALE,
  LOSS_TARGETS,
  LOSS_WEIGHT,
  LOSS_Z_LOSS,
  LOSS_ZERO_IS_NAN,
} from '../../loss-layout';
import { CONFIDENT_SUM } from '../rows/exp-unrolled';
import { storeFloat64 } from '../vectors/not-a-number';
import { loadCoefficients } from './loss-coefficients';
import { focalAtTarget, focalRow } from './loss-focal';
import { gradientRow } from './loss-gradient';
import { loadScores } from './loss-scores';
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
  ROW_TARGET_SCORE,
  ROW_WEIGHT,
  scoresOf,
  spareOf,
} from './loss-scratch';
import {
  entropyExcess,
  firstColumnOf,
  report,
  reportIgnored,
  reportOrder,
  reportProbabilities,
} from './loss-statistics';
import { sumOfExcess, sumOfExponentials, sumWithout } from './loss-sums';

export function lossRows(
  call: usize,
  sums: usize,
  gradLogits: usize,
  logits: usize,
  softTargets: usize,
  mask: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  scratch: usize,
): i32 {
  return rowsOf<f32>(
    call,
    sums,
    gradLogits,
    logits,
    softTargets,
    mask,
    false,
    0,
    rowBegin,
    rows,
    columns,
    columns,
    scratch,
  );
}

export function lossRowsAt(
  call: usize,
  sums: usize,
  gradLogits: usize,
  logits: usize,
  softTargets: usize,
  mask: usize,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  stride: i32,
  scratch: usize,
): i32 {
  return rowsOf<f32>(
    call,
    sums,
    gradLogits,
    logits,
    softTargets,
    mask,
    true,
    indices,
    rowBegin,
    rows,
    columns,
    stride,
    scratch,
  );
}

export function lossRows64(
  call: usize,
  sums: usize,
  gradLogits: usize,
  logits: usize,
  softTargets: usize,
  mask: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  scratch: usize,
): i32 {
  return rowsOf<f64>(
    call,
    sums,
    gradLogits,
    logits,
    softTargets,
    mask,
    false,
    0,
    rowBegin,
    rows,
    columns,
    columns,
    scratch,
  );
}

/** softTargets and mask: those of all rows (`whole`), or of the call's rows. */
function rowsOf<T>(
  call: usize,
  sums: usize,
  gradLogits: usize,
  logits: usize,
  softTargets: usize,
  mask: usize,
  whole: bool,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  stride: i32,
  scratch: usize,
): i32 {
  const rowBytes = <usize>columns * sizeof<T>();
  const strideBytes = <usize>stride * sizeof<T>();
  const shared = coefficientsAreShared(call, softTargets, mask);
  store<i32>(scratch, <i32>(shared || hasOwnCoefficients(call, softTargets)), ROW_HAS_COEFFICIENTS);
  store<f64>(scratch, 0, ROW_COEFFICIENT_SUM);
  if (shared) {
    const sum = loadCoefficients<T>(call, coefficientsOf<T>(scratch, columns), 0, 0, columns);
    store<f64>(scratch, sum, ROW_COEFFICIENT_SUM);
  }
  for (let i = 0; i < rows; i++) {
    const index = indices ? load<i32>(indices + ((<usize>(rowBegin + i)) << 2)) : rowBegin + i;
    const dense = <usize>(whole ? index : i);
    const softRow = softTargets ? softTargets + dense * rowBytes : 0;
    const maskRow = mask ? mask + dense * <usize>columns : 0;
    const kind = takeTarget(call, scratch, index, columns, softTargets != 0);
    if (kind == INVALID) return i;
    if (kind == IGNORED) {
      reportIgnored<T>(call, index);
      if (gradLogits) memory.fill(gradLogits, 0, rowBytes);
    } else {
      lossOfRow<T>(call, scratch, logits, softRow, maskRow, index, columns, sums);
      if (gradLogits) {
        if (load<f64>(call, LOSS_SCALE) == 0) memory.fill(gradLogits, 0, rowBytes);
        else gradientRow<T>(call, scratch, gradLogits, maskRow, index, columns);
      }
    }
    logits += strideBytes;
    if (gradLogits) gradLogits += strideBytes;
  }
  return STATUS_OK;
}

/** Smoothing alone gives every row the same coefficients, except the one-hot part: computed once a call. */
function coefficientsAreShared(call: usize, softTargets: usize, mask: usize): bool {
  return !softTargets && !mask && load<f64>(call, LOSS_LABEL_SMOOTHING) != 0 && load<f64>(call, LOSS_FOCAL_GAMMA) == 0;
}

function hasOwnCoefficients(call: usize, softTargets: usize): bool {
  return softTargets != 0 || load<f64>(call, LOSS_LABEL_SMOOTHING) != 0;
}

const VALID: i32 = 0;
const IGNORED: i32 = 1;
const INVALID: i32 = 2;

/** Whether the target of a row is valid, ignored or invalid. ROW_TARGET becomes the target. */
function takeTarget(call: usize, scratch: usize, index: i32, columns: i32, isSoft: bool): i32 {
  store<i32>(scratch, -1, ROW_TARGET);
  if (isSoft) return VALID;
  const target = load<i32>(<usize>load<u32>(call, LOSS_TARGETS) + ((<usize>index) << 2));
  if (target == load<i32>(call, LOSS_IGNORE_INDEX)) return IGNORED;
  if (<u32>target >= <u32>columns) return load<i32>(call, LOSS_IGNORE_INVALID) ? IGNORED : INVALID;
  store<i32>(scratch, target, ROW_TARGET);
  return VALID;
}

/** Fills the scratch for one row, writes its loss and statistics, and adds its loss and z-loss to sums. */
function lossOfRow<T>(
  call: usize,
  scratch: usize,
  logits: usize,
  softTargets: usize,
  mask: usize,
  index: i32,
  columns: i32,
  sums: usize,
): void {
  const scores = scoresOf(scratch);
  const max = loadScores<T>(call, scores, capSlopesOf<T>(scratch, columns), logits, mask, columns);
  store<f64>(scratch, <f64>max, ROW_MAX);
  takeCoefficients<T>(call, scratch, softTargets, mask, columns);
  reportOrder<T>(call, scratch, index, columns);
  const entropy = entropyExcess<T>(call, scratch, columns);
  const limit = limitOf<T>(scores, columns, max);
  // Before the exponentials overwrite the scores.
  const gamma = load<f64>(call, LOSS_FOCAL_GAMMA);
  const isDense = load<i32>(scratch, ROW_HAS_COEFFICIENTS) != 0;
  const coefficients = coefficientsOf<T>(scratch, columns);
  const excess = isDense && gamma == 0 ? sumOfExcess<T>(coefficients, scores, columns, max) : 0;
  const exponentials = isDense && gamma != 0 ? spareOf<T>(scratch, columns) : scores;
  const isSpoiled = load<i32>(call, LOSS_ZERO_IS_NAN) != 0 && zeroMeetsInfinity<T>(scratch, mask, columns);
  const sum = takeSum<T>(scratch, exponentials, columns, max);

  let crossEntropy: f64 = NaN;
  if (sum == sum) {
    const logSum = load<f64>(scratch, ROW_LOG_SUM);
    if (gamma == 0) {
      crossEntropy = excess + load<f64>(scratch, ROW_COEFFICIENT_SUM) * logSum + lossAtTarget(scratch);
    } else {
      crossEntropy = focalAtTarget(scratch, gamma);
      if (isDense) crossEntropy += focalRow<T>(scratch, coefficients, scores, columns, gamma);
    }
    if (isSpoiled) crossEntropy = NaN;
  }
  reportProbabilities<T>(call, scratch, index, limit, entropy);
  const logSumExp = <f64>max + load<f64>(scratch, ROW_LOG_SUM);
  const zLoss = load<f64>(call, LOSS_Z_LOSS);
  const z = zLoss == 0 ? 0 : zLoss * logSumExp * logSumExp;
  const weights = <usize>load<u32>(call, LOSS_SAMPLE_WEIGHT);
  const weight: f64 = weights ? <f64>load<T>(weights + <usize>index * sizeof<T>()) : 1;
  store<f64>(scratch, weight, ROW_WEIGHT);
  const loss = weight * (crossEntropy + z);
  report<T>(call, LOSS_LOSSES, index, loss);
  storeFloat64(sums, load<f64>(sums) + loss);
  storeFloat64(sums + 8, load<f64>(sums, 8) + weight * z);
}

/** The coefficients of the row: the one-hot part in ROW_COEFFICIENT_AT_TARGET, the others in their row unless shared. */
function takeCoefficients<T>(call: usize, scratch: usize, softTargets: usize, mask: usize, columns: i32): void {
  const target = load<i32>(scratch, ROW_TARGET);
  let atTarget: f64 = 0;
  if (target >= 0) {
    const weight = <usize>load<u32>(call, LOSS_WEIGHT);
    atTarget = 1 - load<f64>(call, LOSS_LABEL_SMOOTHING);
    if (weight) atTarget *= <f64>load<T>(weight + <usize>target * sizeof<T>());
    const score = load<T>(scoresOf(scratch) + <usize>target * sizeof<T>());
    store<f64>(scratch, <f64>score, ROW_TARGET_SCORE);
  }
  if (load<i32>(scratch, ROW_HAS_COEFFICIENTS) && !coefficientsAreShared(call, softTargets, mask)) {
    const coefficients = coefficientsOf<T>(scratch, columns);
    const sum = loadCoefficients<T>(call, coefficients, softTargets, mask, columns);
    store<f64>(scratch, sum, ROW_COEFFICIENT_SUM);
  }
  store<f64>(scratch, atTarget, ROW_COEFFICIENT_AT_TARGET);
}

/** Exponentials, their sum, its logarithm, and which class dominates: see loss-scratch.ts. */
function takeSum<T>(scratch: usize, exponentials: usize, columns: i32, max: T): f64 {
  let sum = sumOfExponentials<T>(exponentials, scoresOf(scratch), columns, max);
  let logSum: f64;
  let dominant = -1;
  if (sum < CONFIDENT_SUM) {
    // Only one exponential is 1, or the sum would be 2 at least.
    dominant = firstColumnOf<T>(exponentials, columns, 1);
    const others = sumWithout<T>(exponentials, columns, dominant);
    sum = 1 + others;
    logSum = Math.log1p(others);
    store<f64>(scratch, others, ROW_OTHERS);
  } else {
    logSum = Math.log(sum);
  }
  store<u32>(scratch, <u32>exponentials, ROW_EXPONENTIALS);
  store<i32>(scratch, dominant, ROW_DOMINANT);
  store<f64>(scratch, sum, ROW_SUM);
  store<f64>(scratch, logSum, ROW_LOG_SUM);
  return sum;
}

/**
 * Whether a share of 0 meets a score of -Infinity that comes from no mask: at the target, or at any class of a dense
 * row.
 */
function zeroMeetsInfinity<T>(scratch: usize, mask: usize, columns: i32): bool {
  const target = load<i32>(scratch, ROW_TARGET);
  const isDense = load<i32>(scratch, ROW_HAS_COEFFICIENTS) != 0;
  for (let j = 0; j < columns; j++) {
    if (!isDense && j != target) continue;
    if (mask && load<u8>(mask + <usize>j) == 0) continue;
    const cell = <usize>j * sizeof<T>();
    if (load<T>(scoresOf(scratch) + cell) != <T>-Infinity) continue;
    let share: f64 = j == target ? load<f64>(scratch, ROW_COEFFICIENT_AT_TARGET) : 0;
    if (isDense) share += <f64>load<T>(coefficientsOf<T>(scratch, columns) + cell);
    if (share == 0) return true;
  }
  return false;
}

/** The one-hot part of the loss without focal factor. A coefficient of 0 makes it 0, also where p is 0. */
@inline
function lossAtTarget(scratch: usize): f64 {
  const coefficient = load<f64>(scratch, ROW_COEFFICIENT_AT_TARGET);
  if (coefficient == 0) return 0;
  const distance = load<f64>(scratch, ROW_MAX) - load<f64>(scratch, ROW_TARGET_SCORE);
  return coefficient * (distance + load<f64>(scratch, ROW_LOG_SUM));
}

/** The log-sum-exp of a row without softmax: its infinite largest score, or NaN where it has one. */
@inline
function limitOf<T>(scores: usize, columns: i32, max: T): f64 {
  if (isFinite<T>(max)) return NaN;
  for (let i = 0; i < columns; i++) {
    const score = load<T>(scores + <usize>i * sizeof<T>());
    if (score != score) return NaN;
  }
  return <f64>max;
}

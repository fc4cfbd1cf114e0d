// What a model predicts for rows of logits: the class, the target's rank, the loss.
import { STATUS_OK } from '../../layout';
import { storeFloat32 } from '../vectors/not-a-number';
import { lanesOf } from '../vectors/typed-vectors';
import { rowLoss } from './cross-entropy';
import { rowMax } from './rows';

/**
 * predictions [rows], and where targets is not 0 ranks [rows] and losses [rows]; see the contract in kernels.ts.
 */
export function evaluateRows(
  predictions: usize,
  ranks: usize,
  losses: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): i32 {
  const status = evaluateFinite(predictions, ranks, losses, logits, targets, rows, columns, stride);
  const done = status == STATUS_OK ? rows : status;
  if (done > 0 && !hasOnlyFinite(logits, (done - 1) * stride + columns)) {
    leaveOutUndefined(predictions, logits, done, columns, stride);
  }
  return status;
}

/** As evaluateRows, but with some prediction for rows without softmax. */
function evaluateFinite(
  predictions: usize,
  ranks: usize,
  losses: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): i32 {
  for (let i = 0; i < rows; i++) {
    const cell = (<usize>i) << 2;
    if (targets) {
      const target = load<u32>(targets + cell);
      if (target >= <u32>columns) return i;
      const targetLogit = load<f32>(logits + ((<usize>target) << 2));
      store<i32>(ranks + cell, rankOf<f32>(logits, columns, target, targetLogit));
      storeFloat32(losses + cell, rowLoss(logits, columns, targetLogit));
    }
    store<i32>(predictions + cell, columnOf<f32>(logits, columns, rowMax(logits, columns)));
    logits += (<usize>stride) << 2;
  }
  return STATUS_OK;
}

/**
 * Whether all numbers are finite. Looks at all rows of a call at once: short rows one by one took as long as finding
 * their maxima.
 */
function hasOnlyFinite(ptr: usize, length: i32): bool {
  // z - z is +0, or NaN, whose bits are not 0.
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (; length >= 16; length -= 16) {
    const z0 = v128.load(ptr);
    const z1 = v128.load(ptr, 16);
    const z2 = v128.load(ptr, 32);
    const z3 = v128.load(ptr, 48);
    a = v128.or(a, f32x4.sub(z0, z0));
    b = v128.or(b, f32x4.sub(z1, z1));
    c = v128.or(c, f32x4.sub(z2, z2));
    d = v128.or(d, f32x4.sub(z3, z3));
    ptr += 64;
  }
  let areFinite = !v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)));
  for (; length > 0; length--) {
    const z = load<f32>(ptr);
    areFinite = areFinite && z - z == 0;
    ptr += 4;
  }
  return areFinite;
}

function leaveOutUndefined(predictions: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  for (let i = 0; i < rows; i++) {
    if (!hasSoftmax(logits, columns)) store<i32>(predictions + ((<usize>i) << 2), -1);
    logits += (<usize>stride) << 2;
  }
}

/** Whether the softmax of the row is not NaN: it holds no NaN, no +Infinity, and a number above -Infinity. */
function hasSoftmax(row: usize, columns: i32): bool {
  let isAbove = false;
  for (let column = 0; column < columns; column++) {
    const z = load<f32>(row);
    // NaN is not below anything.
    if (!(z < Infinity)) return false;
    isAbove = isAbove || z > -Infinity;
    row += 4;
  }
  return isAbove;
}

/** The first column that holds the value, or 0 where none does. */
export function columnOf<T>(row: usize, columns: i32, value: T): i32 {
  const wanted = v128.splat<T>(value);
  let column = 0;
  for (; column + lanesOf<T>() <= columns; column += lanesOf<T>()) {
    const equal = v128.eq<T>(v128.load(row), wanted);
    const found = sizeof<T>() == 4 ? i32x4.bitmask(equal) : i64x2.bitmask(equal);
    if (found) return column + <i32>ctz(found);
    row += 16;
  }
  if (sizeof<T>() == 8) return column < columns && load<T>(row) == value ? column : 0;
  for (; column < columns; column++) {
    if (load<T>(row) == value) return column;
    row += sizeof<T>();
  }
  return 0;
}

/** How many columns come before the target: with a larger logit, or with an equal one and a lower index; all for NaN. */
export function rankOf<T>(row: usize, columns: i32, target: i32, targetLogit: T): i32 {
  if (targetLogit != targetLogit) return columns;
  const after = row + <usize>target * sizeof<T>();
  return countBefore<T>(true, row, target, targetLogit) + countBefore<T>(false, after, columns - target, targetLogit);
}

/** How many of `length` numbers from ptr on are larger than the limit, or with `orEqual` not smaller. NaN counts as neither. */
@inline
function countBefore<T>(orEqual: bool, ptr: usize, length: i32, limit: T): i32 {
  const limits = v128.splat<T>(limit);
  let counts = i32x4.splat(0);
  for (let vectors = length >> (sizeof<T>() == 4 ? 2 : 1); vectors > 0; vectors--) {
    const z = v128.load(ptr);
    const isBefore = orEqual ? v128.ge<T>(z, limits) : v128.gt<T>(z, limits);
    // A comparison gives -1 where it holds.
    counts = sizeof<T>() == 4 ? i32x4.sub(counts, isBefore) : i64x2.sub(counts, isBefore);
    ptr += 16;
  }
  let count = i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 2);
  if (sizeof<T>() == 4) count += i32x4.extract_lane(counts, 1) + i32x4.extract_lane(counts, 3);
  // A loop over the only element that float64 may leave would be guessed wrong more often.
  if (sizeof<T>() == 8) return length & 1 ? count + <i32>comesBefore<T>(orEqual, ptr, limit) : count;
  for (let rest = length & 3; rest > 0; rest--) {
    count += <i32>comesBefore<T>(orEqual, ptr, limit);
    ptr += sizeof<T>();
  }
  return count;
}

@inline
function comesBefore<T>(orEqual: bool, ptr: usize, limit: T): bool {
  return orEqual ? load<T>(ptr) >= limit : load<T>(ptr) > limit;
}

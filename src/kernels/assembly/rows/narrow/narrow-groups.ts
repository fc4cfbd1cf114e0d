// Rows of few columns, 16 at a time through scratch memory. Alone such a row is too short to keep the processor busy:
// its maximum, sum and logarithm each wait for the step before. A group does each step for all rows before the next:
// exponentials four or eight vectors at a time without a gap between rows, one value per row for four rows in a vector.
//
// In a group's last quad missing rows repeat the last one, with the same results. A row has the bits of the passes of
// rows.ts wherever it stands.
import { lastLanes } from '../../exp/exp-constants';
import { storeLogs } from '../../exp/log-sums';
import { sumsOfLanes } from '../../vectors/lanes';
import { usesWideSimd } from '../../vectors/wide-simd';
import { butLargest, CONFIDENT_SUM, storeExps, storeExpsWide } from '../exp-unrolled';
import { differencesAt, exponentialsAt, logsAt, maximaAt, partsAt, sumsAt, targetLogitsAt } from './group-scratch';
import { lastOffset, loadColumn, rowAfter, storeDifferencesOfQuad } from './quads';
import { MANY, vectorsOf } from './row-widths';

/** Maxima, differences and exponentials of `rows` rows, at most GROUP_ROWS. */
@inline
export function computeGroup<Width>(logits: usize, strideBytes: usize, rows: i32, columns: i32): void {
  storeDifferences<Width>(logits, strideBytes, rows, columns);
  const vectors = ((rows + 3) >> 2) * columns;
  const to = exponentialsAt(0, columns);
  if (usesWideSimd()) storeExpsWide(to, differencesAt(0, columns), vectors);
  else storeExps(to, differencesAt(0, columns), vectors);
}

/** The same, and the logits of the targets. */
@inline
export function computeGroupWithTargets<Width>(
  logits: usize,
  strideBytes: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): void {
  computeGroup<Width>(logits, strideBytes, rows, columns);
  for (let i = 0; i < rows; i += 4) {
    const row1 = rowAfter(logits, strideBytes, i + 1 < rows);
    const row2 = rowAfter(row1, strideBytes, i + 2 < rows);
    const row3 = rowAfter(row2, strideBytes, i + 3 < rows);
    const targetLogits = loadColumn(
      logits + targetOffset(targets, i, rows),
      row1 + targetOffset(targets, i + 1, rows),
      row2 + targetOffset(targets, i + 2, rows),
      row3 + targetOffset(targets, i + 3, rows),
    );
    v128.store(targetLogitsAt(i), targetLogits);
    logits = row3 + strideBytes;
  }
}

/** The exponentials of the targets of a quad's rows, each at its byte offset within the row. */
@inline
export function targetExponentials<Width>(
  exponentials: usize,
  columns: i32,
  offset0: usize,
  offset1: usize,
  offset2: usize,
  offset3: usize,
): v128 {
  if (!vectorsOf<Width>()) {
    // Column by column, four rows side by side.
    return loadColumn(
      exponentials + (offset0 << 2),
      exponentials + 4 + (offset1 << 2),
      exponentials + 8 + (offset2 << 2),
      exponentials + 12 + (offset3 << 2),
    );
  }
  const rowBytes = (<usize>columns) << 2;
  return loadColumn(
    exponentials + offset0,
    exponentials + rowBytes + offset1,
    exponentials + 2 * rowBytes + offset2,
    exponentials + 3 * rowBytes + offset3,
  );
}

/** Byte offset of row i's target logit; missing rows repeat the last. */
@inline
export function targetOffset(targets: usize, i: i32, rows: i32): usize {
  return (<usize>load<u32>(targets + ((<usize>min(i, rows - 1)) << 2))) << 2;
}

function storeDifferences<Width>(logits: usize, strideBytes: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < rows; i += 4) {
    const row1 = rowAfter(logits, strideBytes, i + 1 < rows);
    const row2 = rowAfter(row1, strideBytes, i + 2 < rows);
    const row3 = rowAfter(row2, strideBytes, i + 3 < rows);
    const to = differencesAt(i, columns);
    v128.store(maximaAt(i), storeDifferencesOfQuad<Width>(to, logits, row1, row2, row3, columns));
    logits = row3 + strideBytes;
  }
}

/** The sums of a group's rows. */
@inline
export function computeSums<Width>(rows: i32, columns: i32): void {
  for (let i = 0; i < rows; i += 4) {
    v128.store(sumsAt(i), quadSums<Width>(false, exponentialsAt(i, columns), columns));
  }
}

// Which rows take the logarithm of the sum without the largest exponential, where the sum is below CONFIDENT_SUM.
/** All. */
export const ALL: i32 = 0;
/** Those whose target has the largest logit. */
export const LARGEST_TARGETS: i32 = 1;
/** Those whose largest logit is small, so that the logarithm is most of their log-sum-exp. */
export const SMALL_MAXIMA: i32 = 2;

/** Logarithms of the sums in float64; rows that `confident` selects keep all digits of a small one. */
@inline
export function computeLogs<Width>(confident: i32, rows: i32, columns: i32): void {
  let some = i32x4.splat(0);
  for (let i = 0; i < rows; i += 4) some = v128.or(some, areConfident(confident, i));
  // One branch for the whole group is mispredicted less often than one for each quad.
  let parts = sumsAt(0);
  if (v128.any_true(some)) {
    parts = partsAt(0);
    for (let i = 0; i < rows; i += 4) {
      const others = quadSums<Width>(true, exponentialsAt(i, columns), columns);
      v128.store(partsAt(i), v128.bitselect(others, v128.load(sumsAt(i)), areConfident(confident, i)));
    }
  }
  for (let i = 0; i < rows; i += 4) storeLogs(logsAt(i), v128.load(parts + <usize>(4 * i)));
}

@inline
export function areConfident(which: i32, i: i32): v128 {
  const sums = v128.load(sumsAt(i));
  const small = f32x4.lt(sums, f32x4.splat(<f32>CONFIDENT_SUM));
  if (which == ALL) return small;
  const maxima = v128.load(maximaAt(i));
  if (which == LARGEST_TARGETS) return v128.and(small, f32x4.eq(v128.load(targetLogitsAt(i)), maxima));
  return v128.and(small, f32x4.le(f32x4.abs(maxima), f32x4.splat(1)));
}

/**
 * Sums of the exponentials of a quad's rows, or with `others` of all but the largest, which is 1. In the order of
 * sumOfExpsAs, for the same bits: vectors alternate between two sums.
 */
@inline
function quadSums<Width>(others: bool, exponentials: usize, columns: i32): v128 {
  if (!vectorsOf<Width>()) return columnSums(others, exponentials, columns);
  const rowBytes = (<usize>columns) << 2;
  const mask = lastLanes(columns - 4 * (vectorsOf<Width>() == MANY ? columns >> 2 : vectorsOf<Width>() - 1));
  return sumsOfLanes(
    sumByLanes<Width>(others, exponentials, columns, mask),
    sumByLanes<Width>(others, exponentials + rowBytes, columns, mask),
    sumByLanes<Width>(others, exponentials + 2 * rowBytes, columns, mask),
    sumByLanes<Width>(others, exponentials + 3 * rowBytes, columns, mask),
  );
}

@inline
function sumByLanes<Width>(others: bool, row: usize, columns: i32, mask: v128): v128 {
  const vectors = vectorsOf<Width>();
  if (vectors == MANY) return manySumsByLanes(others, row, columns, mask);
  let s = v128.and(loadTerms(others, row + lastOffset(columns)), mask);
  if (vectors == 2) s = f32x4.add(loadTerms(others, row), s);
  if (vectors == 3) s = f32x4.add(f32x4.add(loadTerms(others, row), s), loadTerms(others, row + 16));
  if (vectors == 4) {
    const even = f32x4.add(loadTerms(others, row), loadTerms(others, row + 32));
    s = f32x4.add(even, f32x4.add(loadTerms(others, row + 16), s));
  }
  return s;
}

@inline
function manySumsByLanes(others: bool, row: usize, columns: i32, mask: v128): v128 {
  const tail = v128.and(loadTerms(others, row + lastOffset(columns)), mask);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  for (let groups = columns >> 4; groups > 0; groups--) {
    s0 = f32x4.add(s0, f32x4.add(loadTerms(others, row), loadTerms(others, row + 32)));
    s1 = f32x4.add(s1, f32x4.add(loadTerms(others, row + 16), loadTerms(others, row + 48)));
    row += 64;
  }
  for (let vectors = (columns >> 2) & 3; vectors > 0; vectors--) {
    const sum = f32x4.add(s0, loadTerms(others, row));
    s0 = s1;
    s1 = sum;
    row += 16;
  }
  return f32x4.add(f32x4.add(s0, tail), s1);
}

@inline
function loadTerms(others: bool, ptr: usize): v128 {
  const e = v128.load(ptr);
  return others ? butLargest(e) : e;
}

/** In rows.ts the columns are the last lanes of a vector, whose sum is (lane 0 + lane 2) + (lane 1 + lane 3). */
@inline
function columnSums(others: bool, exponentials: usize, columns: i32): v128 {
  const e0 = loadTerms(others, exponentials);
  if (columns == 1) return e0;
  const e1 = loadTerms(others, exponentials + 16);
  if (columns == 2) return f32x4.add(e0, e1);
  return f32x4.add(e1, f32x4.add(e0, loadTerms(others, exponentials + 32)));
}

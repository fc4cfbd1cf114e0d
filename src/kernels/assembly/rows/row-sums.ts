// The sum of the exponentials of one row: the same bits however many vectors are computed at a time.
import { usesWideSimd } from '../vectors/wide-simd';
import { EXACT, EXPS, STORED_EXPS, STORED_SHIFTS, unrolledExps } from './exp-unrolled';
import { loadTail } from './row-tails';

/**
 * The sum of exp(z - max) over the row, max its rowMax: at least 1, or NaN when the row has a NaN or +Infinity or no
 * finite number. What `kind` (exp-unrolled.ts) stores goes to output, which may be the row, except for the columns that
 * only the tail covers: scaleRow and shiftRow do those. tail: the row's, loaded before the call. ahead: see prefetch.ts.
 *
 * For any number of columns the additions cost less than 4e-7 of the sum.
 */
@inline
export function sumOfExpsAs(
  kind: i32,
  output: usize,
  row: usize,
  columns: i32,
  max: f32,
  tail: v128,
  ahead: usize,
): f64 {
  if (usesWideSimd() && columns >= 64) {
    if (kind == EXPS) return wideSum(row, columns, max, ahead);
    if (kind == STORED_EXPS) return wideSumStoringExps(output, row, columns, max, ahead);
    if (kind == STORED_SHIFTS) return wideSumStoringShifts(output, row, columns, max, ahead);
  }
  return unrolledExps(false, kind, output, row, columns, max, tail, ahead);
}

// Functions of their own: inlined, they would take registers from the loops that run without wide SIMD.

function wideSum(row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return unrolledExps(true, EXPS, 0, row, columns, max, loadTail(row, columns), ahead);
}

function wideSumStoringExps(output: usize, row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return unrolledExps(true, STORED_EXPS, output, row, columns, max, loadTail(row, columns), ahead);
}

function wideSumStoringShifts(output: usize, row: usize, columns: i32, max: f32, ahead: usize): f64 {
  return unrolledExps(true, STORED_SHIFTS, output, row, columns, max, loadTail(row, columns), ahead);
}

/** As sumOfExpsAs says; the row is only read. */
@inline
export function sumOfExps(row: usize, columns: i32, max: f32, ahead: usize = 0): f64 {
  return sumOfExpsAs(EXPS, 0, row, columns, max, loadTail(row, columns), ahead);
}

/**
 * As sumOfExps, but where the sum is below CONFIDENT_SUM the sum without the largest exponential, which is 1. A result
 * below 1 tells that case: no other sum is. Takes a fifth longer.
 */
export function exactSumOfExps(row: usize, columns: i32, max: f32, ahead: usize = 0): f64 {
  return sumOfExpsAs(EXACT, 0, row, columns, max, loadTail(row, columns), ahead);
}

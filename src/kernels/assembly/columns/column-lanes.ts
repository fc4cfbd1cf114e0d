// The sums over columns in the scratch of column-groups.ts, where each lane is a row: float32.

import { exp4 } from '../exp/exp';
import { LINE, maximaOf, resultsOf, totalsOf } from './column-groups';

/** Sums in float32 are this short, then gathered in float64: for any number of columns they cost less than 4.2e-7. */
const SUM_COLUMNS: i32 = 8;

@inline
function clearTotals(totals: usize): void {
  const zero = f64x2.splat(0);
  for (let offset: usize = 0; offset < 2 * LINE; offset += 16) v128.store(totals + offset, zero);
}

/** totals [4] float64 += sums. */
@inline
function addToTotals(totals: usize, sums: v128): void {
  const low = f64x2.promote_low_f32x4(sums);
  const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(sums, sums, 1, 1));
  v128.store(totals, f64x2.add(v128.load(totals), low));
  v128.store(totals, f64x2.add(v128.load(totals, 16), high), 16);
}

/** exp(z - max): stored to the line, or for a logarithm (`log`) 0 where z is max. */
@inline
function summand(log: bool, line: usize, z: v128, max: v128, isLargest: v128): v128 {
  const e = exp4(f32x4.sub(z, max));
  if (log) return v128.andnot(e, isLargest);
  v128.store(line, e);
  return e;
}

@inline
function storeReciprocals(results: usize, totals: usize): void {
  const one = f64x2.splat(1);
  const low = f32x4.demote_f64x2_zero(f64x2.div(one, v128.load(totals)));
  const high = f32x4.demote_f64x2_zero(f64x2.div(one, v128.load(totals, 16)));
  v128.store(results, v128.shuffle<i64>(low, high, 0, 2));
}

/**
 * lines: from z to exp(z - max); results = 1 / sum of exp(z - max), which is NaN for spoiled rows.
 *
 * With `log` the lines stay, and totals = log(sum of exp(z - max)) in float64, as log1p of the sum without one of the
 * largest terms, which are exactly 1: so the small loss of a confident row keeps its digits. NaN for rows with NaN; results
 * is the same in float32.
 *
 * Four vectors of rows (`four`), or only the first.
 */
@inline
export function sumColumns(log: bool, four: bool, lines: usize, columns: i32): void {
  const maxima = maximaOf(lines, columns);
  const results = resultsOf(lines, columns);
  const totals = totalsOf(lines, columns);
  const m0 = v128.load(maxima);
  const m1 = v128.load(maxima, 16);
  const m2 = v128.load(maxima, 32);
  const m3 = v128.load(maxima, 48);
  clearTotals(totals);
  // Minus the number of largest terms.
  let n0 = i32x4.splat(0);
  let n1 = n0;
  let n2 = n0;
  let n3 = n0;
  for (let left = columns; left > 0; left -= SUM_COLUMNS) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let n = min(left, SUM_COLUMNS); n > 0; n--) {
      const z0 = v128.load(lines);
      const is0 = f32x4.eq(z0, m0);
      s0 = f32x4.add(s0, summand(log, lines, z0, m0, is0));
      if (log) n0 = i32x4.add(n0, is0);
      if (four) {
        const z1 = v128.load(lines, 16);
        const z2 = v128.load(lines, 32);
        const z3 = v128.load(lines, 48);
        const is1 = f32x4.eq(z1, m1);
        const is2 = f32x4.eq(z2, m2);
        const is3 = f32x4.eq(z3, m3);
        s1 = f32x4.add(s1, summand(log, lines + 16, z1, m1, is1));
        s2 = f32x4.add(s2, summand(log, lines + 32, z2, m2, is2));
        s3 = f32x4.add(s3, summand(log, lines + 48, z3, m3, is3));
        if (log) n1 = i32x4.add(n1, is1);
        if (log) n2 = i32x4.add(n2, is2);
        if (log) n3 = i32x4.add(n3, is3);
      }
      lines += LINE;
    }
    addToTotals(totals, s0);
    if (four) {
      addToTotals(totals + 32, s1);
      addToTotals(totals + 64, s2);
      addToTotals(totals + 96, s3);
    }
  }
  storeResults(log, results, totals, n0);
  if (four) {
    storeResults(log, results + 16, totals + 32, n1);
    storeResults(log, results + 32, totals + 64, n2);
    storeResults(log, results + 48, totals + 96, n3);
  }
}

@inline
function storeResults(log: bool, results: usize, totals: usize, minusLargest: v128): void {
  if (log) storeLogs(results, totals, minusLargest);
  else storeReciprocals(results, totals);
}

function storeLogs(results: usize, totals: usize, minusLargest: v128): void {
  const more = i32x4.sub(i32x4.splat(-1), minusLargest);
  v128.store(totals, f64x2.add(v128.load(totals), f64x2.convert_low_i32x4_s(more)));
  const moreHigh = f64x2.convert_low_i32x4_s(v128.shuffle<i64>(more, more, 1, 1));
  v128.store(totals, f64x2.add(v128.load(totals, 16), moreHigh), 16);
  for (let i: usize = 0; i < 4; i++) {
    const log = Math.log1p(load<f64>(totals + (i << 3)));
    store<f64>(totals + (i << 3), log);
    store<f32>(results + (i << 2), <f32>log);
  }
}

// The passes over one row that the row kernels are made of. A row is `columns` >= 1 float32 at any 4-byte address, cut
// into full vectors and a tail (row-tails.ts).
//
// The tail is read before a pass stores (so output and row may be the same), masked where a sum must not count a
// column twice, and stored last. Nothing outside of the row is read or written.
import { exp4 } from '../exp/exp';
import { maxOfLanes } from '../vectors/lanes';
import { fillWithNaN } from '../vectors/not-a-number';
import { join } from '../vectors/wide-simd';
import { CONFIDENT_SUM, STORED_EXPS, STORED_OTHERS } from './exp-unrolled';
import { sumOfExpsAs } from './row-sums';
import { loadTail, storeTail } from './row-tails';

/** The largest number of the row; NaN does not count, and a row of only NaN gives -Infinity. */
@inline
export function rowMax(row: usize, columns: i32): f32 {
  // pmax(m, x) is one instruction: m unless m < x, so a NaN in x leaves m, which is never NaN.
  const lowest = f32x4.splat(-Infinity);
  let rest = f32x4.pmax(lowest, loadTail(row, columns));
  let m0 = lowest;
  let m1 = lowest;
  let m2 = lowest;
  let m3 = lowest;
  let m4 = lowest;
  let m5 = lowest;
  let m6 = lowest;
  let m7 = lowest;
  for (let groups = columns >> 5; groups > 0; groups--) {
    m0 = f32x4.pmax(m0, v128.load(row));
    m1 = f32x4.pmax(m1, v128.load(row, 16));
    m2 = f32x4.pmax(m2, v128.load(row, 32));
    m3 = f32x4.pmax(m3, v128.load(row, 48));
    m4 = f32x4.pmax(m4, v128.load(row, 64));
    m5 = f32x4.pmax(m5, v128.load(row, 80));
    m6 = f32x4.pmax(m6, v128.load(row, 96));
    m7 = f32x4.pmax(m7, v128.load(row, 112));
    row += 128;
  }
  const even = f32x4.pmax(f32x4.pmax(m0, m2), f32x4.pmax(m4, m6));
  const odd = f32x4.pmax(f32x4.pmax(m1, m3), f32x4.pmax(m5, m7));
  join(even, odd);
  for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
    rest = f32x4.pmax(rest, v128.load(row));
    row += 16;
  }
  return maxOfLanes(f32x4.pmax(rest, f32x4.pmax(even, odd)));
}

/**
 * output = scale · exp(z - max) / sum; output may be the row. Returns the sum. When that is NaN, so is the output.
 * Relative error of normal results below 6e-7 + |z - max| · 2^-24, of which the second part is the rounding of z - max.
 *
 * `exact`: returns what exactSumOfExps does, with the same bits. ahead: see prefetch.ts.
 */
@inline
export function softmaxRow(
  output: usize,
  row: usize,
  columns: i32,
  max: f32,
  scale: f32,
  exact: bool,
  ahead: usize,
): f64 {
  const tail = loadTail(row, columns);
  let sum = sumOfExpsAs(STORED_EXPS, output, row, columns, max, tail, ahead);
  if (sum == sum) {
    const factor = <f32>(<f64>scale / sum);
    if (exact && sum < CONFIDENT_SUM) {
      sum = sumOfExpsAs(STORED_OTHERS, 0, output, columns, max, tail, 0);
    }
    scaleRow(output, columns, tail, max, factor);
  } else {
    fillWithNaN(output, columns);
  }
  return sum;
}

/** Multiplies the exponentials in `row` by factor; columns that only the tail covers are computed from its logits. */
@inline
function scaleRow(row: usize, columns: i32, tail: v128, max: f32, factor: f32): void {
  const factors = f32x4.splat(factor);
  mapFullVectors(SCALE, row, columns, factors);
  if (columns & 3) storeTail(row, columns, f32x4.mul(exp4(f32x4.sub(tail, f32x4.splat(max))), factors));
}

/** row -= logSum; columns that only the tail covers are computed from it. */
@inline
export function shiftRow(row: usize, columns: i32, tail: v128, logSum: f32): void {
  const logs = f32x4.splat(logSum);
  mapFullVectors(SHIFT, row, columns, logs);
  if (columns & 3) storeTail(row, columns, f32x4.sub(tail, logs));
}

const SHIFT: i32 = 0;
const SCALE: i32 = 1;

/** row = row · number (SCALE) or row - number (SHIFT), without the tail. Stores as wide-simd.ts says. */
@inline
function mapFullVectors(how: i32, row: usize, columns: i32, number: v128): void {
  for (let groups = columns >> 5; groups > 0; groups--) {
    let even = mapped(how, v128.load(row), number);
    v128.store(row, mapped(how, v128.load(row, 16), number), 16);
    v128.store(row, even);
    even = mapped(how, v128.load(row, 32), number);
    v128.store(row, mapped(how, v128.load(row, 48), number), 48);
    v128.store(row, even, 32);
    even = mapped(how, v128.load(row, 64), number);
    v128.store(row, mapped(how, v128.load(row, 80), number), 80);
    v128.store(row, even, 64);
    even = mapped(how, v128.load(row, 96), number);
    v128.store(row, mapped(how, v128.load(row, 112), number), 112);
    v128.store(row, even, 96);
    row += 128;
  }
  for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
    v128.store(row, mapped(how, v128.load(row), number));
    row += 16;
  }
}

@inline
function mapped(how: i32, v: v128, number: v128): v128 {
  return how == SCALE ? f32x4.mul(v, number) : f32x4.sub(v, number);
}

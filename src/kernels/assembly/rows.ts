// The passes over one row that the row kernels are made of. A row is `columns` >= 1 float32 at any 4-byte address, cut
// into full vectors and a tail (row-tails.ts).
//
// The tail is read before a pass stores (so output and row may be the same), masked where a sum must not count a
// column twice, and stored last. Nothing outside of the row is read or written.
import { exp4 } from "./exp";
import { maxOfLanes } from "./lanes";
import { fillWithNaN } from "./not-a-number";
import { join } from "./pairs";
import { CONFIDENT_SUM, STORED_EXPS, STORED_OTHERS, sumOfExpsAs } from "./row-sums";
import { loadTail, storeTail } from "./row-tails";
import { storedSumByEight, takesEight } from "./wide-row-sums";

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
 * output = scale · exp(z - max) / sum; output may be the row. Gives the sum. When that is NaN, so is the output.
 * Relative error of normal results below 6e-7 + |z - max| · 2^-24, of which the second part is the rounding of z - max.
 *
 * `exact`: gives what exactSumOfExps does, with the same bits.
 */
@inline
export function softmaxRow(output: usize, row: usize, columns: i32, max: f32, scale: f32, exact: bool): f64 {
  const tail = loadTail(row, columns);
  let sum = takesEight(columns)
    ? storedSumByEight(output, row, columns, max, tail)
    : sumOfExpsAs(STORED_EXPS, output, row, columns, max, tail);
  if (sum == sum) {
    const factor = <f32>(<f64>scale / sum);
    if (exact && sum < CONFIDENT_SUM) {
      sum = sumOfExpsAs(STORED_OTHERS, 0, output, columns, max, tail);
    }
    scaleRow(output, columns, tail, max, factor);
  } else {
    fillWithNaN(output, columns);
  }
  return sum;
}

/** Multiplies the exponentials in `row` by factor, those that only the tail covers made from its logits. */
@inline
function scaleRow(row: usize, columns: i32, tail: v128, max: f32, factor: f32): void {
  const factors = f32x4.splat(factor);
  let next = row;
  for (let groups = columns >> 5; groups > 0; groups--) {
    let even = f32x4.mul(v128.load(next), factors);
    v128.store(next, f32x4.mul(v128.load(next, 16), factors), 16);
    v128.store(next, even);
    even = f32x4.mul(v128.load(next, 32), factors);
    v128.store(next, f32x4.mul(v128.load(next, 48), factors), 48);
    v128.store(next, even, 32);
    even = f32x4.mul(v128.load(next, 64), factors);
    v128.store(next, f32x4.mul(v128.load(next, 80), factors), 80);
    v128.store(next, even, 64);
    even = f32x4.mul(v128.load(next, 96), factors);
    v128.store(next, f32x4.mul(v128.load(next, 112), factors), 112);
    v128.store(next, even, 96);
    next += 128;
  }
  for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
    v128.store(next, f32x4.mul(v128.load(next), factors));
    next += 16;
  }
  if (columns & 3) storeTail(row, columns, f32x4.mul(exp4(f32x4.sub(tail, f32x4.splat(max))), factors));
}

/** output = (z - max) - logSum, both differences rounded; output may be the row. */
@inline
export function shiftRow(output: usize, row: usize, columns: i32, max: f32, logSum: f32): void {
  const shift = f32x4.splat(max);
  const logs = f32x4.splat(logSum);
  const tail = loadTail(row, columns);
  let next = output;
  for (let groups = columns >> 5; groups > 0; groups--) {
    const v0 = v128.load(row);
    const v1 = v128.load(row, 16);
    const v2 = v128.load(row, 32);
    const v3 = v128.load(row, 48);
    const v4 = v128.load(row, 64);
    const v5 = v128.load(row, 80);
    const v6 = v128.load(row, 96);
    const v7 = v128.load(row, 112);
    v128.store(next, f32x4.sub(f32x4.sub(v1, shift), logs), 16);
    v128.store(next, f32x4.sub(f32x4.sub(v0, shift), logs));
    v128.store(next, f32x4.sub(f32x4.sub(v3, shift), logs), 48);
    v128.store(next, f32x4.sub(f32x4.sub(v2, shift), logs), 32);
    v128.store(next, f32x4.sub(f32x4.sub(v5, shift), logs), 80);
    v128.store(next, f32x4.sub(f32x4.sub(v4, shift), logs), 64);
    v128.store(next, f32x4.sub(f32x4.sub(v7, shift), logs), 112);
    v128.store(next, f32x4.sub(f32x4.sub(v6, shift), logs), 96);
    row += 128;
    next += 128;
  }
  for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
    v128.store(next, f32x4.sub(f32x4.sub(v128.load(row), shift), logs));
    row += 16;
    next += 16;
  }
  if (columns & 3) storeTail(output, columns, f32x4.sub(f32x4.sub(tail, shift), logs));
}

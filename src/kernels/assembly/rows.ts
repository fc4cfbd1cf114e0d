// The passes over one row that the row kernels are made of. A row is `columns` >= 1 float32 at any 4-byte address.
//
//   full vectors   [0..3] [4..7] … to 4 · floor(columns / 4)
//   tail vector    the last four columns, overlapping the last full vector; of fewer than four columns, in the last
//                  lanes, the others -Infinity
//
// The tail is read before a pass stores (so output and row may be the same), masked where a sum must not count a
// column twice, and stored last. Nothing outside of the row is read or written.
import { constant, lastLanes, ONE } from "./constants";
import { exp4 } from "./exp";
import { maxOfLanes, sumOfLanes } from "./lanes";
import { fillWithNaN } from "./not-a-number";

/** Lane sums in float32 are gathered in float64 after this many groups of eight vectors: 1024 columns. */
const GROUPS_PER_BLOCK: i32 = 32;

@inline
function loadTail(row: usize, columns: i32): v128 {
  const end = row + (<usize>columns << 2);
  return columns >= 4 ? v128.load(end - 16) : loadShortRow(end, columns);
}

@inline
function loadShortRow(end: usize, columns: i32): v128 {
  let tail = v128.load32_lane(end - 4, f32x4.splat(-Infinity), 3);
  if (columns > 1) tail = v128.load32_lane(end - 8, tail, 2);
  if (columns > 2) tail = v128.load32_lane(end - 12, tail, 1);
  return tail;
}

@inline
function storeTail(row: usize, columns: i32, tail: v128): void {
  const end = row + (<usize>columns << 2);
  if (columns >= 4) {
    v128.store(end - 16, tail);
    return;
  }
  v128.store32_lane(end - 4, tail, 3);
  if (columns > 1) v128.store32_lane(end - 8, tail, 2);
  if (columns > 2) v128.store32_lane(end - 12, tail, 1);
}

/** The largest number of the row; NaN does not count, and a row of only NaN gives -Infinity. */
@inline
export function rowMax(row: usize, columns: i32): f32 {
  // pmax(m, x) is one instruction: m unless m < x, so a NaN in x leaves m, which is never NaN.
  const lowest = f32x4.splat(-Infinity);
  let m0 = f32x4.pmax(lowest, loadTail(row, columns));
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
  for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
    m1 = f32x4.pmax(m1, v128.load(row));
    row += 16;
  }
  // Even and odd registers stay apart to the last step, so that V8 can pair them into wider registers.
  const even = f32x4.pmax(f32x4.pmax(m0, m2), f32x4.pmax(m4, m6));
  const odd = f32x4.pmax(f32x4.pmax(m1, m3), f32x4.pmax(m5, m7));
  return maxOfLanes(f32x4.pmax(even, odd));
}

/**
 * Below it a sum of exponentials is not taken for its logarithm: it errs by up to 4e-7, which would be more than 1e-6 of
 * log(sum). Where a small loss matters, the other exponentials are then summed without the largest, for log1p.
 */
export const CONFIDENT_SUM: f64 = 1.5;

// Which sum, and where its terms come from.
const EXPS: i32 = 0;
/** Storing them to output. */
const STORED_EXPS: i32 = 1;
/** As EXPS, and the sum of the others beside it, which is given if the first is below CONFIDENT_SUM. */
const EXACT: i32 = 2;
/** The sum of the others from the exponentials that are stored. */
const STORED_OTHERS: i32 = 3;

/**
 * The sum of exp(z - max) over the row, max its rowMax: at least 1, or NaN when the row has a NaN or +Infinity or no
 * finite number. With STORED_EXPS also each exp(z - max) stored to output, which may be the row, but for the columns
 * that only the tail covers: scaleRow does those. tail is the row's from before that.
 *
 * Sixteen lane sums in float32 for a block of 1024 columns, then float64: for any number of columns the additions
 * cost less than 4e-7 of the sum.
 */
@inline
function sumOfExpsAs(which: i32, output: usize, row: usize, columns: i32, max: f32, tail: v128): f64 {
  const shift = f32x4.splat(max);
  let total: f64 = 0;
  let others: f64 = 0;
  let groups = columns >> 5;
  do {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let o0 = s0;
    let o1 = s0;
    let o2 = s0;
    let o3 = s0;
    let n = min(groups, GROUPS_PER_BLOCK);
    groups -= n;
    for (; n > 0; n--) {
      const e0 = term(which, v128.load(row), shift);
      const e1 = term(which, v128.load(row, 16), shift);
      const e2 = term(which, v128.load(row, 32), shift);
      const e3 = term(which, v128.load(row, 48), shift);
      const e4 = term(which, v128.load(row, 64), shift);
      const e5 = term(which, v128.load(row, 80), shift);
      const e6 = term(which, v128.load(row, 96), shift);
      const e7 = term(which, v128.load(row, 112), shift);
      if (which == STORED_EXPS) {
        v128.store(output, e0);
        v128.store(output, e1, 16);
        v128.store(output, e2, 32);
        v128.store(output, e3, 48);
        v128.store(output, e4, 64);
        v128.store(output, e5, 80);
        v128.store(output, e6, 96);
        v128.store(output, e7, 112);
        output += 128;
      }
      s0 = f32x4.add(s0, f32x4.add(e0, e4));
      s1 = f32x4.add(s1, f32x4.add(e1, e5));
      s2 = f32x4.add(s2, f32x4.add(e2, e6));
      s3 = f32x4.add(s3, f32x4.add(e3, e7));
      if (which == EXACT) {
        o0 = f32x4.add(o0, f32x4.add(butLargest(e0), butLargest(e4)));
        o1 = f32x4.add(o1, f32x4.add(butLargest(e1), butLargest(e5)));
        o2 = f32x4.add(o2, f32x4.add(butLargest(e2), butLargest(e6)));
        o3 = f32x4.add(o3, f32x4.add(butLargest(e3), butLargest(e7)));
      }
      row += 128;
    }
    if (groups == 0) {
      for (let vectors = (columns >> 2) & 7; vectors > 0; vectors--) {
        const e = term(which, v128.load(row), shift);
        if (which == STORED_EXPS) {
          v128.store(output, e);
          output += 16;
        }
        s0 = f32x4.add(s0, e);
        if (which == EXACT) o0 = f32x4.add(o0, butLargest(e));
        row += 16;
      }
      if (columns & 3) {
        let e = v128.and(exp4(f32x4.sub(tail, shift)), lastLanes(columns & 3));
        if (which == STORED_OTHERS) e = butLargest(e);
        s1 = f32x4.add(s1, e);
        if (which == EXACT) o1 = f32x4.add(o1, butLargest(e));
      }
    }
    total += <f64>sumOfLanes(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));
    if (which == EXACT) others += <f64>sumOfLanes(f32x4.add(f32x4.add(o0, o2), f32x4.add(o1, o3)));
  } while (groups > 0);
  return which == EXACT && total < CONFIDENT_SUM ? others : total;
}

@inline
function term(which: i32, v: v128, shift: v128): v128 {
  return which == STORED_OTHERS ? butLargest(v) : exp4(f32x4.sub(v, shift));
}

/** The exponentials with 0 for the largest, which is 1: if another one were 1 the sum would not be below CONFIDENT_SUM. */
@inline
export function butLargest(e: v128): v128 {
  return v128.and(e, f32x4.ne(e, constant(ONE)));
}

/** As sumOfExpsAs says; the row is only read. */
@inline
export function sumOfExps(row: usize, columns: i32, max: f32): f64 {
  return sumOfExpsAs(EXPS, 0, row, columns, max, loadTail(row, columns));
}

/**
 * As sumOfExps, but of a row whose sum is below CONFIDENT_SUM the sum without the largest exponential, which is 1: known
 * by being below 1, which no other sum is. It takes a fifth longer.
 */
export function exactSumOfExps(row: usize, columns: i32, max: f32): f64 {
  return sumOfExpsAs(EXACT, 0, row, columns, max, loadTail(row, columns));
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
  let sum = sumOfExpsAs(STORED_EXPS, output, row, columns, max, tail);
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
    v128.store(next, f32x4.mul(v128.load(next), factors));
    v128.store(next, f32x4.mul(v128.load(next, 16), factors), 16);
    v128.store(next, f32x4.mul(v128.load(next, 32), factors), 32);
    v128.store(next, f32x4.mul(v128.load(next, 48), factors), 48);
    v128.store(next, f32x4.mul(v128.load(next, 64), factors), 64);
    v128.store(next, f32x4.mul(v128.load(next, 80), factors), 80);
    v128.store(next, f32x4.mul(v128.load(next, 96), factors), 96);
    v128.store(next, f32x4.mul(v128.load(next, 112), factors), 112);
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
  for (let vectors = columns >> 2; vectors > 0; vectors--) {
    v128.store(next, f32x4.sub(f32x4.sub(v128.load(row), shift), logs));
    row += 16;
    next += 16;
  }
  if (columns & 3) storeTail(output, columns, f32x4.sub(f32x4.sub(tail, shift), logs));
}

// Rows of up to 16 columns, which fit into one to four registers: passes without loops or intermediate stores, so that the
// processor overlaps rows. The same bits as the passes of rows.ts, to which they are a faster way.
//
// All vectors but the last are full; the last is that of the row's last four columns, and overlaps the one before unless
// columns is a multiple of 4. Of fewer than four columns it is the tail of row-tails.ts.
import { lastLanes } from "./constants";
import { exp4 } from "./exp";
import { maxOfLanes, sumOfLanes } from "./lanes";
import { fillWithNaN } from "./not-a-number";
import { butLargest, CONFIDENT_SUM } from "./row-sums";
import { loadTail, storeTail } from "./row-tails";

/**
 * Types that stand for a number of vectors, their size: a kernel that is generic over them is compiled to one function
 * for each, without branches on the number. (Loops for several numbers in one function run up to a third slower in V8.)
 */
export class Many {}
export class One {
  a: u8;
}
export class Two {
  a: u8;
  b: u8;
}
export class Three {
  a: u8;
  b: u8;
  c: u8;
}
export class Four {
  a: u8;
  b: u8;
  c: u8;
  d: u8;
}

/** 0 for Many: the row kernels then use the passes of rows.ts. */
@inline
export function vectorsOf<Vectors>(): i32 {
  return <i32>offsetof<Vectors>();
}

/** How many vectors the functions below take for a row, or 0 when it is none of theirs. */
@inline
export function narrowVectors(columns: i32): i32 {
  return columns > 16 ? 0 : (columns + 3) >> 2;
}

@inline
function lastVector(row: usize, columns: i32): usize {
  return row + (<usize>columns << 2) - 16;
}

@inline
function loadLast<Vectors>(row: usize, columns: i32): v128 {
  return vectorsOf<Vectors>() > 1 ? v128.load(lastVector(row, columns)) : loadTail(row, columns);
}

@inline
function storeLast<Vectors>(row: usize, columns: i32, last: v128): void {
  if (vectorsOf<Vectors>() > 1) v128.store(lastVector(row, columns), last);
  else storeTail(row, columns, last);
}

/** As rowMax. */
@inline
export function narrowRowMax<Vectors>(row: usize, columns: i32): f32 {
  const vectors = vectorsOf<Vectors>();
  let m = f32x4.pmax(f32x4.splat(-Infinity), loadLast<Vectors>(row, columns));
  if (vectors > 1) m = f32x4.pmax(m, v128.load(row));
  if (vectors > 2) m = f32x4.pmax(m, v128.load(row, 16));
  if (vectors > 3) m = f32x4.pmax(m, v128.load(row, 32));
  return maxOfLanes(m);
}

/** As softmaxRow. */
@inline
export function narrowSoftmaxRow<Vectors>(
  output: usize,
  row: usize,
  columns: i32,
  max: f32,
  scale: f32,
  exact: bool,
): f64 {
  const vectors = vectorsOf<Vectors>();
  const shift = f32x4.splat(max);
  const zero = f32x4.splat(0);
  const e0 = vectors > 1 ? exp4(f32x4.sub(v128.load(row), shift)) : zero;
  const e1 = vectors > 2 ? exp4(f32x4.sub(v128.load(row, 16), shift)) : zero;
  const e2 = vectors > 3 ? exp4(f32x4.sub(v128.load(row, 32), shift)) : zero;
  const last = exp4(f32x4.sub(loadLast<Vectors>(row, columns), shift));
  let sum = narrowSum<Vectors>(e0, e1, e2, last, columns);
  if (sum == sum) {
    const factors = f32x4.splat(<f32>(<f64>scale / sum));
    if (exact && sum < CONFIDENT_SUM) {
      sum = narrowSum<Vectors>(butLargest(e0), butLargest(e1), butLargest(e2), butLargest(last), columns);
    }
    if (vectors > 1) v128.store(output, f32x4.mul(e0, factors));
    if (vectors > 2) v128.store(output, f32x4.mul(e1, factors), 16);
    if (vectors > 3) v128.store(output, f32x4.mul(e2, factors), 32);
    storeLast<Vectors>(output, columns, f32x4.mul(last, factors));
  } else {
    fillWithNaN(output, columns);
  }
  return sum;
}

/** As sumOfExps, or with `exact` as exactSumOfExps. */
@inline
export function narrowSumOfExps<Vectors>(row: usize, columns: i32, max: f32, exact: bool): f64 {
  const vectors = vectorsOf<Vectors>();
  const shift = f32x4.splat(max);
  const zero = f32x4.splat(0);
  const e0 = vectors > 1 ? exp4(f32x4.sub(v128.load(row), shift)) : zero;
  const e1 = vectors > 2 ? exp4(f32x4.sub(v128.load(row, 16), shift)) : zero;
  const e2 = vectors > 3 ? exp4(f32x4.sub(v128.load(row, 32), shift)) : zero;
  const last = exp4(f32x4.sub(loadLast<Vectors>(row, columns), shift));
  const sum = narrowSum<Vectors>(e0, e1, e2, last, columns);
  if (!exact || !(sum < CONFIDENT_SUM)) return sum;
  return narrowSum<Vectors>(butLargest(e0), butLargest(e1), butLargest(e2), butLargest(last), columns);
}

/** As shiftRow. */
@inline
export function narrowShiftRow<Vectors>(output: usize, row: usize, columns: i32, max: f32, logSum: f32): void {
  const vectors = vectorsOf<Vectors>();
  const shift = f32x4.splat(max);
  const logs = f32x4.splat(logSum);
  // Before the first store: the output may be the row.
  const last = loadLast<Vectors>(row, columns);
  if (vectors > 1) v128.store(output, f32x4.sub(f32x4.sub(v128.load(row), shift), logs));
  if (vectors > 2) v128.store(output, f32x4.sub(f32x4.sub(v128.load(row, 16), shift), logs), 16);
  if (vectors > 3) v128.store(output, f32x4.sub(f32x4.sub(v128.load(row, 32), shift), logs), 32);
  storeLast<Vectors>(output, columns, f32x4.sub(f32x4.sub(last, shift), logs));
}

/** The order of sumOfExpsAs, for the same bits: vectors go to one or the other of two sums in turns. */
@inline
function narrowSum<Vectors>(e0: v128, e1: v128, e2: v128, last: v128, columns: i32): f64 {
  const vectors = vectorsOf<Vectors>();
  let s = v128.and(last, lastLanes(columns - 4 * (vectors - 1)));
  if (vectors == 2) s = f32x4.add(e0, s);
  if (vectors == 3) s = f32x4.add(f32x4.add(e0, s), e1);
  if (vectors == 4) s = f32x4.add(f32x4.add(e0, e2), f32x4.add(e1, s));
  return <f64>sumOfLanes(s);
}

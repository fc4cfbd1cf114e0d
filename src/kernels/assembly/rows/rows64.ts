// The passes over one row of float64 that the float64 row kernels are made of: as rows.ts, but a tail is one element at
// most, and sums are compensated. A row is `columns` >= 1 float64 at any 8-byte address; nothing outside is touched.
import { exp2 } from '../exp/exp64';

/** exp(d) of one number, with the bits of exp2. */
@inline
function exp1(d: f64): f64 {
  return f64x2.extract_lane(exp2(f64x2.splat(d)), 0);
}

@inline
function lastElement(row: usize, columns: i32): usize {
  return row + ((<usize>columns) << 3) - 8;
}

/** The largest number of the row; NaN does not count, and a row of only NaN gives -Infinity. */
@inline
export function rowMax64(row: usize, columns: i32): f64 {
  // pmax(m, x) is one instruction: m unless m < x, so a NaN in x leaves m, which is never NaN.
  const lowest = f64x2.splat(-Infinity);
  let m0 = f64x2.pmax(lowest, v128.load64_splat(lastElement(row, columns)));
  let m1 = lowest;
  let m2 = lowest;
  let m3 = lowest;
  for (let groups = columns >> 3; groups > 0; groups--) {
    m0 = f64x2.pmax(m0, v128.load(row));
    m1 = f64x2.pmax(m1, v128.load(row, 16));
    m2 = f64x2.pmax(m2, v128.load(row, 32));
    m3 = f64x2.pmax(m3, v128.load(row, 48));
    row += 64;
  }
  for (let vectors = (columns >> 1) & 3; vectors > 0; vectors--) {
    m1 = f64x2.pmax(m1, v128.load(row));
    row += 16;
  }
  const m = f64x2.pmax(f64x2.pmax(m0, m2), f64x2.pmax(m1, m3));
  return f64x2.extract_lane(f64x2.pmax(m, v128.shuffle<i64>(m, m, 1, 0)), 0);
}

/** The rounding error of sum = a + b. Knuth, The Art of Computer Programming, volume 2, section 4.2.2. */
@inline
export function additionError(a: v128, b: v128, sum: v128): v128 {
  const bUsed = f64x2.sub(sum, a);
  return f64x2.add(f64x2.sub(a, f64x2.sub(sum, bUsed)), f64x2.sub(b, bUsed));
}

/**
 * The sum of exp(z - max) over the row, max its rowMax64: at least 1, or NaN when the row has a NaN or +Infinity or no
 * finite number. Each exp(z - max) is stored to output, which may be the row.
 *
 * Four vectors are added as a tree, the trees one after the other with their rounding errors summed apart: for any
 * number of columns the additions cost less than 5e-16 of the sum.
 */
@inline
function storeExps(output: usize, row: usize, columns: i32, max: f64): f64 {
  const shift = f64x2.splat(max);
  let total = f64x2.splat(0);
  let errors = total;
  let rest = total;
  for (let groups = columns >> 3; groups > 0; groups--) {
    const e0 = exp2(f64x2.sub(v128.load(row), shift));
    const e1 = exp2(f64x2.sub(v128.load(row, 16), shift));
    const e2 = exp2(f64x2.sub(v128.load(row, 32), shift));
    const e3 = exp2(f64x2.sub(v128.load(row, 48), shift));
    v128.store(output, e0);
    v128.store(output, e1, 16);
    v128.store(output, e2, 32);
    v128.store(output, e3, 48);
    const tree = f64x2.add(f64x2.add(e0, e2), f64x2.add(e1, e3));
    const sum = f64x2.add(total, tree);
    errors = f64x2.add(errors, additionError(total, tree, sum));
    total = sum;
    row += 64;
    output += 64;
  }
  for (let vectors = (columns >> 1) & 3; vectors > 0; vectors--) {
    const e = exp2(f64x2.sub(v128.load(row), shift));
    v128.store(output, e);
    rest = f64x2.add(rest, e);
    row += 16;
    output += 16;
  }
  if (columns & 1) {
    const e = exp1(load<f64>(row) - max);
    store<f64>(output, e);
    rest = f64x2.add(rest, f64x2.replace_lane(f64x2.splat(0), 0, e));
  }
  return sumOfTotals(total, f64x2.add(errors, rest));
}

/** The sum of both lanes of both vectors: the totals and their rounding errors. */
@inline
function sumOfTotals(total: v128, left: v128): f64 {
  const small = f64x2.extract_lane(left, 0) + f64x2.extract_lane(left, 1);
  const other = v128.shuffle<i64>(total, total, 1, 0);
  const sum = f64x2.add(total, other);
  return f64x2.extract_lane(sum, 0) + (f64x2.extract_lane(additionError(total, other, sum), 0) + small);
}

/**
 * The sum of exp(z - max) without one of the largest terms, each of which is exactly 1: the argument of log1p that keeps
 * the digits of a confident row's small loss. NaN when the row has a NaN; infinite logits do not make it NaN.
 */
@inline
export function sumOfOthers(row: usize, columns: i32, max: f64): f64 {
  const shift = f64x2.splat(max);
  let total = f64x2.splat(0);
  let errors = total;
  let rest = total;
  // Minus the number of largest terms, which are left out of the sums and counted.
  let largest = i64x2.splat(0);
  for (let groups = columns >> 3; groups > 0; groups--) {
    const z0 = v128.load(row);
    const z1 = v128.load(row, 16);
    const z2 = v128.load(row, 32);
    const z3 = v128.load(row, 48);
    const is0 = f64x2.eq(z0, shift);
    const is1 = f64x2.eq(z1, shift);
    const is2 = f64x2.eq(z2, shift);
    const is3 = f64x2.eq(z3, shift);
    const e0 = v128.andnot(exp2(f64x2.sub(z0, shift)), is0);
    const e1 = v128.andnot(exp2(f64x2.sub(z1, shift)), is1);
    const e2 = v128.andnot(exp2(f64x2.sub(z2, shift)), is2);
    const e3 = v128.andnot(exp2(f64x2.sub(z3, shift)), is3);
    const tree = f64x2.add(f64x2.add(e0, e2), f64x2.add(e1, e3));
    const sum = f64x2.add(total, tree);
    errors = f64x2.add(errors, additionError(total, tree, sum));
    total = sum;
    largest = i64x2.add(largest, i64x2.add(i64x2.add(is0, is1), i64x2.add(is2, is3)));
    row += 64;
  }
  for (let vectors = (columns >> 1) & 3; vectors > 0; vectors--) {
    const z = v128.load(row);
    const is = f64x2.eq(z, shift);
    rest = f64x2.add(rest, v128.andnot(exp2(f64x2.sub(z, shift)), is));
    largest = i64x2.add(largest, is);
    row += 16;
  }
  let others = sumOfTotals(total, f64x2.add(errors, rest));
  let count = -(<f64>(i64x2.extract_lane(largest, 0) + i64x2.extract_lane(largest, 1)));
  if (columns & 1) {
    const z = load<f64>(row);
    if (z == max) count++;
    else others += exp1(z - max);
  }
  return others + (count - 1);
}

/** Multiplies the row by factor. */
@inline
function scaleRow64(row: usize, columns: i32, factor: f64): void {
  const factors = f64x2.splat(factor);
  for (let groups = columns >> 3; groups > 0; groups--) {
    v128.store(row, f64x2.mul(v128.load(row), factors));
    v128.store(row, f64x2.mul(v128.load(row, 16), factors), 16);
    v128.store(row, f64x2.mul(v128.load(row, 32), factors), 32);
    v128.store(row, f64x2.mul(v128.load(row, 48), factors), 48);
    row += 64;
  }
  for (let vectors = (columns >> 1) & 3; vectors > 0; vectors--) {
    v128.store(row, f64x2.mul(v128.load(row), factors));
    row += 16;
  }
  if (columns & 1) store<f64>(row, load<f64>(row) * factor);
}

/** output = exp(z - max) / sum; output may be the row. Returns the sum; when that is NaN, output is not yet the result. */
@inline
export function softmaxRow64(output: usize, row: usize, columns: i32, max: f64): f64 {
  const sum = storeExps(output, row, columns, max);
  if (sum == sum) scaleRow64(output, columns, 1 / sum);
  return sum;
}

/** output = (z - max) - logSum, both differences rounded; output may be the row. */
@inline
export function shiftRow64(output: usize, row: usize, columns: i32, max: f64, logSum: f64): void {
  const shift = f64x2.splat(max);
  const logs = f64x2.splat(logSum);
  for (let vectors = columns >> 1; vectors > 0; vectors--) {
    v128.store(output, f64x2.sub(f64x2.sub(v128.load(row), shift), logs));
    row += 16;
    output += 16;
  }
  if (columns & 1) store<f64>(output, load<f64>(row) - max - logSum);
}

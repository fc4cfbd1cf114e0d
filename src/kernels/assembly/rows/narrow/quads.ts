// Moves four rows of few columns, a quad, between the caller's matrix and scratch memory (group-scratch.ts).
import { maximaOfLanes, splatLane } from '../../vectors/lanes';
import { fillWithNaN } from '../../vectors/not-a-number';
import { MANY, vectorsOf } from './row-widths';

/** The row after this one, or the same where there is none. */
@inline
export function rowAfter(row: usize, strideBytes: usize, exists: bool): usize {
  return exists ? row + strideBytes : row;
}

@inline
export function lastOffset(columns: i32): usize {
  return ((<usize>columns) << 2) - 16;
}

/** to = z - max of each row, laid out as in scratch; returns the maxima. Where a row has NaN its maximum is anything. */
@inline
export function storeDifferencesOfQuad<Width>(
  to: usize,
  row0: usize,
  row1: usize,
  row2: usize,
  row3: usize,
  columns: i32,
): v128 {
  return vectorsOf<Width>()
    ? storeRowDifferences<Width>(to, row0, row1, row2, row3, columns)
    : storeColumnDifferences(to, row0, row1, row2, row3, columns);
}

@inline
function storeRowDifferences<Width>(to: usize, row0: usize, row1: usize, row2: usize, row3: usize, columns: i32): v128 {
  const maxima = maximaOfLanes(
    maximumByLanes<Width>(row0, columns),
    maximumByLanes<Width>(row1, columns),
    maximumByLanes<Width>(row2, columns),
    maximumByLanes<Width>(row3, columns),
  );
  const rowBytes = (<usize>columns) << 2;
  const to1 = to + rowBytes;
  const to2 = to1 + rowBytes;
  mapRows<Width>(SHIFT, to, to1, to2, to2 + rowBytes, row0, row1, row2, row3, columns, maxima);
  return maxima;
}

/** By lanes. NaN may get in: the sum of such a row is NaN whatever is subtracted. */
@inline
function maximumByLanes<Width>(row: usize, columns: i32): v128 {
  const vectors = vectorsOf<Width>();
  let m = v128.load(row + lastOffset(columns));
  if (vectors == MANY) {
    for (const end = row + lastOffset(columns); row < end; row += 16) m = f32x4.pmax(m, v128.load(row));
    return m;
  }
  if (vectors > 1) m = f32x4.pmax(m, v128.load(row));
  if (vectors > 2) m = f32x4.pmax(m, v128.load(row, 16));
  if (vectors > 3) m = f32x4.pmax(m, v128.load(row, 32));
  return m;
}

@inline
function storeColumnDifferences(to: usize, row0: usize, row1: usize, row2: usize, row3: usize, columns: i32): v128 {
  const z0 = loadColumn(row0, row1, row2, row3);
  const z1 = columns > 1 ? loadColumn(row0 + 4, row1 + 4, row2 + 4, row3 + 4) : z0;
  const z2 = columns > 2 ? loadColumn(row0 + 8, row1 + 8, row2 + 8, row3 + 8) : z0;
  const maxima = f32x4.pmax(f32x4.pmax(z0, z1), z2);
  v128.store(to, f32x4.sub(z0, maxima));
  if (columns > 1) v128.store(to, f32x4.sub(z1, maxima), 16);
  if (columns > 2) v128.store(to, f32x4.sub(z2, maxima), 32);
  return maxima;
}

/** One column of four rows. */
@inline
export function loadColumn(cell0: usize, cell1: usize, cell2: usize, cell3: usize): v128 {
  let column = v128.load32_zero(cell0);
  column = v128.load32_lane(cell1, column, 1);
  column = v128.load32_lane(cell2, column, 2);
  return v128.load32_lane(cell3, column, 3);
}

export const SHIFT: i32 = 0;
export const SCALE: i32 = 1;

/** The rows of a quad from scratch, each element · number (SCALE) or - number (SHIFT), a number for each row. */
@inline
export function storeQuad<Width>(
  how: i32,
  row0: usize,
  row1: usize,
  row2: usize,
  row3: usize,
  columns: i32,
  from: usize,
  numbers: v128,
): void {
  if (vectorsOf<Width>()) {
    const rowBytes = (<usize>columns) << 2;
    const from1 = from + rowBytes;
    const from2 = from1 + rowBytes;
    mapRows<Width>(how, row0, row1, row2, row3, from, from1, from2, from2 + rowBytes, columns, numbers);
    return;
  }
  storeColumn(row0, row1, row2, row3, mapped(how, from, numbers));
  if (columns > 1) storeColumn(row0 + 4, row1 + 4, row2 + 4, row3 + 4, mapped(how, from + 16, numbers));
  if (columns > 2) storeColumn(row0 + 8, row1 + 8, row2 + 8, row3 + 8, mapped(how, from + 32, numbers));
}

/**
 * Four rows of at least four columns, to = from - number or from · number, a number for each row. Reads everything
 * before it stores: the compiler then reuses the vectors that the caller has loaded.
 */
@inline
function mapRows<Width>(
  how: i32,
  to0: usize,
  to1: usize,
  to2: usize,
  to3: usize,
  from0: usize,
  from1: usize,
  from2: usize,
  from3: usize,
  columns: i32,
  numbers: v128,
): void {
  const vectors = vectorsOf<Width>();
  const last = lastOffset(columns);
  const n0 = splatLane(numbers, 0);
  const n1 = splatLane(numbers, 1);
  const n2 = splatLane(numbers, 2);
  const n3 = splatLane(numbers, 3);
  if (vectors == MANY) {
    mapLongRow(how, to0, from0, columns, n0);
    mapLongRow(how, to1, from1, columns, n1);
    mapLongRow(how, to2, from2, columns, n2);
    mapLongRow(how, to3, from3, columns, n3);
    return;
  }
  const a0 = vectors > 1 ? mapped(how, from0, n0) : n0;
  const b0 = vectors > 2 ? mapped(how, from0 + 16, n0) : n0;
  const c0 = vectors > 3 ? mapped(how, from0 + 32, n0) : n0;
  const l0 = mapped(how, from0 + last, n0);
  const a1 = vectors > 1 ? mapped(how, from1, n1) : n1;
  const b1 = vectors > 2 ? mapped(how, from1 + 16, n1) : n1;
  const c1 = vectors > 3 ? mapped(how, from1 + 32, n1) : n1;
  const l1 = mapped(how, from1 + last, n1);
  const a2 = vectors > 1 ? mapped(how, from2, n2) : n2;
  const b2 = vectors > 2 ? mapped(how, from2 + 16, n2) : n2;
  const c2 = vectors > 3 ? mapped(how, from2 + 32, n2) : n2;
  const l2 = mapped(how, from2 + last, n2);
  const a3 = vectors > 1 ? mapped(how, from3, n3) : n3;
  const b3 = vectors > 2 ? mapped(how, from3 + 16, n3) : n3;
  const c3 = vectors > 3 ? mapped(how, from3 + 32, n3) : n3;
  const l3 = mapped(how, from3 + last, n3);
  storeRow<Width>(to0, last, a0, b0, c0, l0);
  storeRow<Width>(to1, last, a1, b1, c1, l1);
  storeRow<Width>(to2, last, a2, b2, c2, l2);
  storeRow<Width>(to3, last, a3, b3, c3, l3);
}

@inline
function mapLongRow(how: i32, to: usize, from: usize, columns: i32, number: v128): void {
  const last = lastOffset(columns);
  v128.store(to + last, mapped(how, from + last, number));
  for (const end = to + last; to < end; to += 16) {
    v128.store(to, mapped(how, from, number));
    from += 16;
  }
}

@inline
function mapped(how: i32, from: usize, number: v128): v128 {
  return how == SCALE ? f32x4.mul(v128.load(from), number) : f32x4.sub(v128.load(from), number);
}

@inline
function storeRow<Width>(to: usize, lastOffset: usize, a: v128, b: v128, c: v128, last: v128): void {
  const vectors = vectorsOf<Width>();
  if (vectors > 1) v128.store(to, a);
  if (vectors > 2) v128.store(to, b, 16);
  if (vectors > 3) v128.store(to, c, 32);
  v128.store(to + lastOffset, last);
}

@inline
function storeColumn(cell0: usize, cell1: usize, cell2: usize, cell3: usize, column: v128): void {
  v128.store32_lane(cell0, column, 0);
  v128.store32_lane(cell1, column, 1);
  v128.store32_lane(cell2, column, 2);
  v128.store32_lane(cell3, column, 3);
}

/** Fills with NaN the rows of a quad whose entry of `values` is NaN. */
@inline
export function spoilRows(row0: usize, row1: usize, row2: usize, row3: usize, columns: i32, values: v128): void {
  const spoiled = i32x4.bitmask(f32x4.ne(values, values));
  if (!spoiled) return;
  if (spoiled & 1) fillWithNaN(row0, columns);
  if (spoiled & 2) fillWithNaN(row1, columns);
  if (spoiled & 4) fillWithNaN(row2, columns);
  if (spoiled & 8) fillWithNaN(row3, columns);
}

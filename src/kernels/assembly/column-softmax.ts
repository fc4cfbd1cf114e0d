// Softmax, its logarithm and log-sum-exp where the columns lie apart, without turning them into rows: each lane of a
// vector is a row of its own. A group of 16 rows (4, or fewer, at the end of a part) is copied once into scratch, since
// columns a power of two apart would push each other out of the caches between passes, and written once.
//
//   scratch   [columns][16 rows]               the logits, then their exponentials
//             [ceil(columns / 8)][16 rows]     sums over 8 columns, which are added up in float64
//
// Every operation is by lanes, so the bits of a row depend on its logits and the number of columns alone. They differ
// from those of softmaxRows: the sums are added in another order.
import { exp4 } from "./exp";
import { load1, load4, sizeShift, store1, store4 } from "./tile-elements";

const SUM_COLUMNS: i32 = 8;
/** Of one column in scratch. */
const LINE: usize = 64;
const QUIET_NAN: i32 = 0x7fc00000;

/** 1 to 4 elements, the other lanes 0. */
@inline
function loadSome(type: i32, ptr: usize, count: i32): v128 {
  if (count == 4) return load4(type, ptr);
  const size = <usize>1 << sizeShift(type);
  let x = load1(type, ptr);
  if (count > 1) x = v128.shuffle<i32>(x, load1(type, ptr + size), 0, 4, 2, 3);
  if (count > 2) x = v128.shuffle<i32>(x, load1(type, ptr + 2 * size), 0, 1, 4, 3);
  return x;
}

@inline
function storeSome(type: i32, ptr: usize, x: v128, count: i32): void {
  if (count == 4) {
    store4(type, ptr, x);
    return;
  }
  const size = <usize>1 << sizeShift(type);
  store1(type, ptr, x);
  if (count > 1) store1(type, ptr + size, v128.shuffle<i32>(x, x, 1, 1, 1, 1));
  if (count > 2) store1(type, ptr + 2 * size, v128.shuffle<i32>(x, x, 2, 2, 2, 2));
}

/** Two float64 sums of the sums over 8 columns. */
@inline
function totalOf(sums: usize, blocks: i32): v128 {
  let total = f64x2.promote_low_f32x4(v128.load64_zero(sums));
  for (let k = 1; k < blocks; k++) {
    sums += LINE;
    total = f64x2.add(total, f64x2.promote_low_f32x4(v128.load64_zero(sums)));
  }
  return total;
}

/** 1 / total of four rows. */
@inline
function factorsOf(sums: usize, blocks: i32): v128 {
  const one = f64x2.splat(1);
  const low = f32x4.demote_f64x2_zero(f64x2.div(one, totalOf(sums, blocks)));
  const high = f32x4.demote_f64x2_zero(f64x2.div(one, totalOf(sums + 8, blocks)));
  return v128.shuffle<i64>(low, high, 0, 2);
}

@inline
function softmaxGroup(
  type: i32,
  wide: bool,
  output: usize,
  source: usize,
  columns: i32,
  columnBytes: usize,
  count: i32,
  scratch: usize,
): void {
  const step = <usize>4 << sizeShift(type);
  const zero = f32x4.splat(0);
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  let line = scratch;
  for (let j = columns; j > 0; j--) {
    const z0 = wide ? load4(type, source) : loadSome(type, source, count);
    v128.store(line, z0);
    m0 = f32x4.pmax(m0, z0);
    if (wide) {
      const z1 = load4(type, source + step);
      const z2 = load4(type, source + 2 * step);
      const z3 = load4(type, source + 3 * step);
      v128.store(line, z1, 16);
      v128.store(line, z2, 32);
      v128.store(line, z3, 48);
      m1 = f32x4.pmax(m1, z1);
      m2 = f32x4.pmax(m2, z2);
      m3 = f32x4.pmax(m3, z3);
    }
    source += columnBytes;
    line += LINE;
  }
  const sums = line;
  let sum = sums;
  line = scratch;
  for (let left = columns; left > 0; left -= SUM_COLUMNS) {
    let s0 = zero;
    let s1 = zero;
    let s2 = zero;
    let s3 = zero;
    for (let n = min(left, SUM_COLUMNS); n > 0; n--) {
      const e0 = exp4(f32x4.sub(v128.load(line), m0));
      v128.store(line, e0);
      s0 = f32x4.add(s0, e0);
      if (wide) {
        const e1 = exp4(f32x4.sub(v128.load(line, 16), m1));
        const e2 = exp4(f32x4.sub(v128.load(line, 32), m2));
        const e3 = exp4(f32x4.sub(v128.load(line, 48), m3));
        v128.store(line, e1, 16);
        v128.store(line, e2, 32);
        v128.store(line, e3, 48);
        s1 = f32x4.add(s1, e1);
        s2 = f32x4.add(s2, e2);
        s3 = f32x4.add(s3, e3);
      }
      line += LINE;
    }
    v128.store(sum, s0);
    if (wide) {
      v128.store(sum, s1, 16);
      v128.store(sum, s2, 32);
      v128.store(sum, s3, 48);
    }
    sum += LINE;
  }
  const blocks = (columns + SUM_COLUMNS - 1) / SUM_COLUMNS;
  const f0 = factorsOf(sums, blocks);
  const f1 = wide ? factorsOf(sums + 16, blocks) : zero;
  const f2 = wide ? factorsOf(sums + 32, blocks) : zero;
  const f3 = wide ? factorsOf(sums + 48, blocks) : zero;
  line = scratch;
  for (let j = columns; j > 0; j--) {
    const p0 = f32x4.mul(v128.load(line), f0);
    if (wide) {
      store4(type, output, p0);
      store4(type, output + step, f32x4.mul(v128.load(line, 16), f1));
      store4(type, output + 2 * step, f32x4.mul(v128.load(line, 32), f2));
      store4(type, output + 3 * step, f32x4.mul(v128.load(line, 48), f3));
    } else {
      storeSome(type, output, p0, count);
    }
    output += columnBytes;
    line += LINE;
  }
}

export function softmaxColumns(output: usize, logits: usize, type: i32, rowBegin: i32, rows: i32, columns: i32, inner: i32, scratch: usize): void {
  let begin = rowBegin % inner;
  const shift: usize = 2;
  const columnBytes = <usize>inner << shift;
  let offset = (<usize>(rowBegin / inner) * columns * inner) << shift;
  while (rows > 0) {
    const part = min(rows, inner - begin);
    let at = offset + (<usize>begin << shift);
    let left = part;
    for (; left >= 16; left -= 16) {
      softmaxGroup(0, true, output + at, logits + at, columns, columnBytes, 4, scratch);
      at += <usize>16 << shift;
    }
    for (; left > 0; left -= 4) {
      softmaxGroup(0, false, output + at, logits + at, columns, columnBytes, min(left, 4), scratch);
      at += <usize>4 << shift;
    }
    offset += <usize>columns * columnBytes;
    rows -= part;
    begin = 0;
  }
}

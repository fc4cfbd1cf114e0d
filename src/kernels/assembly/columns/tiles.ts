// Copies rows of arrays [outer × columns × inner] of any element type to contiguous tiles, and back; the contracts are
// in ../loss-kernels.ts. This file walks through the array, tile-blocks.ts transposes.
//
//   array, row r = o · inner + i                        tile
//   column 0     i ->  x x x x x x x x … (inner)        row r       column -> y y y y y …
//   column 1     i ->  x x x x x x x x …                row r + 1   column -> y y y y y …
//
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from '../../loss-layout';
import { load1, load4, sizeShift, store1, store4 } from '../vectors/element-types';
import { loadColumns, loadColumns64, storeColumns, storeColumns64 } from './tile-blocks';

/** See the contract; tile and source must not overlap. */
export function loadTile(
  tile: usize,
  source: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
): void {
  switch (type) {
    case TYPE_FLOAT32:
      return copyRows(true, TYPE_FLOAT32, tile, source, rowBegin, rows, columns, inner);
    case TYPE_FLOAT64:
      return copyRows(true, TYPE_FLOAT64, tile, source, rowBegin, rows, columns, inner);
    case TYPE_BFLOAT16:
      return copyRows(true, TYPE_BFLOAT16, tile, source, rowBegin, rows, columns, inner);
    default:
      return copyRows(true, TYPE_FLOAT16, tile, source, rowBegin, rows, columns, inner);
  }
}

/** See the contract; tile and target must not overlap. Every NaN is stored as the quiet NaN of the half types. */
export function storeTile(
  target: usize,
  tile: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
): void {
  switch (type) {
    case TYPE_FLOAT32:
      return copyRows(false, TYPE_FLOAT32, tile, target, rowBegin, rows, columns, inner);
    case TYPE_FLOAT64:
      return copyRows(false, TYPE_FLOAT64, tile, target, rowBegin, rows, columns, inner);
    case TYPE_BFLOAT16:
      return copyRows(false, TYPE_BFLOAT16, tile, target, rowBegin, rows, columns, inner);
    default:
      return copyRows(false, TYPE_FLOAT16, tile, target, rowBegin, rows, columns, inner);
  }
}

/** Whether the rows lie one after the other as in the tile. */
@inline
function isContiguous(columns: i32, inner: i32): bool {
  return inner == 1 || columns == 1;
}

/** One part after the other of the rows that lie in one `outer`: from the array to the tile (`loads`), or back. */
@inline
function copyRows(
  loads: bool,
  type: i32,
  tile: usize,
  array: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
): void {
  const shift = sizeShift(type);
  if (isContiguous(columns, inner)) {
    array += (<usize>rowBegin * columns) << shift;
    if (loads) loadContiguous(type, tile, array, <usize>rows * columns);
    else storeContiguous(type, array, tile, <usize>rows * columns);
    return;
  }
  const columnBytes = (<usize>inner) << shift;
  let begin = rowBegin % inner;
  array += <usize>(rowBegin / inner) * columns * columnBytes;
  while (rows > 0) {
    const part = min(rows, inner - begin);
    const first = array + ((<usize>begin) << shift);
    if (type == TYPE_FLOAT64) {
      if (loads) loadColumns64(tile, first, part, columns, columnBytes);
      else storeColumns64(first, tile, part, columns, columnBytes);
    } else {
      if (loads) loadColumns(type, tile, first, part, columns, columnBytes);
      else storeColumns(type, first, tile, part, columns, columnBytes);
    }
    tile += (<usize>part * columns) << (type == TYPE_FLOAT64 ? 3 : 2);
    array += <usize>columns * columnBytes;
    rows -= part;
    begin = 0;
  }
}

@inline
function loadContiguous(type: i32, tile: usize, source: usize, length: usize): void {
  if (type == TYPE_FLOAT32 || type == TYPE_FLOAT64) {
    memory.copy(tile, source, length << sizeShift(type));
    return;
  }
  for (let vectors = length >> 3; vectors > 0; vectors--) {
    const low = load4(type, source);
    const high = load4(type, source + 8);
    v128.store(tile, low);
    v128.store(tile, high, 16);
    source += 16;
    tile += 32;
  }
  for (let rest = length & 7; rest > 0; rest--) {
    v128.store32_lane(tile, load1(type, source), 0);
    source += 2;
    tile += 4;
  }
}

@inline
function storeContiguous(type: i32, target: usize, tile: usize, length: usize): void {
  if (type == TYPE_FLOAT32 || type == TYPE_FLOAT64) {
    memory.copy(target, tile, length << sizeShift(type));
    return;
  }
  for (let vectors = length >> 3; vectors > 0; vectors--) {
    const low = v128.load(tile);
    const high = v128.load(tile, 16);
    store4(type, target, low);
    store4(type, target + 8, high);
    tile += 32;
    target += 16;
  }
  for (let rest = length & 7; rest > 0; rest--) {
    store1(type, target, v128.load32_zero(tile));
    tile += 4;
    target += 2;
  }
}

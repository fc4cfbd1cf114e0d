// Tiles of rows out of arrays [outer × columns × inner] of any element type, and back; the contracts are in
// ../loss-kernels.ts. Here are the ways through such an array, tile-blocks.ts turns what has columns apart.
//
//   array, row r = o · inner + i                        tile
//   column 0     i ->  x x x x x x x x … (inner)        row r       column -> y y y y y …
//   column 1     i ->  x x x x x x x x …                row r + 1   column -> y y y y y …
//
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from "../loss-layout";
import { loadColumns, loadColumns64, storeColumns, storeColumns64 } from "./tile-blocks";
import { load1, load4, sizeShift, store1, store4 } from "./tile-elements";

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
      return loadRows(TYPE_FLOAT32, tile, source, rowBegin, rows, columns, inner);
    case TYPE_FLOAT64:
      return loadRows(TYPE_FLOAT64, tile, source, rowBegin, rows, columns, inner);
    case TYPE_BFLOAT16:
      return loadRows(TYPE_BFLOAT16, tile, source, rowBegin, rows, columns, inner);
    default:
      return loadRows(TYPE_FLOAT16, tile, source, rowBegin, rows, columns, inner);
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
      return storeRows(TYPE_FLOAT32, target, tile, rowBegin, rows, columns, inner);
    case TYPE_FLOAT64:
      return storeRows(TYPE_FLOAT64, target, tile, rowBegin, rows, columns, inner);
    case TYPE_BFLOAT16:
      return storeRows(TYPE_BFLOAT16, target, tile, rowBegin, rows, columns, inner);
    default:
      return storeRows(TYPE_FLOAT16, target, tile, rowBegin, rows, columns, inner);
  }
}

/** Whether the rows lie one after the other as in the tile. */
@inline
function isContiguous(columns: i32, inner: i32): bool {
  return inner == 1 || columns == 1;
}

/** One part after the other of the rows that lie in one `outer`. */
@inline
function loadRows(type: i32, tile: usize, source: usize, rowBegin: i32, rows: i32, columns: i32, inner: i32): void {
  const shift = sizeShift(type);
  if (isContiguous(columns, inner)) {
    source += (<usize>rowBegin * columns) << shift;
    return loadContiguous(type, tile, source, <usize>rows * columns);
  }
  let begin = rowBegin % inner;
  source += (<usize>(rowBegin / inner) * columns * inner) << shift;
  while (rows > 0) {
    const part = min(rows, inner - begin);
    const first = source + (<usize>begin << shift);
    if (type == TYPE_FLOAT64) loadColumns64(tile, first, part, columns, <usize>inner << shift);
    else loadColumns(type, tile, first, part, columns, <usize>inner << shift);
    tile += (<usize>part * columns) << (type == TYPE_FLOAT64 ? 3 : 2);
    source += (<usize>columns * inner) << shift;
    rows -= part;
    begin = 0;
  }
}

@inline
function storeRows(type: i32, target: usize, tile: usize, rowBegin: i32, rows: i32, columns: i32, inner: i32): void {
  const shift = sizeShift(type);
  if (isContiguous(columns, inner)) {
    target += (<usize>rowBegin * columns) << shift;
    return storeContiguous(type, target, tile, <usize>rows * columns);
  }
  let begin = rowBegin % inner;
  target += (<usize>(rowBegin / inner) * columns * inner) << shift;
  while (rows > 0) {
    const part = min(rows, inner - begin);
    const first = target + (<usize>begin << shift);
    if (type == TYPE_FLOAT64) storeColumns64(first, tile, part, columns, <usize>inner << shift);
    else storeColumns(type, first, tile, part, columns, <usize>inner << shift);
    tile += (<usize>part * columns) << (type == TYPE_FLOAT64 ? 3 : 2);
    target += (<usize>columns * inner) << shift;
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

// Transposes columns that lie apart into rows of a tile, and back: blocks of 4 × 4 float32 or 2 × 2 float64, in
// registers.
//
// A panel of a few columns is walked down all its rows before the next begins: the cache lines of its columns are then
// used up while they are there, even where columns are a multiple of 4096 bytes apart, all in one set of the L1 cache.
// Blocks at ragged ends overlap the ones before. Nothing outside of the rows is read or written.
import { gather4, load1, load4, scatter4, sizeShift, store1, store4 } from '../vectors/element-types';

/**
 * Columns that go side by side into a tile, so that its cache lines are written whole. Measured on rows 16 to 64 of
 * columns 1024 to 262,144 apart: 16 is up to 2.7 times as fast as 4, and 4 up to twice as fast as 16 where a tile is
 * small. The way back is fastest with 4, by up to 4 times: the lines of more columns than that push each other out of a
 * set.
 */
const LOAD_PANEL: i32 = 16;

/** tile [rows × columns] from columns `columnBytes` apart, each of `rows` elements one after the other. columns >= 2. */
@inline
export function loadColumns(type: i32, tile: usize, source: usize, rows: i32, columns: i32, columnBytes: usize): void {
  const rowBytes = (<usize>columns) << 2;
  if (columns < 4) {
    for (let j = 0; j < columns; j++)
      loadOneColumn(type, tile + ((<usize>j) << 2), source + <usize>j * columnBytes, rows, rowBytes);
    return;
  }
  for (let begin = 0; begin < columns; begin += LOAD_PANEL) {
    const end = min(begin + LOAD_PANEL, columns);
    if (rows < 4) {
      for (let i: usize = 0; i < <usize>rows; i++) {
        for (let j = begin; j < end; j += 4) {
          const first = <usize>min(j, columns - 4);
          const from = source + first * columnBytes + (i << sizeShift(type));
          v128.store(tile + i * rowBytes + (first << 2), gather4(type, from, columnBytes));
        }
      }
    } else {
      for (let i = 0; i < rows; i += 4) {
        const row = <usize>min(i, rows - 4);
        for (let j = begin; j < end; j += 4) {
          const first = <usize>min(j, columns - 4);
          const from = source + first * columnBytes + (row << sizeShift(type));
          loadBlock(type, tile + row * rowBytes + (first << 2), from, rowBytes, columnBytes);
        }
      }
    }
  }
}

@inline
export function storeColumns(type: i32, target: usize, tile: usize, rows: i32, columns: i32, columnBytes: usize): void {
  const rowBytes = (<usize>columns) << 2;
  if (columns < 4) {
    for (let j = 0; j < columns; j++)
      storeOneColumn(type, target + <usize>j * columnBytes, tile + ((<usize>j) << 2), rows, rowBytes);
    return;
  }
  for (let j = 0; j < columns; j += 4) {
    const first = <usize>min(j, columns - 4);
    const panel = target + first * columnBytes;
    const source = tile + (first << 2);
    if (rows < 4) {
      for (let i: usize = 0; i < <usize>rows; i++) {
        scatter4(type, panel + (i << sizeShift(type)), columnBytes, v128.load(source + i * rowBytes));
      }
    } else {
      for (let i = 0; i < rows; i += 4) {
        const row = <usize>min(i, rows - 4);
        storeBlock(type, panel + (row << sizeShift(type)), source + row * rowBytes, rowBytes, columnBytes);
      }
    }
  }
}

/** Four elements of each of four columns to four elements of each of four rows. */
@inline
function loadBlock(type: i32, tile: usize, source: usize, rowBytes: usize, columnBytes: usize): void {
  const a = load4(type, source);
  const b = load4(type, source + columnBytes);
  const c = load4(type, source + 2 * columnBytes);
  const d = load4(type, source + 3 * columnBytes);
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(tile, v128.shuffle<i64>(ab01, cd01, 0, 2));
  v128.store(tile + rowBytes, v128.shuffle<i64>(ab01, cd01, 1, 3));
  v128.store(tile + 2 * rowBytes, v128.shuffle<i64>(ab23, cd23, 0, 2));
  v128.store(tile + 3 * rowBytes, v128.shuffle<i64>(ab23, cd23, 1, 3));
}

@inline
function storeBlock(type: i32, target: usize, tile: usize, rowBytes: usize, columnBytes: usize): void {
  const a = v128.load(tile);
  const b = v128.load(tile + rowBytes);
  const c = v128.load(tile + 2 * rowBytes);
  const d = v128.load(tile + 3 * rowBytes);
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  store4(type, target, v128.shuffle<i64>(ab01, cd01, 0, 2));
  store4(type, target + columnBytes, v128.shuffle<i64>(ab01, cd01, 1, 3));
  store4(type, target + 2 * columnBytes, v128.shuffle<i64>(ab23, cd23, 0, 2));
  store4(type, target + 3 * columnBytes, v128.shuffle<i64>(ab23, cd23, 1, 3));
}

/** One column of a tile of two or three. */
@inline
function loadOneColumn(type: i32, tile: usize, source: usize, rows: i32, rowBytes: usize): void {
  for (; rows >= 4; rows -= 4) {
    const x = load4(type, source);
    v128.store32_lane(tile, x, 0);
    v128.store32_lane(tile + rowBytes, x, 1);
    v128.store32_lane(tile + 2 * rowBytes, x, 2);
    v128.store32_lane(tile + 3 * rowBytes, x, 3);
    source += (<usize>4) << sizeShift(type);
    tile += 4 * rowBytes;
  }
  for (; rows > 0; rows--) {
    v128.store32_lane(tile, load1(type, source), 0);
    source += (<usize>1) << sizeShift(type);
    tile += rowBytes;
  }
}

@inline
function storeOneColumn(type: i32, target: usize, tile: usize, rows: i32, rowBytes: usize): void {
  for (; rows >= 4; rows -= 4) {
    let x = v128.load32_zero(tile);
    x = v128.load32_lane(tile + rowBytes, x, 1);
    x = v128.load32_lane(tile + 2 * rowBytes, x, 2);
    x = v128.load32_lane(tile + 3 * rowBytes, x, 3);
    store4(type, target, x);
    target += (<usize>4) << sizeShift(type);
    tile += 4 * rowBytes;
  }
  for (; rows > 0; rows--) {
    store1(type, target, v128.load32_zero(tile));
    target += (<usize>1) << sizeShift(type);
    tile += rowBytes;
  }
}

/** As loadColumns, float64. */
@inline
export function loadColumns64(tile: usize, source: usize, rows: i32, columns: i32, columnBytes: usize): void {
  const rowBytes = (<usize>columns) << 3;
  for (let j = 0; j < columns; j += 2) {
    const first = <usize>min(j, columns - 2);
    const panel = source + first * columnBytes;
    const target = tile + (first << 3);
    if (rows == 1) {
      v128.store(target, v128.load64_lane(panel + columnBytes, v128.load64_zero(panel), 1));
    } else {
      for (let i = 0; i < rows; i += 2) {
        const row = <usize>min(i, rows - 2);
        turnBlock64(target + row * rowBytes, panel + (row << 3), rowBytes, columnBytes);
      }
    }
  }
}

/** As storeColumns, float64. */
@inline
export function storeColumns64(target: usize, tile: usize, rows: i32, columns: i32, columnBytes: usize): void {
  const rowBytes = (<usize>columns) << 3;
  for (let j = 0; j < columns; j += 2) {
    const first = <usize>min(j, columns - 2);
    const panel = target + first * columnBytes;
    const source = tile + (first << 3);
    if (rows == 1) {
      const x = v128.load(source);
      v128.store64_lane(panel, x, 0);
      v128.store64_lane(panel + columnBytes, x, 1);
    } else {
      for (let i = 0; i < rows; i += 2) {
        const row = <usize>min(i, rows - 2);
        turnBlock64(panel + (row << 3), source + row * rowBytes, columnBytes, rowBytes);
      }
    }
  }
}

/** 2 × 2 elements, lines `fromBytes` apart, to lines `toBytes` apart. */
@inline
function turnBlock64(to: usize, from: usize, toBytes: usize, fromBytes: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + fromBytes);
  v128.store(to, v128.shuffle<i64>(a, b, 0, 2));
  v128.store(to + toBytes, v128.shuffle<i64>(a, b, 1, 3));
}

// Tiles of a row-major matrix [any × classes] to and from the panels that the micro-kernels work on.
import { panelWidth } from "../layout";

/**
 * Panels that are filled at a time: 64 columns, some whole cache lines of a row. More would be more streams of stores
 * than the ways of an L1 set that panels a multiple of 4096 bytes apart share.
 */
const PANELS_AT_ONCE = 8;

/**
 * panels [columns / width][rows][width] = matrix rows [rowBegin, rowBegin + rows) × columns [begin, begin + count),
 * zeros in the columns from count on.
 */
export function packPanels(
  panels: usize,
  matrix: usize,
  classes: i32,
  begin: i32,
  count: i32,
  columns: i32,
  rowBegin: i32,
  rows: i32,
): void {
  const width = panelWidth(columns);
  const panelBytes = <usize>(rows * width) << 2;
  const stride = <usize>classes << 2;
  const source = matrix + (<usize>(rowBegin * classes + begin) << 2);
  const whole = count / width;
  for (let p = 0; p < whole; p += PANELS_AT_ONCE) {
    const vectors = (min(PANELS_AT_ONCE, whole - p) * width) >> 2;
    let from = source + (<usize>(p * width) << 2);
    let to = panels + <usize>p * panelBytes;
    for (let row = rows; row > 0; row--) {
      if (width == 8) copyPairsIn(to, from, vectors, panelBytes);
      else copyPanelRow(to, from, vectors);
      from += stride;
      to += <usize>width << 2;
    }
  }
  if (whole * width == columns) return;
  memory.fill(panels + <usize>whole * panelBytes, 0, <usize>(columns - whole * width) * (<usize>rows << 2));
  let from = source + (<usize>(whole * width) << 2);
  let to = panels + <usize>whole * panelBytes;
  for (let row = rows; row > 0; row--) {
    for (let column = 0; column < count - whole * width; column++) {
      store<f32>(to + (<usize>column << 2), load<f32>(from + (<usize>column << 2)));
    }
    from += stride;
    to += <usize>width << 2;
  }
}

/** The reverse of packPanels; columns from count on are left out. */
export function unpackPanels(
  matrix: usize,
  panels: usize,
  classes: i32,
  begin: i32,
  count: i32,
  columns: i32,
  rowBegin: i32,
  rows: i32,
): void {
  const width = panelWidth(columns);
  const panelBytes = <usize>(rows * width) << 2;
  const stride = <usize>classes << 2;
  const target = matrix + (<usize>(rowBegin * classes + begin) << 2);
  const whole = count / width;
  for (let p = 0; p < whole; p += PANELS_AT_ONCE) {
    const vectors = (min(PANELS_AT_ONCE, whole - p) * width) >> 2;
    let to = target + (<usize>(p * width) << 2);
    let from = panels + <usize>p * panelBytes;
    for (let row = rows; row > 0; row--) {
      if (width == 8) copyPairsOut(to, from, vectors, panelBytes);
      else copyPanelRow(to, from, vectors);
      from += <usize>width << 2;
      to += stride;
    }
  }
  let to = target + (<usize>(whole * width) << 2);
  let from = panels + <usize>whole * panelBytes;
  for (let row = rows; row > 0; row--) {
    for (let column = 0; column < count - whole * width; column++) {
      store<f32>(to + (<usize>column << 2), load<f32>(from + (<usize>column << 2)));
    }
    from += <usize>width << 2;
    to += stride;
  }
}

/** A stretch of a row into its lines of panels of 8. */
@inline
function copyPairsIn(to: usize, from: usize, vectors: i32, panelBytes: usize): void {
  for (let left = vectors; left > 0; left -= 2) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    v128.store(to, low);
    v128.store(to, high, 16);
    from += 32;
    to += panelBytes;
  }
}

@inline
function copyPairsOut(to: usize, from: usize, vectors: i32, panelBytes: usize): void {
  for (let left = vectors; left > 0; left -= 2) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    v128.store(to, low);
    v128.store(to, high, 16);
    from += panelBytes;
    to += 32;
  }
}

/** Where all columns are one panel. */
@inline
function copyPanelRow(to: usize, from: usize, vectors: i32): void {
  for (let left = vectors; left > 0; left--) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16;
  }
}

/**
 * panel [count × 8] = the transposed of matrix rows [rowBegin, rowBegin + rows) × columns [begin, begin + count), rows
 * at most 8; zeros beyond them.
 */
export function packTransposed(
  panel: usize,
  matrix: usize,
  classes: i32,
  begin: i32,
  count: i32,
  rowBegin: i32,
  rows: i32,
): void {
  const stride = <usize>classes << 2;
  const source = matrix + (<usize>(rowBegin * classes + begin) << 2);
  if (rows == 8) {
    transposeFour(panel, source, stride, count);
    transposeFour(panel + 16, source + (stride << 2), stride, count);
    return;
  }
  memory.fill(panel, 0, <usize>count << 5);
  for (let row = 0; row < rows; row++) {
    let from = source + <usize>row * stride;
    let to = panel + (<usize>row << 2);
    for (let left = count; left > 0; left--) {
      store<f32>(to, load<f32>(from));
      from += 4;
      to += 32;
    }
  }
}

/** Four rows into four columns of a panel of 8. */
function transposeFour(panel: usize, row0: usize, stride: usize, count: i32): void {
  let row1 = row0 + stride;
  let row2 = row1 + stride;
  let row3 = row2 + stride;
  let left = count;
  for (; left >= 4; left -= 4) {
    const a = v128.load(row0);
    const b = v128.load(row1);
    const c = v128.load(row2);
    const d = v128.load(row3);
    const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const abHigh = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const cdHigh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    v128.store(panel, i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
    v128.store(panel, i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 32);
    v128.store(panel, i8x16.shuffle(abHigh, cdHigh, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 64);
    v128.store(panel, i8x16.shuffle(abHigh, cdHigh, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 96);
    row0 += 16;
    row1 += 16;
    row2 += 16;
    row3 += 16;
    panel += 128;
  }
  for (; left > 0; left--) {
    store<f32>(panel, load<f32>(row0));
    store<f32>(panel, load<f32>(row1), 4);
    store<f32>(panel, load<f32>(row2), 8);
    store<f32>(panel, load<f32>(row3), 12);
    row0 += 4;
    row1 += 4;
    row2 += 4;
    row3 += 4;
    panel += 32;
  }
}

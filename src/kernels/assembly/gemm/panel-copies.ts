// Tiles of a row-major matrix [any × classes] to and from the panels that the micro-kernels work on.
import { panelWidth } from '../../layout';
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32 } from '../../loss-layout';
import { load1, load4, sizeShift } from '../vectors/element-types';
import { interleaveFour } from './packed-lines';

/**
 * Panels that are filled at a time: 64 columns, whole cache lines of a row. More would be more streams of stores than
 * an L1 set has ways, which panels a multiple of 4096 bytes apart share.
 */
const PANELS_AT_ONCE = 8;

/**
 * panels [columns / width][rows][width] = `rows` rows of a matrix, stride bytes apart, zeros in the columns from count on.
 * matrix: the address of the first element.
 */
export function packPanels(panels: usize, matrix: usize, stride: usize, count: i32, columns: i32, rows: i32): void {
  packElements(TYPE_FLOAT32, panels, matrix, stride, count, columns, rows);
}

/** packPanels of a matrix of float32 or of a half type, which is widened. */
export function packTypedPanels(
  panels: usize,
  matrix: usize,
  type: i32,
  stride: usize,
  count: i32,
  columns: i32,
  rows: i32,
): void {
  switch (type) {
    case TYPE_FLOAT32:
      return packPanels(panels, matrix, stride, count, columns, rows);
    case TYPE_BFLOAT16:
      return packElements(TYPE_BFLOAT16, panels, matrix, stride, count, columns, rows);
    default:
      return packElements(TYPE_FLOAT16, panels, matrix, stride, count, columns, rows);
  }
}

@inline
function packElements(
  type: i32,
  panels: usize,
  matrix: usize,
  stride: usize,
  count: i32,
  columns: i32,
  rows: i32,
): void {
  const shift = sizeShift(type);
  const width = panelWidth(columns);
  const panelBytes = (<usize>(rows * width)) << 2;
  const whole = count / width;
  for (let p = 0; p < whole; p += PANELS_AT_ONCE) {
    const vectors = (min(PANELS_AT_ONCE, whole - p) * width) >> 2;
    let from = matrix + ((<usize>(p * width)) << shift);
    let to = panels + <usize>p * panelBytes;
    for (let row = rows; row > 0; row--) {
      if (width == 8) copyPairsIn(type, to, from, vectors, panelBytes);
      else copyPanelRow(type, to, from, vectors);
      from += stride;
      to += (<usize>width) << 2;
    }
  }
  if (whole * width == columns) return;
  memory.fill(panels + <usize>whole * panelBytes, 0, <usize>(columns - whole * width) * ((<usize>rows) << 2));
  let from = matrix + ((<usize>(whole * width)) << shift);
  let to = panels + <usize>whole * panelBytes;
  for (let row = rows; row > 0; row--) {
    for (let column = 0; column < count - whole * width; column++) {
      v128.store32_lane(to + ((<usize>column) << 2), load1(type, from + ((<usize>column) << shift)), 0);
    }
    from += stride;
    to += (<usize>width) << 2;
  }
}

/** The reverse of packPanels; columns from count on are left out. */
export function unpackPanels(matrix: usize, panels: usize, stride: usize, count: i32, columns: i32, rows: i32): void {
  const width = panelWidth(columns);
  const panelBytes = (<usize>(rows * width)) << 2;
  const whole = count / width;
  for (let p = 0; p < whole; p += PANELS_AT_ONCE) {
    const vectors = (min(PANELS_AT_ONCE, whole - p) * width) >> 2;
    let to = matrix + ((<usize>(p * width)) << 2);
    let from = panels + <usize>p * panelBytes;
    for (let row = rows; row > 0; row--) {
      if (width == 8) copyPairsOut(to, from, vectors, panelBytes);
      else copyPanelRow(TYPE_FLOAT32, to, from, vectors);
      from += (<usize>width) << 2;
      to += stride;
    }
  }
  let to = matrix + ((<usize>(whole * width)) << 2);
  let from = panels + <usize>whole * panelBytes;
  for (let row = rows; row > 0; row--) {
    for (let column = 0; column < count - whole * width; column++) {
      store<f32>(to + ((<usize>column) << 2), load<f32>(from + ((<usize>column) << 2)));
    }
    from += (<usize>width) << 2;
    to += stride;
  }
}

/** A stretch of a row into its lines of panels of 8. V8 joins two loads of float32 only where the offset is a constant. */
@inline
function copyPairsIn(type: i32, to: usize, from: usize, vectors: i32, panelBytes: usize): void {
  for (let left = vectors; left > 0; left -= 2) {
    const low = load4(type, from);
    const high = type == TYPE_FLOAT32 ? v128.load(from, 16) : load4(type, from + 8);
    v128.store(to, low);
    v128.store(to, high, 16);
    from += 8 << sizeShift(type);
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
function copyPanelRow(type: i32, to: usize, from: usize, vectors: i32): void {
  for (let left = vectors; left > 0; left--) {
    v128.store(to, load4(type, from));
    from += 4 << sizeShift(type);
    to += 16;
  }
}

/** panel [count × 8] = the transposed of at most 8 rows of `count` elements, stride bytes apart; zeros beyond them. */
export function packTransposed(panel: usize, matrix: usize, stride: usize, count: i32, rows: i32): void {
  if (rows == 8) {
    const fifth = matrix + 4 * stride;
    interleaveFour(panel, 32, matrix, matrix + stride, matrix + 2 * stride, matrix + 3 * stride, count);
    interleaveFour(panel + 16, 32, fifth, fifth + stride, fifth + 2 * stride, fifth + 3 * stride, count);
    return;
  }
  memory.fill(panel, 0, (<usize>count) << 5);
  for (let row = 0; row < rows; row++) {
    let from = matrix + <usize>row * stride;
    let to = panel + ((<usize>row) << 2);
    for (let left = count; left > 0; left--) {
      store<f32>(to, load<f32>(from));
      from += 4;
      to += 32;
    }
  }
}

// The micro-kernels run over one panel of the weights: one compiled function for each width of panel and direction.
import { backwardBlock, forwardBlock, LINES_12, LINES_4, LINES_8 } from "./outer-products";

// They stay functions of their own, called from the loops over panels: V8's register allocator does better with small
// functions, and V8 can put the optimized code of a function in place only when it is called anew.

/**
 * output [rows × width, outputStride bytes apart] = start + X[:, begin … begin + depth) · panel [depth × width].
 * start, startStride, rowPtrs and beginBytes (4 · begin) as in forwardBlock.
 */
@inline
export function forwardPanel(
  width: i32,
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
  rows: i32,
): void {
  if (width == 8) {
    forwardPanel8(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
  } else if (width == 12) {
    forwardPanel12(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
  } else {
    forwardPanel4(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
  }
}

/**
 * panel [features × width] += X[:, begin … begin + features)ᵀ · dZ; dZ [rows × width, stride bytes apart] at gradLogits,
 * rowPtrs and beginBytes (4 · begin) as in backwardBlock.
 */
@inline
export function backwardPanel(
  width: i32,
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  if (width == 8) {
    backwardPanel8(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  } else if (width == 12) {
    backwardPanel12(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  } else {
    backwardPanel4(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  }
}

function forwardPanel4(
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
  rows: i32,
): void {
  forwardLines(LINES_4, 1, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function forwardPanel8(
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
  rows: i32,
): void {
  forwardLines(LINES_8, 2, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function forwardPanel12(
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
  rows: i32,
): void {
  forwardLines(LINES_12, 3, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function backwardPanel4(
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  backwardLines(LINES_4, 1, panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
}

function backwardPanel8(
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  backwardLines(LINES_8, 2, panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
}

function backwardPanel12(
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  backwardLines(LINES_12, 3, panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
}

/** All rows of a panel in blocks of `lines`, the rest by two and one. */
@inline
function forwardLines(
  lines: i32,
  vectors: i32,
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
  rows: i32,
): void {
  let left = rows;
  for (; left >= lines; left -= lines) {
    forwardBlock(lines, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
    output += <usize>lines * outputStride;
    start += <usize>lines * startStride;
    rowPtrs += <usize>lines << 2;
  }
  for (; left >= 2; left -= 2) {
    forwardBlock(2, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
    output += outputStride << 1;
    start += startStride << 1;
    rowPtrs += 8;
  }
  if (left) forwardBlock(1, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
}

/** All features of a panel in blocks of `lines`, the rest by two and one. */
@inline
function backwardLines(
  lines: i32,
  vectors: i32,
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  let left = features;
  for (; left >= lines; left -= lines) {
    backwardBlock(lines, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += <usize>(lines * vectors) << 4;
    beginBytes += <usize>lines << 2;
  }
  for (; left >= 2; left -= 2) {
    backwardBlock(2, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += <usize>(2 * vectors) << 4;
    beginBytes += 8;
  }
  if (left) backwardBlock(1, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
}

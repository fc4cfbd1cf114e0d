// The micro-kernels run over one panel of the weights: one compiled function for each width of panel and direction.

import { N1, N2, N3, numberOf } from '../vectors/type-numbers';
import { backwardBlock, forwardBlock, LINES_4, LINES_8, LINES_12 } from './outer-products';

// Each stays a function of its own, called from the loops over panels: V8 allocates registers better in small
// functions, and switches to a function's optimized code only at its next call.

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
    forwardLines<N2>(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
  } else if (width == 12) {
    forwardLines<N3>(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
  } else {
    forwardLines<N1>(output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
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
    backwardLines<N2>(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  } else if (width == 12) {
    backwardLines<N3>(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  } else {
    backwardLines<N1>(panel, rowPtrs, beginBytes, gradLogits, stride, rows, features);
  }
}

/** How many lines a block has, for panels of that many vectors. */
@inline
function linesOf<Vectors>(): i32 {
  return numberOf<Vectors>() == 1 ? LINES_4 : numberOf<Vectors>() == 2 ? LINES_8 : LINES_12;
}

/** All rows of a panel in blocks of LINES_…, the rest by two and one. */
function forwardLines<Vectors>(
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
  const vectors = numberOf<Vectors>();
  const lines = linesOf<Vectors>();
  let left = rows;
  for (; left >= lines; left -= lines) {
    forwardBlock(lines, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
    output += <usize>lines * outputStride;
    start += <usize>lines * startStride;
    rowPtrs += (<usize>lines) << 2;
  }
  for (; left >= 2; left -= 2) {
    forwardBlock(2, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
    output += outputStride << 1;
    start += startStride << 1;
    rowPtrs += 8;
  }
  if (left) forwardBlock(1, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
}

/** All features of a panel in blocks of LINES_…, the rest by two and one. */
function backwardLines<Vectors>(
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
): void {
  const vectors = numberOf<Vectors>();
  const lines = linesOf<Vectors>();
  let left = features;
  for (; left >= lines; left -= lines) {
    backwardBlock(lines, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += (<usize>(lines * vectors)) << 4;
    beginBytes += (<usize>lines) << 2;
  }
  for (; left >= 2; left -= 2) {
    backwardBlock(2, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += (<usize>(2 * vectors)) << 4;
    beginBytes += 8;
  }
  if (left) backwardBlock(1, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
}

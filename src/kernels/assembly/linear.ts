// The linear layer Z = X W + b and its gradients, on rows reached through a table of addresses.
import { paddedClasses, panelWidth } from "../layout";
import { backwardBlock, forwardBlock, LINES_12, LINES_4, LINES_8 } from "./outer-products";

/** Features that linearForward sums before it adds to the logits: a panel's part (16 to 24 KiB) stays in the L1 cache. */
const DEPTH_BLOCK = 512;

/** Rows that share a part of the weights while it is in cache: their DEPTH_BLOCK features (192 KiB) stay in L2. */
const FORWARD_ROWS = 96;

/** Rows that linearBackward and addColumnSums sum before they add to the gradient: a column of X (one cache line a row) and
 * a panel of dZ stay in the L1 cache. */
const BACKWARD_ROWS = 128;

/** Features that share those rows of X while they are in the L2 cache (256 KiB). A multiple of all block heights. */
const BACKWARD_FEATURES = 504;

/**
 * rowPtrs[i] = address of row indices[rowBegin + i] of inputs [any × features], tileTargets[i] = that row of targets;
 * row rowBegin + i where indices is 0, no targets where targets is 0.
 */
export function gatherRows(
  rowPtrs: usize,
  tileTargets: usize,
  inputs: usize,
  targets: usize,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  features: i32,
): void {
  const rowBytes = <usize>features << 2;
  for (let i = 0; i < rows; i++) {
    let row = <usize>(rowBegin + i);
    if (indices) row = <usize>load<u32>(indices + (row << 2));
    store<u32>(rowPtrs + (<usize>i << 2), <u32>(inputs + row * rowBytes));
    if (targets) store<i32>(tileTargets + (<usize>i << 2), load<i32>(targets + (row << 2)));
  }
}

/** Rows [rowBegin, rowEnd) of one panel over one block of depth; arguments as in forwardBlock, at row 0. */
@inline
function forwardPanel(
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
    rowPtrs += lines << 2;
  }
  for (; left >= 2; left -= 2) {
    forwardBlock(2, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
    output += outputStride << 1;
    start += startStride << 1;
    rowPtrs += 8;
  }
  if (left) forwardBlock(1, vectors, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth);
}

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

/** Features [begin, begin + count) of one panel for some rows; arguments as in backwardBlock. */
@inline
function backwardPanel(
  lines: i32,
  vectors: i32,
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  count: i32,
): void {
  let left = count;
  for (; left >= lines; left -= lines) {
    backwardBlock(lines, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += 16 * vectors * lines;
    beginBytes += lines << 2;
  }
  for (; left >= 2; left -= 2) {
    backwardBlock(2, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
    panel += 32 * vectors;
    beginBytes += 8;
  }
  if (left) backwardBlock(1, vectors, panel, rowPtrs, beginBytes, gradLogits, stride, rows);
}

function forwardPanel4(output: usize, outputStride: usize, start: usize, startStride: usize, rowPtrs: usize, beginBytes: usize, panel: usize, depth: i32, rows: i32): void {
  forwardPanel(LINES_4, 1, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function forwardPanel8(output: usize, outputStride: usize, start: usize, startStride: usize, rowPtrs: usize, beginBytes: usize, panel: usize, depth: i32, rows: i32): void {
  forwardPanel(LINES_8, 2, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function forwardPanel12(output: usize, outputStride: usize, start: usize, startStride: usize, rowPtrs: usize, beginBytes: usize, panel: usize, depth: i32, rows: i32): void {
  forwardPanel(LINES_12, 3, output, outputStride, start, startStride, rowPtrs, beginBytes, panel, depth, rows);
}

function backwardPanel4(panel: usize, rowPtrs: usize, beginBytes: usize, gradLogits: usize, stride: usize, rows: i32, count: i32): void {
  backwardPanel(LINES_4, 1, panel, rowPtrs, beginBytes, gradLogits, stride, rows, count);
}

function backwardPanel8(panel: usize, rowPtrs: usize, beginBytes: usize, gradLogits: usize, stride: usize, rows: i32, count: i32): void {
  backwardPanel(LINES_8, 2, panel, rowPtrs, beginBytes, gradLogits, stride, rows, count);
}

function backwardPanel12(panel: usize, rowPtrs: usize, beginBytes: usize, gradLogits: usize, stride: usize, rows: i32, count: i32): void {
  backwardPanel(LINES_12, 3, panel, rowPtrs, beginBytes, gradLogits, stride, rows, count);
}

export function linearForward(
  logits: usize,
  rowPtrs: usize,
  weights: usize,
  bias: usize,
  rows: i32,
  features: i32,
  classes: i32,
): void {
  const width = panelWidth(classes);
  const columns = paddedClasses(classes);
  const stride = <usize>columns << 2;
  // Equal parts: none is so short that adding it costs more than it computes.
  const depthBlocks = (features + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
  const depth = (features + depthBlocks - 1) / depthBlocks;
  for (let row = 0; row < rows; row += FORWARD_ROWS) {
    const blockRows = min(FORWARD_ROWS, rows - row);
    const blockRowPtrs = rowPtrs + (<usize>row << 2);
    const blockLogits = logits + <usize>row * stride;
    for (let k = 0; k < features; k += depth) {
      const blockDepth = min(depth, features - k);
      for (let column = 0; column < columns; column += width) {
        const output = blockLogits + (<usize>column << 2);
        const start = k ? output : bias + (<usize>column << 2);
        const startStride = k ? stride : 0;
        const panel = weights + (<usize>(column * features + k * width) << 2);
        const beginBytes = <usize>k << 2;
        if (width == 8) {
          forwardPanel8(output, stride, start, startStride, blockRowPtrs, beginBytes, panel, blockDepth, blockRows);
        } else if (width == 12) {
          forwardPanel12(output, stride, start, startStride, blockRowPtrs, beginBytes, panel, blockDepth, blockRows);
        } else {
          forwardPanel4(output, stride, start, startStride, blockRowPtrs, beginBytes, panel, blockDepth, blockRows);
        }
      }
    }
  }
}

export function linearBackward(
  gradWeights: usize,
  rowPtrs: usize,
  gradLogits: usize,
  rows: i32,
  features: i32,
  classes: i32,
  panelBegin: i32,
  panelEnd: i32,
  featureBegin: i32,
  featureEnd: i32,
): void {
  const width = panelWidth(classes);
  const stride = <usize>paddedClasses(classes) << 2;
  for (let row = 0; row < rows; row += BACKWARD_ROWS) {
    const blockRows = min(BACKWARD_ROWS, rows - row);
    const blockRowPtrs = rowPtrs + (<usize>row << 2);
    const blockGradLogits = gradLogits + <usize>row * stride;
    for (let feature = featureBegin; feature < featureEnd; feature += BACKWARD_FEATURES) {
      const count = min(BACKWARD_FEATURES, featureEnd - feature);
      for (let p = panelBegin; p < panelEnd; p++) {
        const panel = gradWeights + (<usize>((p * features + feature) * width) << 2);
        const z = blockGradLogits + (<usize>(p * width) << 2);
        const beginBytes = <usize>feature << 2;
        if (width == 8) {
          backwardPanel8(panel, blockRowPtrs, beginBytes, z, stride, blockRows, count);
        } else if (width == 12) {
          backwardPanel12(panel, blockRowPtrs, beginBytes, z, stride, blockRows, count);
        } else {
          backwardPanel4(panel, blockRowPtrs, beginBytes, z, stride, blockRows, count);
        }
      }
    }
  }
}

export function addColumnSums(
  gradBias: usize,
  gradLogits: usize,
  rows: i32,
  stride: i32,
  columnBegin: i32,
  columnEnd: i32,
): void {
  const strideBytes = <usize>stride << 2;
  for (let row = 0; row < rows; row += BACKWARD_ROWS) {
    const blockRows = min(BACKWARD_ROWS, rows - row);
    const block = gradLogits + <usize>row * strideBytes;
    let column = columnBegin;
    for (; column + 8 <= columnEnd; column += 8) {
      const offset = <usize>column << 2;
      let z = block + offset;
      let sum0 = f32x4.splat(0);
      let sum1 = f32x4.splat(0);
      for (let r = blockRows; r > 0; r--) {
        sum0 = f32x4.add(sum0, v128.load(z));
        sum1 = f32x4.add(sum1, v128.load(z, 16));
        z += strideBytes;
      }
      v128.store(gradBias + offset, f32x4.add(v128.load(gradBias + offset), sum0));
      v128.store(gradBias + offset, f32x4.add(v128.load(gradBias + offset, 16), sum1), 16);
    }
    for (; column < columnEnd; column++) {
      const offset = <usize>column << 2;
      let z = block + offset;
      let sum: f32 = 0;
      for (let r = blockRows; r > 0; r--) {
        sum += load<f32>(z);
        z += strideBytes;
      }
      store<f32>(gradBias + offset, load<f32>(gradBias + offset) + sum);
    }
  }
}

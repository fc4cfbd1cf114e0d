// The linear layer Z = X W + b and its gradients, on rows reached through a table of addresses.
import {
  CACHED_FEATURES,
  CACHED_PANELS,
  CACHED_ROWS,
  DEPTH_BLOCK,
  paddedClasses,
  panelWidth,
  SUM_ROWS,
} from '../../layout';
import { packColumns, packRows } from './packed-lines';
import { multiplyPanels, PANEL_BYTES, packingPays } from './packed-products';
import { packPanels } from './panel-copies';
import { backwardPanel, forwardPanel } from './panel-kernels';

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
  const rowBytes = (<usize>features) << 2;
  for (let i = 0; i < rows; i++) {
    let row = <usize>(rowBegin + i);
    if (indices) row = <usize>load<u32>(indices + (row << 2));
    store<u32>(rowPtrs + ((<usize>i) << 2), <u32>(inputs + row * rowBytes));
    if (targets) store<i32>(tileTargets + ((<usize>i) << 2), load<i32>(targets + (row << 2)));
  }
}

/**
 * logits [rows × stride] = X W + b, the features in equal parts of at most DEPTH_BLOCK: each part is summed from zero
 * in order, the first is added to the bias, the others to the logits. So an element's bits depend on its row, its column
 * and `features`, not on the other rows of the call. scratch: linearScratchBytes.
 */
export function linearForward(
  logits: usize,
  rowPtrs: usize,
  weights: usize,
  bias: usize,
  rows: i32,
  features: i32,
  classes: i32,
  scratch: usize,
): void {
  const width = panelWidth(classes);
  const columns = paddedClasses(classes);
  const stride = (<usize>columns) << 2;
  const parts = (features + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
  const depth = (features + parts - 1) / parts;
  for (let row = 0; row < rows; row += CACHED_ROWS) {
    const blockRows = min(CACHED_ROWS, rows - row);
    const blockRowPtrs = rowPtrs + ((<usize>row) << 2);
    const output = logits + <usize>row * stride;
    for (let k = 0; k < features; k += depth) {
      const blockDepth = min(depth, features - k);
      const start = k ? output : bias;
      const startStride = k ? stride : 0;
      const panels = weights + ((<usize>(k * width)) << 2);
      const beginBytes = (<usize>k) << 2;
      if (packingPays(columns)) {
        packRows(scratch, blockRowPtrs, beginBytes, blockDepth, blockRows);
        multiplyPanels(
          output,
          stride,
          start,
          startStride,
          PANEL_BYTES,
          scratch,
          panels,
          <usize>features * PANEL_BYTES,
          columns >> 3,
          blockDepth,
          blockRows,
        );
        continue;
      }
      for (let column = 0; column < columns; column += width) {
        const columnBytes = (<usize>column) << 2;
        forwardPanel(
          width,
          output + columnBytes,
          stride,
          start + columnBytes,
          startStride,
          blockRowPtrs,
          beginBytes,
          panels + <usize>features * columnBytes,
          blockDepth,
          blockRows,
        );
      }
    }
  }
}

/**
 * gradWeights (in panels) += Xᵀ dZ for panels [panelBegin, panelEnd) and features [featureBegin, featureEnd). The rows
 * are summed from zero in order, SUM_ROWS at a time, and each sum is added to gradWeights: an element's bits depend on
 * the rows of the call, not on the ranges of panels and features. scratch: linearScratchBytes.
 */
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
  scratch: usize,
): void {
  const width = panelWidth(classes);
  const columns = paddedClasses(classes);
  const stride = (<usize>columns) << 2;
  const panelBytes = (<usize>(features * width)) << 2;
  for (let row = 0; row < rows; row += SUM_ROWS) {
    const sumRows = min(SUM_ROWS, rows - row);
    const sumRowPtrs = rowPtrs + ((<usize>row) << 2);
    const z = gradLogits + <usize>row * stride;
    for (let feature = featureBegin; feature < featureEnd; feature += CACHED_FEATURES) {
      const count = min(CACHED_FEATURES, featureEnd - feature);
      const tile = gradWeights + ((<usize>(feature * width)) << 2);
      const beginBytes = (<usize>feature) << 2;
      if (packingPays(columns)) {
        packColumns(scratch, sumRowPtrs, beginBytes, count, sumRows);
        addPackedRows(tile, panelBytes, scratch, z, stride, sumRows, count, panelBegin, panelEnd);
        continue;
      }
      for (let p = panelBegin; p < panelEnd; p++) {
        const panelGradLogits = z + ((<usize>(p * width)) << 2);
        backwardPanel(
          width,
          tile + <usize>p * panelBytes,
          sumRowPtrs,
          beginBytes,
          panelGradLogits,
          stride,
          sumRows,
          count,
        );
      }
    }
  }
}

/** panels [panelBegin, panelEnd) of tile, panelBytes apart, += packed columns of X · dZ [rows × any, stride bytes apart]. */
function addPackedRows(
  tile: usize,
  panelBytes: usize,
  packed: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
  features: i32,
  panelBegin: i32,
  panelEnd: i32,
): void {
  const packedGradLogits = packed + <usize>(SUM_ROWS * CACHED_FEATURES * 4);
  for (let p = panelBegin; p < panelEnd; p += CACHED_PANELS) {
    const panels = min(CACHED_PANELS, panelEnd - p);
    const z = gradLogits + <usize>p * PANEL_BYTES;
    packPanels(packedGradLogits, z, stride, panels << 3, panels << 3, rows);
    const output = tile + <usize>p * panelBytes;
    multiplyPanels(
      output,
      PANEL_BYTES,
      output,
      PANEL_BYTES,
      panelBytes,
      packed,
      packedGradLogits,
      <usize>rows * PANEL_BYTES,
      panels,
      rows,
      features,
    );
  }
}

/** gradBias [column] += sum of gradLogits [rows × stride] over the rows, summed as in linearBackward. */
export function addColumnSums(
  gradBias: usize,
  gradLogits: usize,
  rows: i32,
  stride: i32,
  columnBegin: i32,
  columnEnd: i32,
): void {
  const strideBytes = (<usize>stride) << 2;
  for (let row = 0; row < rows; row += SUM_ROWS) {
    const sumRows = min(SUM_ROWS, rows - row);
    const block = gradLogits + <usize>row * strideBytes;
    let column = columnBegin;
    for (; column + 4 <= columnEnd; column += 4) {
      const columnBytes = (<usize>column) << 2;
      let z = block + columnBytes;
      let sum = f32x4.splat(0);
      for (let r = sumRows; r > 0; r--) {
        sum = f32x4.add(sum, v128.load(z));
        z += strideBytes;
      }
      v128.store(gradBias + columnBytes, f32x4.add(v128.load(gradBias + columnBytes), sum));
    }
    for (; column < columnEnd; column++) {
      const columnBytes = (<usize>column) << 2;
      let z = block + columnBytes;
      let sum: f32 = 0;
      for (let r = sumRows; r > 0; r--) {
        sum += load<f32>(z);
        z += strideBytes;
      }
      store<f32>(gradBias + columnBytes, load<f32>(gradBias + columnBytes) + sum);
    }
  }
}

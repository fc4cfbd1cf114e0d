// The linear layer one block of classes at a time, on weights and gradients as callers hold them, [features × classes]:
// the panels that the micro-kernels read are packed into scratch on the way. Rows of W are far apart (half a megabyte
// for 131,072 classes), so a block is fetched once for all rows of a call.
import {
  BLOCK_FEATURES,
  BLOCK_ROWS,
  blockColumns,
  CACHED_ROWS,
  DEPTH_BLOCK,
  MOST_PANEL_WIDTH,
  panelWidth,
  SUM_ROWS,
} from '../../layout';
import { TYPE_FLOAT32 } from '../../loss-layout';
import { loadTile } from '../columns/tiles';
import { sizeShift } from '../vectors/element-types';
import { packColumns, packRows } from './packed-lines';
import { multiplyPanels, PANEL_BYTES } from './packed-products';
import { packPanels, packTransposed, packTypedPanels, unpackPanels } from './panel-copies';
import { backwardPanel, forwardPanel } from './panel-kernels';

/**
 * logits [rows × blockColumns] = X W + b for the block's classes from classBegin on; columns beyond the classes become
 * 0 · x. Sums as in linearForward, whose bits these are. Scratch: the block's bias, its panels, packed rows.
 */
export function blockForward(
  logits: usize,
  rowPtrs: usize,
  beginBytes: usize,
  weights: usize,
  weightsType: i32,
  bias: usize,
  rows: i32,
  features: i32,
  classes: i32,
  classBegin: i32,
  scratch: usize,
): void {
  const columns = blockColumns(classes);
  const width = panelWidth(columns);
  const count = min(columns, classes - classBegin);
  const stride = (<usize>columns) << 2;
  const shift = sizeShift(weightsType);
  const panels = scratch + stride;
  memory.fill(scratch, 0, stride);
  if (bias) memory.copy(scratch, bias + ((<usize>classBegin) << 2), (<usize>count) << 2);
  const parts = (features + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
  const depth = (features + parts - 1) / parts;
  const packed = panels + <usize>depth * stride;
  for (let k = 0; k < features; k += depth) {
    const partDepth = min(depth, features - k);
    const partBeginBytes = beginBytes + ((<usize>k) << 2);
    const from = weights + ((<usize>(k * classes + classBegin)) << shift);
    packTypedPanels(panels, from, weightsType, (<usize>classes) << shift, count, columns, partDepth);
    for (let row = 0; row < rows; row += CACHED_ROWS) {
      const partRows = min(CACHED_ROWS, rows - row);
      const partRowPtrs = rowPtrs + ((<usize>row) << 2);
      const output = logits + <usize>row * stride;
      const start = k ? output : scratch;
      const startStride = k ? stride : 0;
      if (columns <= MOST_PANEL_WIDTH) {
        forwardPanel(
          width,
          output,
          stride,
          start,
          startStride,
          partRowPtrs,
          partBeginBytes,
          panels,
          partDepth,
          partRows,
        );
      } else {
        packRows(packed, partRowPtrs, partBeginBytes, partDepth, partRows);
        multiplyPanels(
          output,
          stride,
          start,
          startStride,
          PANEL_BYTES,
          packed,
          panels,
          <usize>partDepth * PANEL_BYTES,
          columns >> 3,
          partDepth,
          partRows,
        );
      }
    }
  }
}

/**
 * gradWeights [features × classes] += Xᵀ dZ for features [featureBegin, featureEnd), at most DEPTH_BLOCK, and the
 * classes of the block; with `fresh` = Xᵀ dZ. Sums as in linearBackward. Scratch: the tile of gradWeights in panels, then
 * dZ in panels and packed columns of X.
 */
export function blockBackward(
  gradWeights: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  rows: i32,
  classes: i32,
  classBegin: i32,
  featureBegin: i32,
  featureEnd: i32,
  fresh: i32,
  scratch: usize,
): void {
  const columns = blockColumns(classes);
  const width = panelWidth(columns);
  const count = min(columns, classes - classBegin);
  const features = featureEnd - featureBegin;
  const stride = (<usize>columns) << 2;
  const classesStride = (<usize>classes) << 2;
  const tile = gradWeights + ((<usize>(featureBegin * classes + classBegin)) << 2);
  if (fresh) memory.fill(scratch, 0, <usize>features * stride);
  else packPanels(scratch, tile, classesStride, count, columns, features);
  const tileBeginBytes = beginBytes + ((<usize>featureBegin) << 2);
  const zPanels = scratch + <usize>features * stride;
  const packed = zPanels + <usize>SUM_ROWS * stride;
  for (let row = 0; row < rows; row += SUM_ROWS) {
    const sumRows = min(SUM_ROWS, rows - row);
    const sumRowPtrs = rowPtrs + ((<usize>row) << 2);
    const z = gradLogits + <usize>row * stride;
    if (columns <= MOST_PANEL_WIDTH) {
      backwardPanel(width, scratch, sumRowPtrs, tileBeginBytes, z, stride, sumRows, features);
    } else {
      packPanels(zPanels, z, stride, columns, columns, sumRows);
      packColumns(packed, sumRowPtrs, tileBeginBytes, features, sumRows);
      multiplyPanels(
        scratch,
        PANEL_BYTES,
        scratch,
        PANEL_BYTES,
        <usize>features * PANEL_BYTES,
        packed,
        zPanels,
        <usize>sumRows * PANEL_BYTES,
        columns >> 3,
        sumRows,
        features,
      );
    }
  }
  unpackPanels(tile, scratch, classesStride, count, columns, features);
}

/**
 * gradInputs [rows × features], columns [featureBegin, featureEnd), += dZ Wᵀ over the classes of the block; with `fresh`
 * = dZ Wᵀ. The block's classes are summed from zero in order, and the sum is added: calls for the blocks in order give
 * an element's bits, which do not depend on the other rows and features. At most BLOCK_ROWS rows and BLOCK_FEATURES
 * features; gradLogitsPtrs are their addresses (less beginBytes). Scratch: panels of Wᵀ, packed rows of dZ (before them
 * what is widened of W), then the columns of the last panel, if it is not whole.
 */
export function blockBackwardInputs(
  gradInputs: usize,
  gradLogitsPtrs: usize,
  beginBytes: usize,
  weights: usize,
  weightsType: i32,
  rows: i32,
  features: i32,
  classes: i32,
  classBegin: i32,
  featureBegin: i32,
  featureEnd: i32,
  fresh: i32,
  scratch: usize,
): void {
  const columns = blockColumns(classes);
  const count = min(columns, classes - classBegin);
  const stride = (<usize>features) << 2;
  const panelBytes = <usize>count * PANEL_BYTES;
  const packed = scratch + <usize>(BLOCK_FEATURES * columns * 4);
  const edge = packed + <usize>(BLOCK_ROWS * columns * 4);
  const output = gradInputs + ((<usize>featureBegin) << 2);
  const tileFeatures = featureEnd - featureBegin;
  if (fresh) clearRows(output, stride, tileFeatures, rows);
  let panel = scratch;
  for (let feature = featureBegin; feature < featureEnd; feature += 8) {
    packWeightsTransposed(
      panel,
      weights,
      weightsType,
      classes,
      classBegin,
      count,
      feature,
      min(8, featureEnd - feature),
      packed,
    );
    panel += panelBytes;
  }
  packRows(packed, gradLogitsPtrs, beginBytes, count, rows);
  const whole = tileFeatures >> 3;
  multiplyPanels(output, stride, output, stride, PANEL_BYTES, packed, scratch, panelBytes, whole, count, rows);
  const left = tileFeatures & 7;
  if (left == 0) return;
  clearRows(edge, PANEL_BYTES, 8, rows);
  const last = scratch + <usize>whole * panelBytes;
  multiplyPanels(edge, PANEL_BYTES, edge, PANEL_BYTES, 0, packed, last, panelBytes, 1, count, rows);
  addEdge(output + <usize>whole * PANEL_BYTES, stride, edge, rows, left);
}

/** packTransposed of at most 8 features of W; what is not float32 is widened into scratch [features × count] before. */
function packWeightsTransposed(
  panel: usize,
  weights: usize,
  weightsType: i32,
  classes: i32,
  classBegin: i32,
  count: i32,
  feature: i32,
  features: i32,
  scratch: usize,
): void {
  let from = weights + ((<usize>(feature * classes + classBegin)) << sizeShift(weightsType));
  if (weightsType == TYPE_FLOAT32) return packTransposed(panel, from, (<usize>classes) << 2, count, features);
  const stride = (<usize>count) << 2;
  for (let i = 0; i < features; i++) {
    loadTile(scratch + <usize>i * stride, from, weightsType, 0, 1, count, 1);
    from += (<usize>classes) << sizeShift(weightsType);
  }
  packTransposed(panel, scratch, stride, count, features);
}

/** rows × columns float32 = 0, rows `stride` bytes apart. */
function clearRows(output: usize, stride: usize, columns: i32, rows: i32): void {
  for (let row = 0; row < rows; row++) {
    memory.fill(output, 0, (<usize>columns) << 2);
    output += stride;
  }
}

/** output [rows × columns, stride bytes apart] += edge [rows × 8]. */
function addEdge(output: usize, stride: usize, edge: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = output + ((<usize>column) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(edge + ((<usize>column) << 2)));
    }
    output += stride;
    edge += PANEL_BYTES;
  }
}

/** tile [rows × classes] = rows of logits in blocks; logits: the address of the first row in the first block. */
export function gatherClasses(tile: usize, logits: usize, rows: i32, chunkRows: i32, classes: i32): void {
  copyClasses(true, tile, logits, rows, chunkRows, classes);
}

/** The reverse of gatherClasses; columns beyond the classes keep what they hold. */
export function scatterClasses(logits: usize, tile: usize, rows: i32, chunkRows: i32, classes: i32): void {
  copyClasses(false, tile, logits, rows, chunkRows, classes);
}

@inline
function copyClasses(gathers: bool, tile: usize, logits: usize, rows: i32, chunkRows: i32, classes: i32): void {
  const columns = blockColumns(classes);
  const blockBytes = (<usize>(chunkRows * columns)) << 2;
  for (let row = 0; row < rows; row++) {
    let inBlock = logits + ((<usize>(row * columns)) << 2);
    for (let begin = 0; begin < classes; begin += columns) {
      const count = min(columns, classes - begin);
      if (gathers) copyFloats(tile, inBlock, count);
      else copyFloats(inBlock, tile, count);
      tile += (<usize>count) << 2;
      inBlock += blockBytes;
    }
  }
}

/** Some hundred elements: a loop here is faster than a call of memory.copy. */
@inline
function copyFloats(to: usize, from: usize, count: i32): void {
  let left = count;
  for (; left >= 8; left -= 8) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    v128.store(to, low);
    v128.store(to, high, 16);
    from += 32;
    to += 32;
  }
  for (; left > 0; left--) {
    store<f32>(to, load<f32>(from));
    from += 4;
    to += 4;
  }
}

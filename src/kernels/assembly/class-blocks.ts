// The linear layer one block of classes at a time, on weights and gradients as callers hold them, [features × classes]:
// what the micro-kernels read as panels is packed into scratch on the way. Its rows are far apart in memory (half a
// megabyte for 131,072 classes), so a block is fetched once for all rows of a call.
import { blockColumns, DEPTH_BLOCK, panelWidth, SUM_ROWS } from "../layout";
import { CACHED_ROWS } from "./linear";
import { packPanels, packTransposed, unpackPanels } from "./panel-copies";
import { backwardPanel, forwardPanel } from "./panel-kernels";

/** Four zeros for each vector of the widest panel. */
const ZEROS: usize = memory.data(48, 16);

/**
 * logits [rows × blockColumns] = X W + b for the block's classes from classBegin on; columns beyond the classes become
 * 0 · x. Sums as in linearForward, whose bits these are. Scratch: the block's bias, then its panels.
 */
export function blockForward(
  logits: usize,
  rowPtrs: usize,
  beginBytes: usize,
  weights: usize,
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
  const stride = <usize>columns << 2;
  const panels = scratch + stride;
  memory.fill(scratch, 0, stride);
  if (bias) memory.copy(scratch, bias + (<usize>classBegin << 2), <usize>count << 2);
  const parts = (features + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
  const depth = (features + parts - 1) / parts;
  for (let k = 0; k < features; k += depth) {
    const partDepth = min(depth, features - k);
    const panelBytes = <usize>(partDepth * width) << 2;
    packPanels(panels, weights, classes, classBegin, count, columns, k, partDepth);
    for (let row = 0; row < rows; row += CACHED_ROWS) {
      const blockRows = min(CACHED_ROWS, rows - row);
      const partRowPtrs = rowPtrs + (<usize>row << 2);
      let output = logits + <usize>row * stride;
      let startOfFirst = scratch;
      let panel = panels;
      for (let column = 0; column < columns; column += width) {
        forwardPanel(
          width, output, stride, k ? output : startOfFirst, k ? stride : 0,
          partRowPtrs, beginBytes + (<usize>k << 2), panel, partDepth, blockRows,
        );
        output += <usize>width << 2;
        startOfFirst += <usize>width << 2;
        panel += panelBytes;
      }
    }
  }
}

/**
 * gradWeights [features × classes] += Xᵀ dZ for features [featureBegin, featureEnd), at most DEPTH_BLOCK, and the
 * classes of the block; with `fresh` = Xᵀ dZ. Sums as in linearBackward. Scratch: the tile of gradWeights in panels.
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
  const stride = <usize>columns << 2;
  const panelBytes = <usize>(features * width) << 2;
  if (fresh) memory.fill(scratch, 0, <usize>features * stride);
  else packPanels(scratch, gradWeights, classes, classBegin, count, columns, featureBegin, features);
  const tileBeginBytes = beginBytes + (<usize>featureBegin << 2);
  for (let cached = 0; cached < rows; cached += CACHED_ROWS) {
    const cachedEnd = min(cached + CACHED_ROWS, rows);
    let panel = scratch;
    let z = gradLogits;
    for (let column = 0; column < columns; column += width) {
      for (let row = cached; row < cachedEnd; row += SUM_ROWS) {
        const sumRows = min(SUM_ROWS, cachedEnd - row);
        const sumRowPtrs = rowPtrs + (<usize>row << 2);
        backwardPanel(
          width, panel, sumRowPtrs, tileBeginBytes, z + <usize>row * stride, stride, sumRows, features,
        );
      }
      panel += panelBytes;
      z += <usize>width << 2;
    }
  }
  unpackPanels(gradWeights, scratch, classes, classBegin, count, columns, featureBegin, features);
}

/**
 * gradInputs [rows × features], columns [featureBegin, featureEnd), += dZ Wᵀ over the classes of the block; with `fresh`
 * = dZ Wᵀ. The block's classes are summed from zero in order, and the sum is added: calls for the blocks in order give
 * an element's bits, which do not depend on the other rows and features. At most BLOCK_ROWS rows; gradLogitsPtrs are
 * their addresses (less beginBytes). Scratch: one panel of Wᵀ, then the columns of the last panel, if it is not whole.
 */
export function blockBackwardInputs(
  gradInputs: usize,
  gradLogitsPtrs: usize,
  beginBytes: usize,
  weights: usize,
  rows: i32,
  features: i32,
  classes: i32,
  classBegin: i32,
  featureBegin: i32,
  featureEnd: i32,
  fresh: i32,
  scratch: usize,
): void {
  const count = min(blockColumns(classes), classes - classBegin);
  const stride = <usize>features << 2;
  const edge = scratch + (<usize>blockColumns(classes) << 5);
  let feature = featureBegin;
  for (; feature + 8 <= featureEnd; feature += 8) {
    packTransposed(scratch, weights, classes, classBegin, count, feature, 8);
    const output = gradInputs + (<usize>feature << 2);
    forwardPanel(
      8, output, stride, fresh ? ZEROS : output, fresh ? 0 : stride, gradLogitsPtrs, beginBytes, scratch, count, rows,
    );
  }
  const left = featureEnd - feature;
  if (left == 0) return;
  packTransposed(scratch, weights, classes, classBegin, count, feature, left);
  forwardPanel(8, edge, 32, ZEROS, 0, gradLogitsPtrs, beginBytes, scratch, count, rows);
  addEdge(gradInputs + (<usize>feature << 2), stride, edge, rows, left, fresh);
}

/** output [rows × columns] += edge [rows × 8]; with `fresh` = edge. */
function addEdge(output: usize, stride: usize, edge: usize, rows: i32, columns: i32, fresh: i32): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = output + (<usize>column << 2);
      const start: f32 = fresh ? 0 : load<f32>(at);
      store<f32>(at, start + load<f32>(edge + (<usize>column << 2)));
    }
    output += stride;
    edge += 32;
  }
}

/** tile [rows × classes] = rows of logits in blocks; logits: the address of the first row in the first block. */
export function gatherClasses(tile: usize, logits: usize, rows: i32, chunkRows: i32, classes: i32): void {
  const columns = blockColumns(classes);
  const blockBytes = <usize>(chunkRows * columns) << 2;
  for (let row = 0; row < rows; row++) {
    let from = logits + (<usize>(row * columns) << 2);
    for (let begin = 0; begin < classes; begin += columns) {
      const count = min(columns, classes - begin);
      copyFloats(tile, from, count);
      tile += <usize>count << 2;
      from += blockBytes;
    }
  }
}

/** The reverse of gatherClasses; columns beyond the classes keep what they hold. */
export function scatterClasses(logits: usize, tile: usize, rows: i32, chunkRows: i32, classes: i32): void {
  const columns = blockColumns(classes);
  const blockBytes = <usize>(chunkRows * columns) << 2;
  for (let row = 0; row < rows; row++) {
    let to = logits + (<usize>(row * columns) << 2);
    for (let begin = 0; begin < classes; begin += columns) {
      const count = min(columns, classes - begin);
      copyFloats(to, tile, count);
      tile += <usize>count << 2;
      to += blockBytes;
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

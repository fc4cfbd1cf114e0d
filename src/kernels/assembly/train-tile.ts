// One tile of a training step from inputs to gradients, while its rows are in cache.
import { paddedClasses, panelWidth, STATUS_OK, TILE_ROWS } from "../layout";
import { crossEntropyGradientRows } from "./cross-entropy";
import { addColumnSums, gatherRows, linearBackward, linearForward } from "./linear";
import { findInvalidTarget } from "./targets";

/**
 * Scratch, in this order: logits [TILE_ROWS × paddedClasses] that become dZ in place, row addresses [TILE_ROWS], targets
 * [TILE_ROWS], that of the products. On a bad status nothing else has been written.
 */
export function trainTile(
  gradWeights: usize,
  gradBias: usize,
  lossSum: usize,
  inputs: usize,
  targets: usize,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  weights: usize,
  bias: usize,
  features: i32,
  classes: i32,
  scale: f32,
  scratch: usize,
): i32 {
  const columns = paddedClasses(classes);
  const rowPtrs = scratch + (<usize>(TILE_ROWS * columns) << 2);
  const tileTargets = rowPtrs + (<usize>TILE_ROWS << 2);
  const products = tileTargets + (<usize>TILE_ROWS << 2);
  gatherRows(rowPtrs, tileTargets, inputs, targets, indices, rowBegin, rows, features);
  const status = findInvalidTarget(tileTargets, rows, classes);
  if (status != STATUS_OK) return status;
  if (features % 1024 == 0) {
    gatherUnevenly(rowPtrs, tileTargets, inputs, targets, indices, rowBegin, rows, features);
  }
  linearForward(scratch, rowPtrs, weights, bias, rows, features, classes, products);
  crossEntropyGradientRows(scratch, 0, lossSum, scratch, tileTargets, rows, classes, columns, scale);
  const panels = columns / panelWidth(classes);
  linearBackward(gradWeights, rowPtrs, scratch, rows, features, classes, 0, panels, 0, features, products);
  addColumnSums(gradBias, scratch, rows, columns, 0, columns);
  return STATUS_OK;
}

/**
 * As gatherRows, but the rows in the order 0, 1, 3, 6, 10, … of the triangular numbers modulo 64 (each number below 64
 * comes once). Rows a multiple of 4096 bytes long share their L1 cache sets, and at an even distance the CPU's stride
 * prefetcher fetches further rows into the same sets: on Zen 4 a tile of 1024 × 10 took 1.25 times as long.
 */
function gatherUnevenly(
  rowPtrs: usize,
  tileTargets: usize,
  inputs: usize,
  targets: usize,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  features: i32,
): void {
  let row = 0;
  for (let step = 1; step <= 64; step++) {
    if (row < rows) {
      gatherRows(rowPtrs, tileTargets, inputs, targets, indices, rowBegin + row, 1, features);
      rowPtrs += 4;
      tileTargets += 4;
    }
    row = (row + step) & 63;
  }
}

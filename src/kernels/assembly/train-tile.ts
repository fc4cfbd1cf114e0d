// One tile of a training step from inputs to gradients, while its rows are in cache.
import { paddedClasses, panelWidth, STATUS_OK, TILE_ROWS } from "../layout";
import { crossEntropyGradientRows } from "./cross-entropy";
import { addColumnSums, gatherRows, linearBackward, linearForward } from "./linear";

/**
 * Scratch, in this order: logits [TILE_ROWS × paddedClasses] that become dZ in place, row addresses [TILE_ROWS], targets
 * [TILE_ROWS]; each piece a multiple of 16 bytes long. On a bad status no gradient has been touched.
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
  gatherRows(rowPtrs, tileTargets, inputs, targets, indices, rowBegin, rows, features);
  linearForward(scratch, rowPtrs, weights, bias, rows, features, classes);
  const status = crossEntropyGradientRows(
    scratch, 0, lossSum, scratch, tileTargets, rows, classes, columns, scale,
  );
  if (status != STATUS_OK) return status;
  const panels = columns / panelWidth(classes);
  linearBackward(gradWeights, rowPtrs, scratch, rows, features, classes, 0, panels, 0, features);
  addColumnSums(gradBias, scratch, rows, columns, 0, columns);
  return STATUS_OK;
}

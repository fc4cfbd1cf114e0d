// The linear layer and its gradients on a tile of inputs (input-tile.ts), the weights in strips (../strips.ts).
import { FEATURE_GROUP, featureGroups, stripClasses, tileStride } from '../../layout';
import { addColumnSums } from '../gemm/linear';
import { N1, N2, N3, N4, N5, numberOf } from '../vectors/type-numbers';
import { usesWideSimd } from '../vectors/wide-simd';
import { backwardGroup, backwardGroups2, forwardHalf, forwardWhole } from './feature-lanes';

/**
 * logits [rows × classes] = X W + b. An element is summed in eight lanes of features, the lower four lanes first; its bits
 * do not depend on the other rows and classes. sums: FORWARD_SUMS_BYTES of scratch memory.
 */
export function tileForward(
  logits: usize,
  tile: usize,
  weights: usize,
  bias: usize,
  rows: i32,
  features: i32,
  classes: i32,
  sums: usize,
): void {
  const groups = featureGroups(features);
  const stride = (<usize>tileStride(features)) << 2;
  const logitsStride = (<usize>classes) << 2;
  for (let column = 0; column < classes; ) {
    const columns = stripClasses(classes - column);
    const strip = weights + ((<usize>(column * groups * FEATURE_GROUP)) << 2);
    const skip = (<usize>column) << 2;
    forwardColumns(columns, logits + skip, logitsStride, bias + skip, tile, stride, strip, rows, groups, sums);
    column += columns;
  }
}

/**
 * gradWeights += Xᵀ dZ, in the layout of the weights, and gradBias [classes] += sum of dZ; gradLogits [rows × classes]. The
 * rows are summed from zero in their order, and each sum is added. With fresh = 1 what both held before counts as 0.
 */
export function tileBackward(
  gradWeights: usize,
  gradBias: usize,
  tile: usize,
  gradLogits: usize,
  rows: i32,
  features: i32,
  classes: i32,
  fresh: i32,
): void {
  const groups = featureGroups(features);
  const stride = (<usize>tileStride(features)) << 2;
  const logitsStride = (<usize>classes) << 2;
  for (let column = 0; column < classes; ) {
    const columns = stripClasses(classes - column);
    const strip = gradWeights + ((<usize>(column * groups * FEATURE_GROUP)) << 2);
    backwardColumns(
      columns,
      fresh,
      strip,
      tile,
      stride,
      gradLogits + ((<usize>column) << 2),
      logitsStride,
      rows,
      groups,
    );
    column += columns;
  }
  if (fresh) memory.fill(gradBias, 0, logitsStride);
  addColumnSums(gradBias, gradLogits, rows, classes, 0, classes);
}

@inline
function forwardColumns(
  columns: i32,
  logits: usize,
  logitsStride: usize,
  bias: usize,
  tile: usize,
  stride: usize,
  weights: usize,
  rows: i32,
  groups: i32,
  sums: usize,
): void {
  switch (columns) {
    case 1:
      return forwardRows<N1>(logits, logitsStride, bias, tile, stride, weights, rows, groups, sums);
    case 2:
      return forwardRows<N2>(logits, logitsStride, bias, tile, stride, weights, rows, groups, sums);
    case 3:
      return forwardRows<N3>(logits, logitsStride, bias, tile, stride, weights, rows, groups, sums);
    case 4:
      return forwardRows<N4>(logits, logitsStride, bias, tile, stride, weights, rows, groups, sums);
    default:
      return forwardRows<N5>(logits, logitsStride, bias, tile, stride, weights, rows, groups, sums);
  }
}

/**
 * All rows in blocks, the rest one by one. A function of its own for each number of columns, for the reasons given in
 * panel-kernels.ts.
 */
function forwardRows<Columns>(
  logits: usize,
  logitsStride: usize,
  bias: usize,
  tile: usize,
  stride: usize,
  weights: usize,
  rows: i32,
  groups: i32,
  sums: usize,
): void {
  const columns = numberOf<Columns>();
  const lines = columns > 2 ? 2 : 4;
  let left = rows;
  if (usesWideSimd()) {
    for (; left >= lines; left -= lines) {
      forwardWhole(lines, columns, logits, logitsStride, bias, tile, stride, weights, groups, sums);
      logits += <usize>lines * logitsStride;
      tile += <usize>lines * stride;
    }
  }
  const upper = weights + 16;
  for (; left >= lines; left -= lines) {
    forwardHalf(lines, columns, logits, logitsStride, bias, 0, tile, stride, weights, groups);
    forwardHalf(lines, columns, logits, logitsStride, logits, logitsStride, tile + 16, stride, upper, groups);
    logits += <usize>lines * logitsStride;
    tile += <usize>lines * stride;
  }
  for (; left > 0; left--) {
    forwardHalf(1, columns, logits, logitsStride, bias, 0, tile, stride, weights, groups);
    forwardHalf(1, columns, logits, logitsStride, logits, logitsStride, tile + 16, stride, upper, groups);
    logits += logitsStride;
    tile += stride;
  }
}

@inline
function backwardColumns(
  columns: i32,
  fresh: i32,
  gradWeights: usize,
  tile: usize,
  stride: usize,
  gradLogits: usize,
  logitsStride: usize,
  rows: i32,
  groups: i32,
): void {
  switch (columns) {
    case 1:
      return backwardGroupsOf<N1>(fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows, groups);
    case 2:
      return backwardGroupsOf<N2>(fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows, groups);
    case 3:
      return backwardGroupsOf<N3>(fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows, groups);
    case 4:
      return backwardGroupsOf<N4>(fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows, groups);
    default:
      return backwardGroupsOf<N5>(fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows, groups);
  }
}

/** All features, a group after the other. */
function backwardGroupsOf<Columns>(
  fresh: i32,
  gradWeights: usize,
  tile: usize,
  stride: usize,
  gradLogits: usize,
  logitsStride: usize,
  rows: i32,
  groups: i32,
): void {
  const columns = numberOf<Columns>();
  let left = groups;
  if (usesWideSimd()) {
    for (; left >= 2; left -= 2) {
      backwardGroups2(columns, fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows);
      gradWeights += 64 * columns;
      tile += 64;
    }
  }
  for (; left > 0; left--) {
    backwardGroup(columns, fresh, gradWeights, tile, stride, gradLogits, logitsStride, rows);
    gradWeights += 32 * columns;
    tile += 32;
  }
}

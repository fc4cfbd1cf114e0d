// Softmax cross-entropy: without options on contiguous float32 rows, with options on rows of any element type and class axis.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, STATUS_OK } from '../../kernels/layout.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { lossScratch } from '../../kernels/loss-scratch.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../kernels/ptr.js';
import {
  type CrossEntropyOperation,
  type CrossEntropyWithOptionsOperation,
  type IgnoredTargets,
  ownScratch,
  type RowOperationTask,
} from '../protocol.js';
import { loadRows, outputRows, storeRows, type Tile, type TileOperation } from './strided-rows.js';

const FLOAT64_BYTES = 8;

export function crossEntropy(
  kernels: Kernels,
  task: RowOperationTask,
  operation: CrossEntropyOperation,
): TileOperation {
  return (tile) => {
    const begin = tile.rowBegin;
    const all = { begin, end: begin + tile.rows };
    const { ignore } = operation;
    if (ignore === undefined) return crossEntropyOfRange(kernels, task, operation, tile.shard, all);
    for (const range of keptRangesOf(task, operation, ignore, all)) {
      const status = crossEntropyOfRange(kernels, task, operation, tile.shard, range);
      if (status !== STATUS_OK) return range.begin - begin + status;
    }
    return STATUS_OK;
  };
}

function crossEntropyOfRange(
  kernels: Kernels,
  { columns, input, output, sums }: RowOperationTask,
  { losses, targets, scale }: CrossEntropyOperation,
  shard: number,
  { begin, end }: RowRange,
): number {
  const rowBytes = columns * FLOAT32_BYTES;
  const lossesPtr = offsetIfAny(losses, begin * FLOAT32_BYTES);
  const lossSum = offsetBy(sums, shard * FLOAT64_BYTES);
  const logits = offsetBy(input, begin * rowBytes);
  const targetsPtr = offsetBy(targets, begin * FLOAT32_BYTES);
  const rows = end - begin;
  if (output === NULL_PTR)
    return kernels.crossEntropyRows(lossesPtr, lossSum, logits, targetsPtr, rows, columns);
  const gradLogits = offsetBy(output, begin * rowBytes);
  return kernels.crossEntropyGradientRows(
    gradLogits,
    lossesPtr,
    lossSum,
    logits,
    targetsPtr,
    rows,
    columns,
    columns,
    scale,
  );
}

/** The rows that are not ignored; the others get a loss and a gradient of 0. */
function keptRangesOf(
  { columns, output }: RowOperationTask,
  { targets, losses, buffer }: CrossEntropyOperation,
  ignore: IgnoredTargets,
  rows: RowRange,
): readonly RowRange[] {
  const classes = new Int32Array(buffer, targets, rows.end);
  const gradient = output === NULL_PTR ? undefined : new Float32Array(buffer, output, rows.end * columns);
  const lossOf = losses === NULL_PTR ? undefined : new Float32Array(buffer, losses, rows.end);
  return keptRanges(classes, columns, ignore, rows, (row) => {
    gradient?.fill(0, row * columns, (row + 1) * columns);
    if (lossOf !== undefined) lossOf[row] = 0;
  });
}

/** Neighboring rows that one kernel call computes. */
export interface RowRange {
  readonly begin: number;
  readonly end: number;
}

export function isIgnored(target: number, classes: number, { index, invalid }: IgnoredTargets): boolean {
  return target === index || (invalid && (target < 0 || target >= classes));
}

/** The rows that are not ignored, neighbors together; calls onIgnored for each of the others. */
export function keptRanges(
  targets: Int32Array,
  classes: number,
  ignore: IgnoredTargets,
  { begin, end }: RowRange,
  onIgnored: (row: number) => void,
): readonly RowRange[] {
  const ranges: RowRange[] = [];
  let rangeBegin = begin;
  for (let row = begin; row < end; row++) {
    if (!isIgnored(targets[row]!, classes, ignore)) continue;
    if (row > rangeBegin) ranges.push({ begin: rangeBegin, end: row });
    onIgnored(row);
    rangeBegin = row + 1;
  }
  if (end > rangeBegin) ranges.push({ begin: rangeBegin, end });
  return ranges;
}

/** Losses and z-losses. */
const SUMS_WITH_OPTIONS_BYTES = 2 * FLOAT64_BYTES;

export function crossEntropyWithOptions(
  kernels: Kernels,
  task: RowOperationTask,
  operation: CrossEntropyWithOptionsOperation,
): TileOperation {
  const { columns, type, input, output, sums } = task;
  const scratch = lossScratch(ownScratch(task), task);
  const inFloat64 = type === TYPE_FLOAT64;
  const computeType = inFloat64 ? TYPE_FLOAT64 : TYPE_FLOAT32;
  const bytes = new Uint8Array(operation.buffer);
  return (tile) => {
    const { rows, rowBegin, shard } = tile;
    const logits = loadRows(kernels, task, input, type, scratch.tile, tile);
    const softTargets =
      operation.softTargets === NULL_PTR
        ? NULL_PTR
        : loadRows(kernels, task, operation.softTargets, computeType, scratch.softTargets, tile);
    const mask =
      operation.mask === NULL_PTR ? NULL_PTR : maskRows(task, operation.mask, bytes, scratch.mask, tile);
    const gradient = output === NULL_PTR ? NULL_PTR : outputRows(task, scratch.tile, tile);
    const lossRows = inFloat64 ? kernels.lossRows64 : kernels.lossRows;
    const status = lossRows(
      operation.call,
      offsetBy(sums, shard * SUMS_WITH_OPTIONS_BYTES),
      gradient,
      logits,
      softTargets,
      mask,
      rowBegin,
      rows,
      columns,
      scratch.row,
    );
    if (gradient !== NULL_PTR && status === STATUS_OK) storeRows(kernels, task, gradient, tile);
    return status;
  };
}

/** The tile's mask without gaps. */
function maskRows(
  { columns, inner }: RowOperationTask,
  mask: Ptr,
  bytes: Uint8Array,
  scratch: Ptr,
  { rowBegin, rows }: Tile,
): Ptr {
  if (inner === 1) return offsetBy(mask, rowBegin * columns);
  for (let row = 0; row < rows; row++) {
    const r = rowBegin + row;
    const first = mask + (r - (r % inner)) * columns + (r % inner);
    for (let column = 0; column < columns; column++) {
      bytes[scratch + row * columns + column] = bytes[first + column * inner]!;
    }
  }
  return scratch;
}

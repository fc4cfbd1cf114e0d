// Softmax cross-entropy with every option, on rows of any element type and class axis.
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { lossScratch } from '../../kernels/loss-scratch.js';
import type { Ptr } from '../../kernels/ptr.js';
import { stopped } from '../gang/claim.js';
import type { LossTask, WorkerResult } from '../protocol.js';
import { claimTiles, loadRows, resultRows, storeRows, type Tile } from './slices.js';

const SUMS_BYTES = 16;

export function computeLoss(kernels: Kernels, words: Int32Array, task: LossTask): WorkerResult {
  const { columns, type, call, sums, gradLogits } = task;
  const scratch = lossScratch(task.scratch + task.member * task.scratchBytes, task);
  const inFloat64 = type === TYPE_FLOAT64;
  const softType = inFloat64 ? TYPE_FLOAT64 : TYPE_FLOAT32;
  const bytes = task.mask === 0 ? undefined : new Uint8Array(task.buffer);
  let invalidRow = STATUS_OK;
  const finished = claimTiles(words, task, (tile) => {
    const { rows, rowBegin, shard } = tile;
    const source = loadRows(kernels, task, task.logits, type, scratch.tile, tile);
    const softTargets =
      task.softTargets === 0
        ? 0
        : loadRows(kernels, task, task.softTargets, softType, scratch.softTargets, tile);
    const mask = bytes === undefined ? 0 : maskRows(task, bytes, scratch.mask, tile);
    const target = gradLogits === 0 ? 0 : resultRows(task, gradLogits, scratch.tile, tile);
    const lossRows = inFloat64 ? kernels.lossRows64 : kernels.lossRows;
    const shardSums = sums + shard * SUMS_BYTES;
    const status = lossRows(
      call,
      shardSums,
      target,
      source,
      softTargets,
      mask,
      rowBegin,
      rows,
      columns,
      scratch.row,
    );
    // Tiles come in rising order: the first is this worker's lowest row.
    if (status !== STATUS_OK && invalidRow === STATUS_OK) invalidRow = rowBegin + status;
    if (gradLogits !== 0 && status === STATUS_OK) storeRows(kernels, task, gradLogits, target, tile);
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  return finished ? { state: 'done' } : stopped(words);
}

/** The tile's mask without gaps. */
function maskRows(task: LossTask, bytes: Uint8Array, scratch: Ptr, { rowBegin, rows }: Tile): Ptr {
  const { columns, inner, mask } = task;
  if (inner === 1) return mask + rowBegin * columns;
  for (let row = 0; row < rows; row++) {
    const r = rowBegin + row;
    const first = mask + (r - (r % inner)) * columns + (r % inner);
    for (let column = 0; column < columns; column++) {
      bytes[scratch + row * columns + column] = bytes[first + column * inner]!;
    }
  }
  return scratch;
}

// The losses of a chunk's rows from the logits of a linear layer, which may become their gradient in place.

import { FLOAT32_BYTES, STATUS_OK } from '../../kernels/layout.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../kernels/ptr.js';
import { invalidTargetError } from '../as-error.js';
import { LOSS_SHARD_ROWS } from '../protocol.js';
import { keptRanges, type RowRange } from '../rows/cross-entropy.js';
import { blockPtr, type Chunk, claim, differentiates, type LinearWorker } from './linear-chunk.js';
import { hideIgnored } from './zeroed-inputs.js';

const SUMS_BYTES = 16;

/** Losses, and the logits' gradient in their place. What gradWeights must not see of the inputs is hidden on the way. */
export function rowLosses(worker: LinearWorker, chunk: Chunk): void {
  const { kernels, blas, task, scratch } = worker;
  const { chunkRows, classes, tileRows } = task;
  const { rowBegin, rows } = chunk;
  const gradients = differentiates(task);
  claim(worker, Math.ceil(rows / LOSS_SHARD_ROWS), (shard) => {
    const end = Math.min(rows, (shard + 1) * LOSS_SHARD_ROWS);
    hideIgnored(task, chunk, { begin: shard * LOSS_SHARD_ROWS, end });
    for (let row = shard * LOSS_SHARD_ROWS; row < end; row += tileRows) {
      const count = Math.min(tileRows, end - row);
      const logits = blockPtr(worker, 0, row);
      // A BLAS leaves whole rows: tileRows is 1 then.
      const tile = blas === undefined ? scratch : logits;
      if (blas === undefined) kernels.gatherClasses(tile, logits, count, chunkRows, classes);
      const sums = offsetBy(task.sums, shard * SUMS_BYTES);
      const status = tileLosses(worker, tile, gradients ? tile : NULL_PTR, sums, rowBegin + row, count);
      if (status !== STATUS_OK) throw invalidTargetError(rowBegin + row + status);
      if (blas === undefined && gradients) kernels.scatterClasses(logits, tile, count, chunkRows, classes);
    }
  });
}

/** Losses of rows [row, row + count) from their logits without gaps, which may become their gradient. Status. */
function tileLosses(
  worker: LinearWorker,
  logits: Ptr,
  gradLogits: Ptr,
  sums: Ptr,
  row: number,
  count: number,
): number {
  const { kernels, blas, task, scratch } = worker;
  const { classes, call, tileRows, softTargets, mask, ignore } = task;
  if (call !== NULL_PTR) {
    // Behind the tile, if there is one.
    const tileBytes = blas === undefined ? Math.ceil((tileRows * classes * FLOAT32_BYTES) / 16) * 16 : 0;
    const rowScratch = offsetBy(scratch, tileBytes);
    const soft = offsetIfAny(softTargets, row * classes * FLOAT32_BYTES);
    const kept = offsetIfAny(mask, row * classes);
    return kernels.lossRows(call, sums, gradLogits, logits, soft, kept, row, count, classes, rowScratch);
  }
  const all = { begin: row, end: row + count };
  if (ignore === undefined) return plainLosses(worker, logits, gradLogits, sums, row, all);
  const targets = new Int32Array(task.buffer, task.targets, all.end);
  // An ignored row's loss is 0 from the start.
  const ranges = keptRanges(targets, classes, ignore, all, (ignored) => {
    if (gradLogits === NULL_PTR) return;
    kernels.clear(offsetBy(gradLogits, (ignored - row) * classes * FLOAT32_BYTES), classes);
  });
  for (const range of ranges) {
    const status = plainLosses(worker, logits, gradLogits, sums, row, range);
    if (status !== STATUS_OK) return range.begin - row + status;
  }
  return STATUS_OK;
}

/** A run of the rows whose logits lie from row `first` on. Status. */
function plainLosses(
  { kernels, task }: LinearWorker,
  tileLogits: Ptr,
  gradLogits: Ptr,
  sums: Ptr,
  first: number,
  { begin, end }: RowRange,
): number {
  const { classes } = task;
  const losses = offsetIfAny(task.losses, begin * FLOAT32_BYTES);
  const targets = offsetBy(task.targets, begin * FLOAT32_BYTES);
  const at = (begin - first) * classes * FLOAT32_BYTES;
  const logits = offsetBy(tileLogits, at);
  const rows = end - begin;
  return gradLogits === NULL_PTR
    ? kernels.crossEntropyRows(losses, sums, logits, targets, rows, classes)
    : kernels.crossEntropyGradientRows(
        offsetBy(gradLogits, at),
        losses,
        sums,
        logits,
        targets,
        rows,
        classes,
        classes,
        task.scale,
      );
}

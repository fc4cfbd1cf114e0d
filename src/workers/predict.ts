// What a linear model says of each row: class, rank and loss, or probabilities. One tile of rows at a time, so that
// the logits of the batch never exist.
import type { Kernels } from '../kernels/kernels.js';
import { paddedClasses, STATUS_OK } from '../kernels/layout.js';
import { tileScratch } from '../kernels/panels.js';
import { claimShardsUntil, isStopped, stopped } from './claim.js';
import type { PredictTask, WorkerResult } from './protocol.js';

const FLOAT32_BYTES = 4;

export function predict(kernels: Kernels, words: Int32Array, task: PredictTask): WorkerResult {
  const { rows, shardRows, tileRows, inputs, indices, features, classes, targets, probabilities } = task;
  const stride = paddedClasses(classes);
  const scratch = tileScratch(task.scratch + task.member * task.scratchBytes, tileRows, classes);
  // Only made when rows are copied out: the whole memory as float32.
  const floats = probabilities === 0 ? undefined : new Float32Array(task.buffer);
  let invalidRow = STATUS_OK;

  const finished = claimShardsUntil(isStopped, words, Math.ceil(rows / shardRows), (shard) => {
    const shardEnd = Math.min(rows, (shard + 1) * shardRows);
    // A shard of a wide model takes long, so a stop is looked for at each tile.
    for (let row = shard * shardRows; row < shardEnd && !isStopped(words); row += tileRows) {
      const count = Math.min(tileRows, shardEnd - row);
      const { logits, rowPtrs, tileTargets, products } = scratch;
      kernels.gatherRows(rowPtrs, tileTargets, inputs, targets, indices, row, count, features);
      kernels.linearForward(logits, rowPtrs, task.weights, task.bias, count, features, classes, products);
      if (floats !== undefined) {
        kernels.softmaxRows(logits, logits, count, classes, stride);
        for (let i = 0; i < count; i++) {
          const source = logits / FLOAT32_BYTES + i * stride;
          floats.copyWithin(probabilities / FLOAT32_BYTES + (row + i) * classes, source, source + classes);
        }
        continue;
      }
      const at = row * FLOAT32_BYTES;
      const status = kernels.evaluateRows(
        task.predictions + at,
        targets === 0 ? 0 : task.ranks + at,
        targets === 0 ? 0 : task.losses + at,
        logits,
        targets === 0 ? 0 : tileTargets,
        count,
        classes,
        stride,
      );
      if (status !== STATUS_OK) invalidRow = row + status;
    }
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  if (finished) return { state: 'done' };
  return stopped(words);
}

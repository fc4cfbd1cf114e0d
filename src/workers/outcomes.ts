// What metrics keep of each row, shard by shard.
import type { Kernels } from '../kernels/kernels.js';
import { claimShardsUntil, isStopped, stopped } from './claim.js';
import type { OutcomesTask, WorkerResult } from './protocol.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function outcomes(kernels: Kernels, words: Int32Array, task: OutcomesTask): WorkerResult {
  const { rows, columns, shardRows } = task;
  const finished = claimShardsUntil(isStopped, words, Math.ceil(rows / shardRows), (shard) => {
    const rowBegin = shard * shardRows;
    const at = rowBegin * FLOAT32_BYTES;
    kernels.outcomeRows(
      task.predictions + at,
      task.ranks + at,
      task.losses + rowBegin * FLOAT64_BYTES,
      task.confidences + at,
      task.logits + at * columns,
      task.targets + at,
      Math.min(shardRows, rows - rowBegin),
      columns,
      columns,
    );
  });
  if (finished) return { state: 'done' };
  return stopped(words);
}

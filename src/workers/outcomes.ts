// What metrics keep of each row, shard by shard.
import type { Kernels } from '../kernels/kernels.js';
import { claimShardsUntilStopped } from './claim.js';
import { ControlWord, type OutcomesTask, type Stop, type WorkerResult } from './protocol.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function outcomes(kernels: Kernels, words: Int32Array, task: OutcomesTask): WorkerResult {
  const { rows, columns, shardRows } = task;
  const finished = claimShardsUntilStopped(words, Math.ceil(rows / shardRows), (shard) => {
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
    );
  });
  if (finished) return { state: 'done' };
  return { state: 'stopped', stop: Atomics.load(words, ControlWord.stop) as Stop, nextStep: 0 };
}

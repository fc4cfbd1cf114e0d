// What metrics keep of each row, tile by tile.
import type { Kernels } from '../../kernels/kernels.js';
import { TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import { stopped } from '../gang/claim.js';
import type { OutcomesTask, WorkerResult } from '../protocol.js';
import { claimTiles, loadRows } from './slices.js';

const INT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function outcomes(kernels: Kernels, words: Int32Array, task: OutcomesTask): WorkerResult {
  const { columns, type } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  const finished = claimTiles(words, task, (tile) => {
    const { rows, rowBegin } = tile;
    const logits = loadRows(kernels, task, task.logits, type, scratch, tile);
    const predictions = task.predictions + rowBegin * INT32_BYTES;
    const ranks = task.ranks + rowBegin * INT32_BYTES;
    const losses = task.losses + rowBegin * FLOAT64_BYTES;
    const confidences = task.confidences + rowBegin * computeBytes(type);
    const targets = task.targets + rowBegin * INT32_BYTES;
    if (type === TYPE_FLOAT64) {
      kernels.outcomeRows64(predictions, ranks, losses, confidences, logits, targets, rows, columns);
    } else {
      kernels.outcomeRows(predictions, ranks, losses, confidences, logits, targets, rows, columns, columns);
    }
  });
  return finished ? { state: 'done' } : stopped(words);
}

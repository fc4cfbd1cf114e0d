// Softmax, log-softmax and log-sum-exp of rows of any element type and class axis.
import type { Kernels } from '../kernels/kernels.js';
import { TYPE_FLOAT64 } from '../kernels/loss-layout.js';
import { computeBytes } from '../kernels/loss-scratch.js';
import type { TileMapTask, WorkerResult } from './protocol.js';
import { claimTiles, loadRows, resultRows, stopped, storeRows } from './slices.js';

export function mapTiles(kernels: Kernels, words: Int32Array, task: TileMapTask): WorkerResult {
  const { columns, type, output, logits } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  const inFloat64 = type === TYPE_FLOAT64;
  const finished = claimTiles(words, task, (tile) => {
    const source = loadRows(kernels, task, logits, type, scratch, tile);
    const { rows, rowBegin } = tile;
    if (task.operation === 'logSumExp') {
      const values = output + rowBegin * computeBytes(type);
      if (inFloat64) kernels.logSumExpRows64(values, source, rows, columns);
      else kernels.logSumExpRows(values, source, rows, columns);
      return;
    }
    const target = resultRows(task, output, scratch, tile);
    const isLog = task.operation === 'logSoftmax';
    if (inFloat64) {
      if (isLog) kernels.logSoftmaxRows64(target, source, rows, columns);
      else kernels.softmaxRows64(target, source, rows, columns);
    } else if (isLog) {
      kernels.logSoftmaxRows(target, source, rows, columns, columns);
    } else {
      kernels.softmaxRows(target, source, rows, columns, columns);
    }
    storeRows(kernels, task, output, target, tile);
  });
  return finished ? { state: 'done' } : stopped(words);
}

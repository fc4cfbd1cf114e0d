// Softmax, log-softmax and log-sum-exp of rows of any element type and class axis.
import type { Kernels } from '../../kernels/kernels.js';
import { COLUMN_KERNELS_MAX, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import { stopped } from '../gang/claim.js';
import type { TileMapTask, WorkerResult } from '../protocol.js';
import { claimTiles, loadRows, resultRows, storeRows } from './slices.js';

export function mapTiles(kernels: Kernels, words: Int32Array, task: TileMapTask): WorkerResult {
  const byColumns = task.inner > 1 && task.columns <= COLUMN_KERNELS_MAX;
  const finished = byColumns ? mapColumns(kernels, words, task) : mapRows(kernels, words, task);
  return finished ? { state: 'done' } : stopped(words);
}

/** Few columns that lie apart: kernels that work on neighboring rows in place. */
function mapColumns(kernels: Kernels, words: Int32Array, task: TileMapTask): boolean {
  const { columns, inner, type, output, logits } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  return claimTiles(words, task, ({ rowBegin, rows }) => {
    switch (task.operation) {
      case 'softmax':
        return kernels.softmaxColumns(output, logits, type, rowBegin, rows, columns, inner, scratch);
      case 'logSoftmax':
        return kernels.logSoftmaxColumns(output, logits, type, rowBegin, rows, columns, inner, scratch);
      case 'logSumExp': {
        const values = output + rowBegin * computeBytes(type);
        return kernels.logSumExpColumns(values, logits, type, rowBegin, rows, columns, inner, scratch);
      }
      default:
        return task.operation satisfies never;
    }
  });
}

/** Everything else: tiles of whole rows. */
function mapRows(kernels: Kernels, words: Int32Array, task: TileMapTask): boolean {
  const { columns, type, output, logits } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  const inFloat64 = type === TYPE_FLOAT64;
  return claimTiles(words, task, (tile) => {
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
}

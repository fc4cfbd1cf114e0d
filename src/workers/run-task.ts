// Which code does which task: for worker threads, and for the calling thread where a job is too small for them.
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels, Ptr } from '../kernels/kernels.js';
import { GROUP_SCRATCH_STRIDE } from '../kernels/layout.js';
import { linearCrossEntropy } from './linear/linear-cross-entropy.js';
import { predict } from './linear/predict.js';
import type { WorkerResult, WorkerTask } from './protocol.js';
import { rowOperation } from './rows/row-operation.js';
import { trainByPartials } from './training/train-by-partials.js';
import { trainByTiles } from './training/train-by-tiles.js';

export function runTask(
  kernels: Kernels,
  sgemm: Sgemm,
  words: Int32Array,
  groupScratch: Ptr,
  task: WorkerTask,
): WorkerResult {
  // By member, not by thread: a worker that dies is replaced by another.
  kernels.useScratch(groupScratch + task.member * GROUP_SCRATCH_STRIDE);
  // Whatever a task before this one left, also one that failed.
  kernels.expectRows(0);
  kernels.useRowFetching(1);
  switch (task.kind) {
    case 'rowOperation':
      return rowOperation(kernels, words, task);
    case 'linearCrossEntropy':
      return linearCrossEntropy(kernels, sgemm, words, task);
    case 'predict':
      return predict(kernels, sgemm, words, task);
    case 'trainByPartials':
      return trainByPartials(kernels, words, task);
    case 'trainByTiles':
      return trainByTiles(kernels, sgemm, words, task);
    default:
      throw new Error(`unknown task ${JSON.stringify(task satisfies never)}`);
  }
}

// Which code does which task: for worker threads, and for the calling thread where a job is too small for them.
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels } from '../kernels/kernels.js';
import { linearCrossEntropy } from './linear/linear-cross-entropy.js';
import { predict } from './linear/predict.js';
import type { MemberTask, WorkerResult } from './protocol.js';
import { rowOperation } from './rows/row-operation.js';
import { train } from './training/train.js';

export function runTask(kernels: Kernels, sgemm: Sgemm, control: Int32Array, task: MemberTask): WorkerResult {
  kernels.useScratch(task.groupScratch);
  // Whatever a task before this one left, also one that failed.
  kernels.prefetchBeyond(0);
  kernels.usePrefetch(1);
  switch (task.kind) {
    case 'rowOperation':
      return rowOperation(kernels, control, task);
    case 'linearCrossEntropy':
      return linearCrossEntropy(kernels, sgemm, control, task);
    case 'predict':
      return predict(kernels, sgemm, control, task);
    case 'train':
      return train(kernels, sgemm, control, task);
    default:
      throw new Error(`unknown task ${JSON.stringify(task satisfies never)}`);
  }
}

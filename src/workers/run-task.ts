// Which code does which task: for worker threads, and for the calling thread where a job is too small for them.
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels } from '../kernels/kernels.js';
import { linearCrossEntropy } from './linear/linear-cross-entropy.js';
import { predict } from './linear/predict.js';
import { probe } from './probe.js';
import { type MemberTask, type RowOperation, SPANS, type Tracer, type WorkerResult } from './protocol.js';
import { rowOperation } from './rows/row-operation.js';
import { train } from './training/train.js';

/** `tracer`: where spans go, if any. */
export function runTask(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: MemberTask,
  tracer?: Tracer,
): WorkerResult {
  if (tracer === undefined) return runUntraced(kernels, sgemm, control, task, undefined);
  const begin = tracer.now();
  const result = runUntraced(kernels, sgemm, control, task, tracer);
  tracer.span(spanOf(task), begin, amountOf(task));
  return result;
}

function runUntraced(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: MemberTask,
  tracer: Tracer | undefined,
): WorkerResult {
  kernels.useScratch(task.groupScratch);
  // Whatever a task before this one left, also one that failed.
  kernels.prefetchBeyond(0);
  kernels.usePrefetch(1);
  switch (task.kind) {
    case 'rowOperation':
      return rowOperation(kernels, control, task);
    case 'linearCrossEntropy':
      return linearCrossEntropy(kernels, sgemm, control, task, tracer);
    case 'predict':
      return predict(kernels, sgemm, control, task);
    case 'train':
      return train(kernels, sgemm, control, task, tracer);
    case 'probe':
      return probe(kernels, control, task);
    default:
      throw new Error(`unknown task ${JSON.stringify(task satisfies never)}`);
  }
}

const OPERATION_SPANS: Readonly<Record<RowOperation['kind'], number>> = {
  softmax: SPANS.softmax,
  logSoftmax: SPANS.softmax,
  logSumExp: SPANS.softmax,
  crossEntropy: SPANS['cross-entropy'],
  crossEntropyWithOptions: SPANS['cross-entropy'],
  rowLoss: SPANS['row loss'],
  rowPredictions: SPANS.metrics,
};

function spanOf(task: MemberTask): number {
  switch (task.kind) {
    case 'rowOperation':
      return OPERATION_SPANS[task.operation.kind];
    case 'predict':
      return SPANS.predict;
    case 'linearCrossEntropy':
      return SPANS['linear cross-entropy'];
    case 'train':
      return SPANS.training;
    case 'probe':
      return SPANS.probe;
    default:
      throw new Error(`unknown task ${JSON.stringify(task satisfies never)}`);
  }
}

/** The rows or steps of the whole gang's task. */
function amountOf(task: MemberTask): number {
  switch (task.kind) {
    case 'rowOperation':
      return task.outer * task.inner;
    case 'train':
      return task.stepEnd - task.stepBegin;
    case 'probe':
      return task.members;
    default:
      return task.rows;
  }
}

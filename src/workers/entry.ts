// What runs in each worker thread, loaded by load.cts: one task at a time, on the shared arena.
import { threadId, workerData } from 'node:worker_threads';
import { withoutBlas } from '../kernels/blas/library.js';
import { instantiateKernels } from '../kernels/load.js';
import { asError } from './as-error.js';
import { lazySgemm } from './lazy-sgemm.js';
import {
  controlWords,
  failGang,
  type MemberTask,
  Tracer,
  type WorkerResult,
  type WorkerSetup,
} from './protocol.js';
import { runTask } from './run-task.js';
import { type Extension, registerLoss, registerOptimizer } from './training/registry.js';

const { memory, module, blas, trace, extensions = [] } = workerData as WorkerSetup;
const kernels = instantiateKernels(module, memory);
// V8 tells each thread of growth by an interrupt, which an instance in the making can miss: memory.fill would then trap on
// memory that is there. Growing by nothing tells all again.
memory.grow(0);
const sgemm = blas === undefined ? withoutBlas : lazySgemm(blas, memory);
const tracer = trace && Tracer.create(trace, threadId);
for (const url of extensions) {
  const { default: extend } = (await import(url)) as { default: Extension };
  extend({ registerLoss, registerOptimizer });
}

export default function run(task: MemberTask): WorkerResult {
  const control = controlWords(memory.buffer, task.control);
  try {
    return runTask(kernels, sgemm, control, task, tracer);
  } catch (cause) {
    // The other members may be waiting for this one at a barrier.
    failGang(control);
    throw asError(cause);
  }
}

// What runs in each worker thread, loaded by load.cts: one task at a time, on the shared arena.
import { workerData } from 'piscina';
import { withoutBlas } from '../kernels/blas/library.js';
import { instantiateKernels } from '../kernels/load.js';
import { lazySgemm } from './lazy-sgemm.js';
import {
  controlWords,
  failGang,
  helpWords,
  type WatchTask,
  type WorkerResult,
  type WorkerSetup,
  type WorkerTask,
} from './protocol.js';
import { runTask } from './run-task.js';
import { watch } from './watch.js';

const { memory, module, groupScratch, blas } = workerData as WorkerSetup;
const kernels = instantiateKernels(module, memory);
const sgemm = blas === undefined ? withoutBlas : lazySgemm(blas, memory);
const words = controlWords(memory.buffer);

export default function run(task: WorkerTask | WatchTask): WorkerResult | undefined {
  if (task.kind === 'watch') {
    const { member, members } = task;
    watch(helpWords(memory.buffer), (job) =>
      runTask(kernels, sgemm, words, groupScratch, { ...job, member, members }),
    );
    return undefined;
  }
  try {
    return runTask(kernels, sgemm, words, groupScratch, task);
  } catch (cause) {
    // The other members may be waiting for this one at a barrier.
    failGang(words);
    throw cause;
  }
}

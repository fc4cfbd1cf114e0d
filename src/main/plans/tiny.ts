// Which jobs are too small for worker threads.
import type { GangJob } from '../../workers/protocol.js';

/**
 * Jobs of at most so many elements and rows are done by the calling thread, in its turn: starting workers takes longer. softmax
 * of 128 × 1024 takes 0.09 ms here, of twice as many rows by two workers 0.29 (bench/small-calls.ts on a Zen 3). Up to 0.4 ms
 * nothing else runs in this thread then.
 */
const TINY_ELEMENTS = 131072;
/** A row costs some 20 ns beside its elements. */
const TINY_ROWS = 16384;
/** The same for kernels that take several times as long: with options, other types or other losses. */
const TINY_COSTLY_ELEMENTS = 16384;
/** The same for multiplications of inputs by weights. */
const TINY_PRODUCTS = 2 ** 20;

export function isTiny(job: GangJob): boolean {
  switch (job.kind) {
    case 'softmax':
    case 'logSoftmax':
    case 'logSumExp':
    case 'crossEntropy':
      return job.rows <= TINY_ROWS && job.rows * job.columns <= TINY_ELEMENTS;
    case 'outcomes':
    case 'otherLoss':
    case 'tileMap':
    case 'loss':
      return job.outer * job.columns * job.inner <= TINY_COSTLY_ELEMENTS;
    case 'predict':
      return job.rows * job.features * job.classes <= TINY_PRODUCTS;
    // Members of these wait for each other, which the calling thread must not.
    case 'linearCrossEntropy':
    case 'train':
      return false;
    default:
      return job satisfies never;
  }
}

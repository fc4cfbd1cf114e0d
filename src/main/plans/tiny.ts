// Which jobs are too small for worker threads.
import type { GangJob } from '../../workers/protocol.js';

/**
 * Jobs of at most so many elements are done by the calling thread, in its turn: starting workers takes longer. On two of
 * them, softmax of 64 × 1024 took 2.4 times as long, of 10 × 1000 ten times; it is 0.05 to 0.2 ms that nothing else runs.
 */
const TINY_ELEMENTS = 65536;
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
      return job.rows * job.columns <= TINY_ELEMENTS;
    case 'outcomes':
    case 'otherLoss':
    case 'tileMap':
    case 'loss':
      return job.outer * job.columns * job.inner <= TINY_COSTLY_ELEMENTS;
    case 'predict':
      return job.rows * job.features * job.classes <= TINY_PRODUCTS;
    // Members of these wait for each other, which the calling thread must not.
    case 'linearCrossEntropy':
    case 'trainByPartials':
    case 'trainByTiles':
      return false;
    default:
      return job satisfies never;
  }
}

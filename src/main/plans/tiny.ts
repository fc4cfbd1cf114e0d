// Which jobs are too small for worker threads.
import { TYPE_FLOAT32 } from '../../kernels/loss-layout.js';
import type { GangJob, RowOperation, RowOperationTask } from '../../workers/protocol.js';

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
    case 'rowOperation': {
      const rows = job.outer * job.inner;
      const elements = rows * job.columns;
      return isFast(job) ? rows <= TINY_ROWS && elements <= TINY_ELEMENTS : elements <= TINY_COSTLY_ELEMENTS;
    }
    case 'vector':
      return job.length <= TINY_ELEMENTS;
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

/** Softmax and cross-entropy without options, of contiguous float32 rows. */
const isFast = ({ operation, type, inner }: Omit<RowOperationTask, 'member' | 'members'>): boolean =>
  type === TYPE_FLOAT32 && inner === 1 && FAST_OPERATIONS.has(operation.kind);

const FAST_OPERATIONS: ReadonlySet<RowOperation['kind']> = new Set([
  'softmax',
  'logSoftmax',
  'logSumExp',
  'crossEntropy',
]);

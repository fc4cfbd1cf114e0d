// How many workers a job takes by its size: none where it is too small for them. No bit depends on it.
import { TYPE_FLOAT32 } from '../../kernels/loss-layout.js';
import type { GangJob, RowOperation, RowOperationTask } from '../../workers/protocol.js';

/**
 * Jobs of at most so many elements and rows are done by the calling thread, at once: starting workers takes longer. softmax
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

/** What a step takes beside its rows, in rows. */
const STEP_ROWS = 32;

/**
 * Among others that run or wait, a member has at least as much work as so many tiny jobs, some 0.4 ms: starting it costs the
 * main thread some 60 µs, better spent on another job beside this one.
 */
const TINY_JOBS_A_MEMBER = 4;

/**
 * The fewest products of inputs and weights that a member of a training gang has in each step: some 8 µs. Members meet twice a
 * step, so a step of 64 × 64 × 10 takes as long on two threads as on one, 14 to 15 µs (bench/side-by-side.ts).
 */
const STEP_PRODUCTS_A_MEMBER = 24 * 1024;
/** The same among others: what members lose by waiting for each other is other jobs' gain. */
const STEP_PRODUCTS_A_MEMBER_AMONG_OTHERS = 2 ** 16;

/** How many times the work of the largest tiny job of its kind; undefined where the calling thread cannot do it. */
function sizeInTinyJobs(job: GangJob): number | undefined {
  switch (job.kind) {
    case 'rowOperation': {
      const rows = job.outer * job.inner;
      const elements = rows * job.columns;
      if (!isFast(job)) return elements / TINY_COSTLY_ELEMENTS;
      return Math.max(rows / TINY_ROWS, elements / TINY_ELEMENTS);
    }
    case 'predict':
      return (job.rows * job.features * job.classes) / TINY_PRODUCTS;
    case 'train': {
      const { stepBegin, stepEnd, fullStep, features, classes, heads } = job;
      // Steps of SGD stay with the workers for as long as there are any.
      if (heads.some(({ loss }) => loss.kind !== 'keptLogits')) return undefined;
      // Both products, and some rows' worth of work for each step.
      const products = 2 * (fullStep.rows + STEP_ROWS) * features * classes * heads.length;
      return ((stepEnd - stepBegin) * products) / TINY_PRODUCTS;
    }
    // Their members wait for each other, which the calling thread must not.
    case 'linearCrossEntropy':
    case 'probe':
      return undefined;
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

export const isTiny = (job: GangJob): boolean => (sizeInTinyJobs(job) ?? Number.POSITIVE_INFINITY) <= 1;

/** How many of `most` members the job takes, at least 1; `isAmongOthers`: other jobs run or wait. */
export function membersFor(job: GangJob, most: number, isAmongOthers: boolean): number {
  return Math.max(1, Math.min(most, Math.floor(sharesOf(job, isAmongOthers))));
}

/** How many members have enough to do. */
function sharesOf(job: GangJob, isAmongOthers: boolean): number {
  switch (job.kind) {
    case 'train': {
      const products = job.fullStep.rows * job.features * job.classes * job.heads.length;
      return products / (isAmongOthers ? STEP_PRODUCTS_A_MEMBER_AMONG_OTHERS : STEP_PRODUCTS_A_MEMBER);
    }
    case 'linearCrossEntropy':
    case 'probe':
      return Number.POSITIVE_INFINITY;
    default: {
      const size = sizeInTinyJobs(job);
      return isAmongOthers && size !== undefined ? size / TINY_JOBS_A_MEMBER : Number.POSITIVE_INFINITY;
    }
  }
}

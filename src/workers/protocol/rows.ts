// Tasks on rows of float32 as they lie in memory.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';

/** Rows [0, rows) of one window, in shards of shardRows. */
interface ShardedRows {
  readonly rows: number;
  readonly columns: number;
  readonly shardRows: number;
}

/** output = softmax, log-softmax or log-sum-exp of each row of logits. */
export interface RowMapTask extends GangTask, ShardedRows {
  readonly kind: 'softmax' | 'logSoftmax' | 'logSumExp';
  readonly output: Ptr;
  readonly logits: Ptr;
}

/** Which targets mark rows that the plain kernels leave out; undefined where there are none. */
export interface IgnoredTargets {
  readonly index: number;
  /** So does a target that is no class. */
  readonly invalid: boolean;
}

/** Cross-entropy, with the gradient when gradLogits is not 0. */
export interface CrossEntropyTask extends GangTask, ShardedRows {
  readonly kind: 'crossEntropy';
  readonly gradLogits: Ptr;
  /** [rows] or 0. */
  readonly losses: Ptr;
  /** Float64 [shards], cleared: one slot a shard, so that the sum does not depend on who computes it. */
  readonly lossSums: Ptr;
  readonly logits: Ptr;
  readonly targets: Ptr;
  readonly scale: number;
  readonly ignore: IgnoredTargets | undefined;
  /** The present length of the memory, for views. */
  readonly buffer: SharedArrayBuffer;
}

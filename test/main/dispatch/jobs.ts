// Row operations as the pool takes them, for tests of who runs when.
import { TYPE_FLOAT32 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import type { GangJob } from '#softshard/workers/protocol.js';

/** The softmax of one row, which is one shard. */
export const softmaxJob = (output: Ptr, input: Ptr, columns: number): GangJob => ({
  kind: 'rowOperation',
  operation: { kind: 'softmax' },
  input,
  output,
  sums: NULL_PTR,
  scratch: NULL_PTR,
  scratchBytes: 0,
  outer: 1,
  columns,
  inner: 1,
  shardOuters: 1,
  shardInner: 1,
  tileRows: 1,
  type: TYPE_FLOAT32,
});

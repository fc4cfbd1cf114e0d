// Row operations as the pool takes them, for tests of who runs when.
import { TYPE_FLOAT32 } from '#softshard/kernels/loss-layout.js';
import type { GangJob } from '#softshard/workers/protocol.js';

/** The softmax of one row, which is one shard. */
export const softmaxJob = (output: number, input: number, columns: number): GangJob => ({
  kind: 'rowOperation',
  operation: { kind: 'softmax' },
  input,
  output,
  sums: 0,
  scratch: 0,
  scratchBytes: 0,
  outer: 1,
  columns,
  inner: 1,
  shardOuters: 1,
  shardInner: 1,
  tileRows: 1,
  type: TYPE_FLOAT32,
});

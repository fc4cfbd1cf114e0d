// Shards of operations on whole vectors.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { offsetBy } from '../../kernels/ptr.js';
import { claimShardsUntil, isStopped, stopped } from '../gang/claim.js';
import type { VectorTask, WorkerResult } from '../protocol.js';

export function computeVector(kernels: Kernels, control: Int32Array, task: VectorTask): WorkerResult {
  const { operation, buffer, alpha, length, shardLength } = task;
  const shards = Math.ceil(length / shardLength);
  const results = new Float64Array(buffer, task.results, shards);
  const isDone = claimShardsUntil(isStopped, control, shards, (shard) => {
    const begin = shard * shardLength;
    const count = Math.min(shardLength, length - begin);
    const x = offsetBy(task.x, begin * FLOAT32_BYTES);
    const y = offsetBy(task.y, begin * FLOAT32_BYTES);
    switch (operation) {
      case 'dot':
        results[shard] = kernels.dot(x, y, count);
        break;
      case 'maxMagnitude':
        results[shard] = kernels.maxMagnitude(x, count);
        break;
      case 'axpy':
        kernels.axpy(y, x, count, alpha);
        break;
      case 'scale':
        kernels.scale(x, count, alpha);
        break;
      default:
        throw new Error(`unknown operation ${operation satisfies never}`);
    }
  });
  return isDone ? { state: 'done' } : stopped(control);
}

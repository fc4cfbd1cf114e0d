// A one-off operation on the rows of a batch: claims shards and computes them tile by tile on shared memory.
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import { claimRunsUntil, claimsOf, isStopped, stopped } from '../gang/claim.js';
import type { RowOperationTask, WorkerResult } from '../protocol.js';
import { crossEntropy, crossEntropyWithOptions } from './cross-entropy.js';
import { PrefetchTuner } from './prefetch-tuner.js';
import { rowLoss } from './row-losses.js';
import { rowPredictions } from './row-predictions.js';
import { softmax } from './softmax.js';
import { isContiguousFloat32, type Tile, type TileOperation } from './strided-rows.js';

export function rowOperation(kernels: Kernels, control: Int32Array, task: RowOperationTask): WorkerResult {
  const compute = tileOperation(kernels, task);
  let invalidRow = STATUS_OK;
  const finished = claimTiles(kernels, control, task, (tile) => {
    const status = compute(tile);
    // Tiles come in rising order: the first is this worker's lowest row.
    if (status !== STATUS_OK && invalidRow === STATUS_OK) invalidRow = tile.rowBegin + status;
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  return finished ? { state: 'done' } : stopped(control);
}

function tileOperation(kernels: Kernels, task: RowOperationTask): TileOperation {
  const { operation } = task;
  switch (operation.kind) {
    case 'softmax':
    case 'logSoftmax':
    case 'logSumExp':
      return softmax(kernels, task, operation);
    case 'crossEntropy':
      return crossEntropy(kernels, task, operation);
    case 'crossEntropyWithOptions':
      return crossEntropyWithOptions(kernels, task, operation);
    case 'rowLoss':
      return rowLoss(kernels, task, operation);
    case 'rowPredictions':
      return rowPredictions(kernels, task, operation);
    default:
      throw new Error(`unknown operation ${JSON.stringify(operation satisfies never)}`);
  }
}

/** Calls compute for each tile of the shards that this member claims; false when stopped before all were claimed. */
function claimTiles(
  kernels: Kernels,
  control: Int32Array,
  task: RowOperationTask,
  compute: (tile: Tile) => void,
): boolean {
  const { outer, inner, shardOuters, shardInner, tileRows } = task;
  const innerShards = Math.ceil(inner / shardInner);
  const shards = Math.ceil(outer / shardOuters) * innerShards;
  const tuner = fetchesRows(task)
    ? new PrefetchTuner(kernels, isEven(task) ? claimsOf(shards) / task.members : 0)
    : undefined;
  return claimRunsUntil(isStopped, control, shards, (shard, hasNext) => {
    tuner?.beginShard(hasNext);
    const outerBegin = Math.floor(shard / innerShards) * shardOuters;
    const innerBegin = (shard % innerShards) * shardInner;
    const outers = Math.min(shardOuters, outer - outerBegin);
    const shardBegin = outerBegin * inner + innerBegin;
    const shardEnd = shardBegin + outers * Math.min(shardInner, inner - innerBegin);
    for (let rowBegin = shardBegin; rowBegin < shardEnd; rowBegin += tileRows) {
      compute({ shard, rowBegin, rows: Math.min(tileRows, shardEnd - rowBegin) });
    }
  });
}

/** Whether its kernels fetch the next rows: those that read the rows where they lie, a shard in one tile. */
const fetchesRows = (task: RowOperationTask): boolean =>
  isContiguousFloat32(task) &&
  task.operation.kind !== 'crossEntropyWithOptions' &&
  task.operation.kind !== 'rowLoss' &&
  task.operation.kind !== 'rowPredictions';

/** Ignored rows take no time, so how long a shard with some takes says nothing about fetching. */
const isEven = ({ operation }: RowOperationTask): boolean =>
  operation.kind !== 'crossEntropy' || operation.ignore === undefined;

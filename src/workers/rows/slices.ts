// Rows of any element type and class axis, tile by tile: a tile is rows without gaps in the type that is computed in.
import type { Kernels } from '../../kernels/kernels.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import type { Ptr } from '../../kernels/ptr.js';
import { claimShardsUntil, isStopped } from '../gang/claim.js';
import type { SlicedRows } from '../protocol.js';

/** Rows that kernels can take as they lie. */
const isPlain = ({ type, inner }: SlicedRows): boolean =>
  inner === 1 && (type === TYPE_FLOAT32 || type === TYPE_FLOAT64);

export interface Tile {
  readonly shard: number;
  readonly rowBegin: number;
  readonly rows: number;
}

/** Calls compute for each tile of the shards that this member claims; false when stopped before all were claimed. */
export function claimTiles(words: Int32Array, task: SlicedRows, compute: (tile: Tile) => void): boolean {
  const { outer, inner, shardOuters, shardInner, tileRows } = task;
  const innerShards = Math.ceil(inner / shardInner);
  const shards = Math.ceil(outer / shardOuters) * innerShards;
  return claimShardsUntil(isStopped, words, shards, (shard) => {
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

/** A tile's address: the rows themselves where they are plain, else a copy in scratch. */
export function loadRows(
  kernels: Kernels,
  task: SlicedRows,
  source: Ptr,
  type: number,
  scratch: Ptr,
  { rowBegin, rows }: Tile,
): Ptr {
  if (isPlain({ ...task, type })) return source + rowBegin * task.columns * computeBytes(type);
  kernels.loadTile(scratch, source, type, rowBegin, rows, task.columns, task.inner);
  return scratch;
}

/** Where a tile of results is to be computed: at its place where rows are plain, else in scratch, to be stored. */
export function resultRows(task: SlicedRows, target: Ptr, scratch: Ptr, { rowBegin }: Tile): Ptr {
  return isPlain(task) ? target + rowBegin * task.columns * computeBytes(task.type) : scratch;
}

export function storeRows(
  kernels: Kernels,
  task: SlicedRows,
  target: Ptr,
  tilePtr: Ptr,
  { rowBegin, rows }: Tile,
): void {
  if (isPlain(task)) return;
  kernels.storeTile(target, tilePtr, task.type, rowBegin, rows, task.columns, task.inner);
}

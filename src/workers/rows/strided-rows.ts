// Rows of any element type and class axis, tile by tile: a tile is rows without gaps in the type that is computed in.
import type { Kernels } from '../../kernels/kernels.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import { offsetBy, type Ptr } from '../../kernels/ptr.js';
import type { RowOperationTask, StridedRows } from '../protocol.js';

export interface Tile {
  readonly shard: number;
  readonly rowBegin: number;
  readonly rows: number;
}

/** Computes a tile. Gives STATUS_OK or the first row of the tile whose targets are invalid. */
export type TileOperation = (tile: Tile) => number;

export const isContiguousFloat32 = ({ type, inner }: Pick<StridedRows, 'type' | 'inner'>): boolean =>
  inner === 1 && type === TYPE_FLOAT32;

/** Rows that kernels take as they lie. */
const needNoCopy = (type: number, inner: number): boolean =>
  inner === 1 && (type === TYPE_FLOAT32 || type === TYPE_FLOAT64);

/** A tile's address: the rows themselves where kernels can take them, else a copy in scratch. */
export function loadRows(
  kernels: Kernels,
  { columns, inner }: StridedRows,
  source: Ptr,
  type: number,
  scratch: Ptr,
  { rowBegin, rows }: Tile,
): Ptr {
  if (needNoCopy(type, inner)) return offsetBy(source, rowBegin * columns * computeBytes(type));
  kernels.loadTile(scratch, source, type, rowBegin, rows, columns, inner);
  return scratch;
}

/** Where a tile of the output is to be computed: at its place, or in scratch, to be stored. */
export const outputRows = (
  { type, inner, columns, output }: RowOperationTask,
  scratch: Ptr,
  tile: Tile,
): Ptr =>
  needNoCopy(type, inner) ? offsetBy(output, tile.rowBegin * columns * computeBytes(type)) : scratch;

/** Brings a tile of the output to its place. */
export function storeRows(
  kernels: Kernels,
  { type, inner, columns, output }: RowOperationTask,
  computed: Ptr,
  { rowBegin, rows }: Tile,
): void {
  if (needNoCopy(type, inner)) return;
  kernels.storeTile(output, computed, type, rowBegin, rows, columns, inner);
}

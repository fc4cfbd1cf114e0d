// Plans say how a computation is cut up and combined. They are pure functions of shapes and options, never of timing, nor
// of the number of threads (but where memory is shared out among them and no bit changes, in planLinearLoss): that is why
// the bits of a result do not depend on who computes what. Here: shards of one-off operations, by rows or along any axis.

/** Elements of a shard of a row operation: some 20 µs of work, 100 times what claiming it costs. */
const SHARD_ELEMENTS = 16384;
/** Shards of many rows start at multiples of this, so that kernels which take several rows at once stay whole. */
const SHARD_ROWS_MULTIPLE = 16;

export interface RowsPlan {
  readonly shardRows: number;
  readonly shards: number;
}

/** Shards of a row-wise operation on [rows × columns]. */
export function planRows(rows: number, columns: number): RowsPlan {
  const shardRows = wholeMultiple(Math.max(1, Math.floor(SHARD_ELEMENTS / columns)));
  return { shardRows, shards: Math.ceil(rows / shardRows) };
}

const wholeMultiple = (rows: number): number =>
  rows <= SHARD_ROWS_MULTIPLE ? rows : Math.floor(rows / SHARD_ROWS_MULTIPLE) * SHARD_ROWS_MULTIPLE;

/** A shard of a linear operation (one row costs features × classes): enough rows for a few tiles. */
const LINEAR_SHARD_ROWS = 192;

export const planLinearRows = (rows: number): RowsPlan => ({
  shardRows: LINEAR_SHARD_ROWS,
  shards: Math.ceil(rows / LINEAR_SHARD_ROWS),
});

/** Shards of an operation on rows of [outer × columns × inner], row o · inner + i: no shard is part of several outers. */
export interface StridedPlan {
  readonly shardOuters: number;
  /** inner where a shard has whole outers. */
  readonly shardInner: number;
  readonly shards: number;
  /** Rows of a tile in scratch memory. */
  readonly tileRows: number;
}

/** Elements of a tile: it stays in a core's cache while it is loaded, computed and stored. */
const TILE_ELEMENTS = 16384;
/** A tile of strided rows takes this many neighbors at least: their elements lie together in memory. */
const MIN_STRIDED_ROWS = 16;

export function planStridedRows(outer: number, columns: number, inner: number): StridedPlan {
  const tileRows = Math.max(inner === 1 ? 1 : MIN_STRIDED_ROWS, Math.floor(TILE_ELEMENTS / columns));
  const rows = planRows(outer * inner, columns).shardRows;
  const whole = inner <= rows;
  const shardOuters = whole ? Math.floor(rows / inner) : 1;
  const shardInner = whole ? inner : Math.max(tileRows, rows);
  const shards = Math.ceil(outer / shardOuters) * Math.ceil(inner / shardInner);
  return { shardOuters, shardInner: Math.min(inner, shardInner), shards, tileRows };
}

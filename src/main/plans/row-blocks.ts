// Blocks of consecutive rows: what is shuffled, and read from disk, at a time where there are too many rows to mix them all.

/** A read of this size from a disk takes about as long as its bytes alone. */
const BLOCK_BYTES = 1024 * 1024;

/** Rows come from this many blocks at a time: 256 MiB of float32 features. At most 256: an offset is a byte. */
export const MIXED_BLOCKS = 256;

/** Rows of a block. Features count as float32 whatever their type, so that the order of an epoch depends on dims only. */
export const planBlockRows = (features: number): number =>
  Math.max(1, Math.floor(BLOCK_BYTES / (features * Float32Array.BYTES_PER_ELEMENT)));

/** Rows of the blocks that an epoch is shuffled by; undefined: all rows are mixed. */
export function planShuffleBlocks(rows: number, features: number): number | undefined {
  const blockRows = planBlockRows(features);
  return rows > MIXED_BLOCKS * blockRows ? blockRows : undefined;
}

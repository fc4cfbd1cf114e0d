// Integer constants and shape rules that both compilers read: AssemblyScript for the kernels, TypeScript for the host.
// Only syntax and types that both know: `i32` is a number on the host (see scalars.d.ts).

/** Where the arena's allocations start: below lie the kernels' constant tables. Address 0 stays "none". */
export const HEAP_BASE: i32 = 65536;

export const FLOAT32_BYTES: i32 = 4;

/** What every allocation of the arena is aligned to: a cache line, twice for adjacent-line prefetch. */
export const ALIGNMENT_BYTES: i32 = 128;

/** A kernel's status when all went well; any other value is the index of the first row with an invalid target. */
export const STATUS_OK: i32 = -1;

/**
 * Classes are stored in panels of this many columns while a model trains: [panels][features][panelWidth], the
 * last panel padded with zeros. One micro-kernel call computes one panel for a few rows.
 */
export function panelWidth(classes: i32): i32 {
  if (classes <= 4) return 4;
  if (classes <= 8) return 8;
  if (classes <= 12) return 12;
  return 8;
}

/** The most classes of one panel: with more, panels are 8 wide. */
export const MOST_PANEL_WIDTH: i32 = 12;

/**
 * Columns of the panels together: the length of a padded bias, and how far apart rows of padded logits are. A multiple
 * of 1024 gets one more panel of zeros: in rows 4096 bytes apart the elements of a column fall into one set of the L1
 * cache, and walking down it was a fifth slower (measured at 1024 × 1024).
 */
export function paddedClasses(classes: i32): i32 {
  const width = panelWidth(classes);
  const rest = classes % width;
  const padded = rest === 0 ? classes : classes + width - rest;
  return padded % 1024 === 0 ? padded + width : padded;
}

/**
 * Rows that linearBackward, addColumnSums and blockBackward sum before they add to the gradient. Rows cut at multiples of it
 * give the same bits. Where packed-products.ts takes two panels at a time, 24 took 1.10 of the time of 48 at 8192 × 768 ×
 * 1000, and 96 took 0.92 of it (with one panel all were within 6 %); but chunks of linearCrossEntropy are as long at least.
 */
export const SUM_ROWS: i32 = 48;

/** Rows and features of X that linearForward and linearBackward take at a time: with the panels they stay in L2. */
export const CACHED_ROWS: i32 = 144;
export const CACHED_FEATURES: i32 = 504;
/** Panels of dZ that linearBackward packs at a time. */
export const CACHED_PANELS: i32 = 32;

/** Scratch of linearForward and linearBackward: rows of X by DEPTH_BLOCK features, or a tile of X and one of dZ. */
export function linearScratchBytes(classes: i32): i32 {
  if (classes <= MOST_PANEL_WIDTH) return 0;
  const forward = CACHED_ROWS * DEPTH_BLOCK;
  const backward = SUM_ROWS * (CACHED_FEATURES + CACHED_PANELS * 8);
  return 4 * (forward > backward ? forward : backward);
}

/** The most classes of a block; a block of W of 384 features (384 KiB) stays in the L2 cache beside packed rows. */
const MOST_BLOCK_COLUMNS: i32 = 256;

/**
 * a / b for whole positive numbers, rounded up. Divides only without remainder: both compilers then agree.
 */
function dividedUp(a: i32, b: i32): i32 {
  const rest = a % b;
  return rest === 0 ? a / b : (a - rest) / b + 1;
}

/**
 * Where the logits of a chunk of rows lie while a linear layer's loss is computed:
 * [classBlocks][chunkRows][blockColumns], the last block padded. What one tile of a matrix product touches is
 * then contiguous. Rows of all classes would be far apart, for many vocabularies by a power of two, and fall
 * into a few cache sets.
 */
export function blockColumns(classes: i32): i32 {
  return paddedClasses(dividedUp(classes, dividedUp(classes, MOST_BLOCK_COLUMNS)));
}

export function classBlocks(classes: i32): i32 {
  return dividedUp(classes, blockColumns(classes));
}

/** Features that are summed before they are added to the logits: that part of a panel (8 to 24 KiB) stays in L1. */
export const DEPTH_BLOCK: i32 = 512;

/** The most rows and features that blockBackwardInputs takes in one call. */
export const BLOCK_ROWS: i32 = 512;
export const BLOCK_FEATURES: i32 = 192;

/**
 * Scratch of blockForward, blockBackward (at most DEPTH_BLOCK features) and blockBackwardInputs: a block of panels and
 * packed lines.
 */
export function blockScratchBytes(features: i32, classes: i32): i32 {
  const columns = blockColumns(classes);
  const depth = features < DEPTH_BLOCK ? features : DEPTH_BLOCK;
  const products = (depth + 1) * columns * 4 + linearScratchBytes(columns);
  const inputs = (columns * (BLOCK_FEATURES + BLOCK_ROWS) + 8 * BLOCK_ROWS) * 4;
  return products > inputs ? products : inputs;
}

/** Features whose weights lie together for each class of a strip; each has a lane of the sum. */
export const FEATURE_GROUP: i32 = 8;

export function featureGroups(features: i32): i32 {
  return dividedUp(features, FEATURE_GROUP);
}

/**
 * The most classes of a strip: limited by the registers of the micro-kernels (see
 * assembly/narrow-model/feature-lanes.ts).
 */
const STRIP_CLASSES: i32 = 5;

/** Scratch memory of tileForward: eight sums of each logit of a block of rows and classes (see assembly/narrow-model/feature-lanes.ts). */
export const FORWARD_SUMS_BYTES: i32 = 2 * STRIP_CLASSES * 32;

/** The classes of the next strip when `left` classes remain: equal parts, the larger ones first. */
export function stripClasses(left: i32): i32 {
  return dividedUp(left, dividedUp(left, STRIP_CLASSES));
}

/**
 * Distance between rows of a tile of inputs, in elements: an odd number of cache lines, so that the elements
 * of a feature spread over all sets of the L1 cache. Zeros follow the last feature of a row.
 */
export function tileStride(features: i32): i32 {
  const lines = dividedUp(features, 16);
  return (lines % 2 === 0 ? lines + 1 : lines) * 16;
}

/**
 * Formats of inputs: float32 taken as it is, or x that becomes (x - shift) · scale: bytes with one shift and
 * scale or one for each feature, float32 with one for each feature.
 */
export const INPUTS_FLOAT32: i32 = 0;
export const INPUTS_BYTES: i32 = 1;
export const INPUTS_BYTES_BY_FEATURE: i32 = 2;
export const INPUTS_SCALED_FLOAT32: i32 = 3;

/**
 * Rows of inputs that are prefetched together, a line of each in turn. One row after the other leaves a
 * core's memory requests idle: shuffled rows of 3136 bytes came from memory at 8 GB/s on Zen 4, two at a time
 * at 12, four at 15, eight at 17.
 */
export const FETCHED_ROWS: i32 = 8;

/**
 * Rows of up to this many columns go in groups through scratch memory
 * (assembly/rows/narrow/narrow-groups.ts).
 */
export const MOST_GROUP_COLUMNS: i32 = 40;

/** Scratch memory of those kernels (laid out in group-scratch.ts beside them); see useScratch. */
export const GROUP_SCRATCH_BYTES: i32 = 16 * 4 * (8 + 2 * MOST_GROUP_COLUMNS);

/**
 * Distance between the scratch of two threads: keeps adjacent-line prefetch off other threads' scratch. A gang's control
 * words follow each (src/workers/protocol/gang.ts).
 */
export const GROUP_SCRATCH_STRIDE: i32 = 8192;

/** Floating-point operations in a round of multiplyAdd, of all lanes: 48 multiply-adds of four. */
export const PROBE_FLOPS_A_ROUND: i32 = 384;

/** Float32 sums that multiplyAdd works on. */
export const PROBE_SUMS: i32 = 96;

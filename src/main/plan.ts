// Plans: how a computation is cut up and combined. Pure functions of shapes and options, never of timing, nor of the
// number of threads (but where memory is shared out among them and no bit changes, in planLinearLoss): that is why the
// bits of a result do not depend on who computes what.
import {
  ALIGNMENT_BYTES,
  BLOCK_ROWS,
  blockColumns,
  blockScratchBytes,
  classBlocks,
  DEPTH_BLOCK,
  paddedClasses,
  SUM_ROWS,
  tileStride,
} from '../kernels/layout.js';
import { LOSS_CALL_BYTES, lossScratchBytes } from '../kernels/loss-layout.js';
import { type LinearShape, parametersInStripsLength, tileScratch } from '../kernels/strips.js';
import { LOSS_SHARD_ROWS, type StepShape } from '../workers/protocol.js';

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

/** The most rows of a tile: with 128 the rows leave the L2 cache between the two products. */
const TILE_ROWS = 64;
const MIN_TILE_ROWS = 8;
/** What a tile's inputs, and its logits, may take in scratch memory, so that they stay in cache. */
const TILE_BYTES = 256 * 1024;

export interface TilePlan {
  readonly rows: number;
  /** Of each worker: whole cache lines, the memory of two workers shares none. */
  readonly scratchBytes: number;
}

/** A tile of rows of a linear model, from inputs to logits. */
export function planTile(shape: LinearShape): TilePlan {
  const elementsARow = Math.max(tileStride(shape.features), shape.classes);
  const fitting = Math.floor(TILE_BYTES / 4 / elementsARow);
  const rows = Math.max(MIN_TILE_ROWS, Math.min(TILE_ROWS, fitting));
  return { rows, scratchBytes: aligned(tileScratch(0, rows, shape).end) };
}

/** The most rows that are differentiated at a time when training by tiles of the gradient, and what their logits may take. */
const DIFFERENTIATED_ROWS = 48;
const DIFFERENTIATED_LOGITS = 65536;

function planDifferentiatedRows(classes: number): TilePlan {
  const fitting = Math.floor(DIFFERENTIATED_LOGITS / paddedClasses(classes));
  const rows = Math.max(1, Math.min(DIFFERENTIATED_ROWS, fitting));
  return { rows, scratchBytes: aligned(rows * 4) };
}

/** Partial gradients of all shards together may take this much; with more, the gradient is cut into tiles. */
const PARTIALS_BYTES = 8 * 1024 * 1024;
/** Logits that training by tiles holds at a time. */
const CHUNK_BYTES = 64 * 1024 * 1024;
/** A gradient tile: 16 panels of 8 classes × 256 features are 128 KiB, which stay in a core's cache. */
const PANELS_A_TILE = 16;
const FEATURES_A_TILE = 256;
const SLICE_LENGTH = 1024;
const MIN_SHARDS = 8;
const MAX_SHARDS = 64;
const MIN_SHARD_ROWS = 16;
/**
 * Rows that make a shard of its own worthwhile. With 32 instead, zeroing the partials and adding them up made steps of
 * 1024 × 784 × 10 take 6 to 7 % more processor time (one thread and two); with 128, 4 % less, but half the shards to share.
 */
const WANTED_SHARD_ROWS = 256;

export interface TrainingPlan {
  readonly by: 'partials' | 'tiles';
  readonly stepsAnEpoch: number;
  readonly fullStep: StepShape;
  /** The last step of an epoch; it has fewer rows when batchSize does not divide the rows. */
  readonly lastStep: StepShape;
  readonly tile: TilePlan;
  /** Only by partials: elements of the parameters that one claim reduces and updates. */
  readonly sliceLength: number;
  /** Only by tiles. */
  readonly chunkRows: number;
  readonly panelsATile: number;
  readonly featuresATile: number;
}

export interface TrainingShape {
  readonly rows: number;
  readonly batchSize: number;
  readonly features: number;
  readonly classes: number;
}

export function planTraining({ rows, batchSize, features, classes }: TrainingShape): TrainingPlan {
  const batch = Math.min(batchSize, rows);
  const stepsAnEpoch = Math.ceil(rows / batch);
  const fullStep = planStep(batch, planShardRows(batch));
  const lastStep = planStep(rows - (stepsAnEpoch - 1) * batch, fullStep.shardRows);
  const partialsBytes = parametersInStripsLength({ features, classes }) * 4 * fullStep.shards;
  const by = partialsBytes <= PARTIALS_BYTES ? 'partials' : 'tiles';
  const chunkShards = Math.floor(CHUNK_BYTES / (paddedClasses(classes) * 4 * fullStep.shardRows));
  return {
    by,
    stepsAnEpoch,
    fullStep,
    lastStep,
    tile: by === 'partials' ? planTile({ features, classes }) : planDifferentiatedRows(classes),
    sliceLength: SLICE_LENGTH,
    chunkRows: Math.max(1, Math.min(chunkShards, fullStep.shards)) * fullStep.shardRows,
    panelsATile: PANELS_A_TILE,
    featuresATile: FEATURES_A_TILE,
  };
}

/** Chunks of more rows gain nothing: packing the weights is a few percent of the work at 256 rows. */
const MOST_CHUNK_ROWS = 1536;
/** Tiles of a phase, at least, where shapes allow it: enough for many threads. */
const MANY_TILES = 32;
/** Features of a tile of the inputs' gradient: fewer would read the logits' gradient more often. */
const INPUTS_FEATURES = 192;
const FEW_FEATURES = 128;
/** Elements of a tile of logits that is brought together for the row kernels. */
const LOSS_TILE_ELEMENTS = 16384;

export interface LinearLossShape {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  /** Whether the general loss kernels are needed, and their scratch memory. */
  readonly general: boolean;
}

/** Chunks start at multiples of SUM_ROWS rows, where a gradient's sums of rows start; so no number here changes a bit. */
export interface LinearLossPlan {
  readonly chunkRows: number;
  readonly chunks: number;
  /** How many workers there is scratch memory for. */
  readonly members: number;
  readonly forwardRows: number;
  readonly inputsRows: number;
  readonly inputsFeatures: number;
  readonly weightsFeatures: number;
  readonly tileRows: number;
  readonly workspace: LinearLossWorkspace;
}

/** Bytes of each piece, all multiples of ALIGNMENT_BYTES. */
export interface LinearLossWorkspace {
  readonly logitsBytes: number;
  /** Of each of the two tables of addresses. */
  readonly tableBytes: number;
  readonly sumsBytes: number;
  readonly totalsBytes: number;
  readonly callBytes: number;
  /** Of each member. */
  readonly scratchBytes: number;
  readonly bytes: number;
}

/**
 * Chunks as large as the workspace holds beside scratch memory for `threads` workers, or for as many as fit. The only plan
 * that knows the threads: its numbers change no bit. Undefined when the workspace is below leastLinearLossBytes.
 */
export function planLinearLoss(
  shape: LinearLossShape,
  workspaceBytes: number,
  threads: number,
): LinearLossPlan | undefined {
  if (leastLinearLossBytes(shape) > workspaceBytes) return undefined;
  const { rows, features, classes } = shape;
  const { scratchBytes, bytes } = linearLossWorkspace(shape, SUM_ROWS, 0);
  // Beside the smallest chunk, and at most half of all: logits are what makes packing pay.
  const scratches = Math.floor(Math.min(workspaceBytes - bytes, workspaceBytes / 2) / scratchBytes);
  const members = Math.max(1, Math.min(threads, scratches));
  const fits = (chunkRows: number) => linearLossWorkspace(shape, chunkRows, members).bytes <= workspaceBytes;
  let mostRows = SUM_ROWS;
  while (mostRows < MOST_CHUNK_ROWS && fits(mostRows + SUM_ROWS)) mostRows += SUM_ROWS;
  // In equal parts: packing costs the last chunk as much as a full one.
  const chunkRows = Math.max(1, Math.ceil(equalParts(rows, mostRows) / SUM_ROWS)) * SUM_ROWS;
  const many = classBlocks(classes) >= MANY_TILES;
  return {
    chunkRows,
    chunks: Math.ceil(rows / chunkRows),
    members,
    forwardRows: many ? chunkRows : BLOCK_ROWS,
    inputsRows: Math.ceil(chunkRows / Math.ceil(chunkRows / BLOCK_ROWS)),
    inputsFeatures: Math.min(features, INPUTS_FEATURES),
    weightsFeatures: equalParts(features, many ? DEPTH_BLOCK : FEW_FEATURES),
    tileRows: lossTileRows(classes),
    workspace: linearLossWorkspace(shape, chunkRows, members),
  };
}

/** One chunk of the fewest rows, and one worker. */
export const leastLinearLossBytes = (shape: LinearLossShape): number =>
  linearLossWorkspace(shape, SUM_ROWS, 1).bytes;

const lossTileRows = (classes: number): number =>
  Math.max(1, Math.min(LOSS_SHARD_ROWS, Math.floor(LOSS_TILE_ELEMENTS / classes)));

/** The length of equal parts of at most `most`. */
const equalParts = (length: number, most: number): number =>
  length === 0 ? 0 : Math.ceil(length / Math.ceil(length / most));

function linearLossWorkspace(
  { features, classes, general }: LinearLossShape,
  chunkRows: number,
  members: number,
): LinearLossWorkspace {
  const tileBytes = Math.ceil((lossTileRows(classes) * classes * 4) / 16) * 16;
  const scratchBytes = aligned(
    Math.max(blockScratchBytes(features, classes), tileBytes + (general ? lossScratchBytes(classes, 4) : 0)),
  );
  const logitsBytes = aligned(chunkRows * classBlocks(classes) * blockColumns(classes) * 4);
  const tableBytes = aligned(chunkRows * 4);
  const sumsBytes = aligned((chunkRows / LOSS_SHARD_ROWS) * 16);
  const totalsBytes = aligned(16);
  const callBytes = aligned(LOSS_CALL_BYTES);
  const bytes = logitsBytes + 2 * tableBytes + sumsBytes + totalsBytes + callBytes + members * scratchBytes;
  return { logitsBytes, tableBytes, sumsBytes, totalsBytes, callBytes, scratchBytes, bytes };
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

/** More shards for larger steps, up to MAX_SHARDS: a partial costs memory traffic, a shard is what threads share. */
function planShardRows(rows: number): number {
  const wanted = Math.max(MIN_SHARDS, Math.min(MAX_SHARDS, Math.floor(rows / WANTED_SHARD_ROWS)));
  return Math.max(1, Math.ceil(rows / wanted / MIN_SHARD_ROWS)) * MIN_SHARD_ROWS;
}

const planStep = (rows: number, shardRows: number): StepShape => ({
  rows,
  shardRows,
  shards: Math.ceil(rows / shardRows),
});

/** Shards of an operation on rows of [outer × columns × inner], row o · inner + i: no shard is part of several outers. */
export interface SlicesPlan {
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

export function planSlices(outer: number, columns: number, inner: number): SlicesPlan {
  const tileRows = Math.max(inner === 1 ? 1 : MIN_STRIDED_ROWS, Math.floor(TILE_ELEMENTS / columns));
  const rows = planRows(outer * inner, columns).shardRows;
  const whole = inner <= rows;
  const shardOuters = whole ? Math.floor(rows / inner) : 1;
  const shardInner = whole ? inner : Math.max(tileRows, rows);
  const shards = Math.ceil(outer / shardOuters) * Math.ceil(inner / shardInner);
  return { shardOuters, shardInner: Math.min(inner, shardInner), shards, tileRows };
}

// Plans: how a computation is cut up and combined. Pure functions of shapes and options, never of timing, nor of the
// number of threads (but where memory is shared out among them and no bit changes, in planLinearLoss): that is why the
// bits of a result do not depend on who computes what.
import {
  ALIGNMENT_BYTES,
  BLOCK_FEATURES,
  BLOCK_ROWS,
  blockColumns,
  blockScratchBytes,
  CACHED_ROWS,
  classBlocks,
  DEPTH_BLOCK,
  linearScratchBytes,
  paddedClasses,
  panelWidth,
  SUM_ROWS,
  tileStride,
} from '../kernels/layout.js';
import { LOSS_CALL_BYTES, lossScratchBytes } from '../kernels/loss-layout.js';
import { type LinearShape, parametersInStripsLength, tileScratch } from '../kernels/strips.js';
import { type GangJob, LOSS_SHARD_ROWS, type StepShape } from '../workers/protocol.js';

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

/**
 * Jobs of at most so many elements are done by the calling thread, in its turn: starting workers takes longer. On two of
 * them, softmax of 64 × 1024 took 2.4 times as long, of 10 × 1000 ten times; it is 0.05 to 0.2 ms that nothing else runs.
 */
const TINY_ELEMENTS = 65536;
/** The same for kernels that take several times as long: with options, other types or other losses. */
const TINY_COSTLY_ELEMENTS = 16384;
/** The same for multiplications of inputs by weights. */
const TINY_PRODUCTS = 2 ** 20;

export function isTiny(job: GangJob): boolean {
  switch (job.kind) {
    case 'softmax':
    case 'logSoftmax':
    case 'logSumExp':
    case 'crossEntropy':
      return job.rows * job.columns <= TINY_ELEMENTS;
    case 'outcomes':
      return job.rows * job.columns <= TINY_COSTLY_ELEMENTS;
    case 'otherLoss':
    case 'tileMap':
    case 'loss':
      return job.outer * job.columns * job.inner <= TINY_COSTLY_ELEMENTS;
    case 'predict':
      return job.rows * job.features * job.classes <= TINY_PRODUCTS;
    // Members of these wait for each other, which the calling thread must not.
    case 'linearCrossEntropy':
    case 'trainByPartials':
    case 'trainByTiles':
      return false;
    default:
      return job satisfies never;
  }
}

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

/** Rows that are differentiated at a time when training by tiles of the gradient; see train-products.ts on the scratch. */
function planDifferentiatedRows(shape: LinearShape, shardRows: number, blas: boolean): TilePlan {
  const rows = Math.min(shardRows, blas ? planBlasTile(shape).rows : CACHED_ROWS);
  const productBytes = blas ? 0 : linearScratchBytes(shape.classes);
  return { rows, scratchBytes: aligned(productBytes + rows * 4) };
}

/** A training step of 1024 × 784 takes a BLAS as long as the kernels with 48 classes, 0.7 of it with 64. */
const BLAS_MIN_CLASSES = 64;

/** Whether a BLAS, where the engine has one, computes the products of a layer of so many classes. */
export const isForBlas = (classes: number): boolean => classes >= BLAS_MIN_CLASSES;

/** Rows whose logits one call of a BLAS computes: with 64 of 1000 classes it is 4 % slower, with 16 a quarter. */
const BLAS_TILE_ROWS = 128;
/** The most elements of a tile's logits, or of its inputs. */
const BLAS_TILE_ELEMENTS = 2 * 1024 * 1024;

export function planBlasTile(shape: LinearShape): TilePlan {
  const longest = Math.max(tileStride(shape.features), shape.classes);
  const rows = Math.max(1, Math.min(BLAS_TILE_ROWS, Math.floor(BLAS_TILE_ELEMENTS / longest)));
  return { rows, scratchBytes: aligned(tileScratch(0, rows, shape).end) };
}

/** Partial gradients of all shards together may take this much; with more, the gradient is cut into tiles. */
const PARTIALS_BYTES = 8 * 1024 * 1024;
/** Logits (and for a BLAS inputs) that training by tiles holds at a time. */
const CHUNK_BYTES = 64 * 1024 * 1024;
/** For a BLAS better fewer, where they are enough shards: 8192 × 768 × 1000 takes 3 % less while a chunk stays in L3. */
const BLAS_CHUNK_BYTES = 16 * 1024 * 1024;
const BLAS_CHUNK_SHARDS = 16;
/**
 * A gradient tile, at most: 16 panels of 8 classes × 384 features are 192 KiB, which stay in a core's cache beside what is
 * added to them. Larger ones would read inputs and the logits' gradient less often, but leave many threads without work.
 */
const PANELS_A_TILE = 16;
const FEATURES_A_TILE = 384;
/** All blocks of lines are whole then, and so are sums of SUM_ROWS. */
const TILES_SHARD_MULTIPLE = SUM_ROWS;
/** A gradient tile of a BLAS, where there are tiles for many threads: smaller ones take it longer to prepare. */
const BLAS_CLASSES_A_TILE = 256;
const BLAS_FEATURES_A_TILE = 208;
const BLAS_FEWEST_FEATURES_A_TILE = 32;
const BLAS_TILES = 16;
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

/**
 * Between the scratch memories of two workers that train: next to each other, the second of two workers took longer over its
 * shards of 784 × 10 than the first, and both waited; apart they took the same.
 */
const TRAINING_SCRATCH_GAP = 128 * 1024;

function planTrainingTile(shape: LinearShape): TilePlan {
  const { rows, scratchBytes } = planTile(shape);
  return { rows, scratchBytes: scratchBytes + TRAINING_SCRATCH_GAP };
}

export interface TrainingShape {
  readonly rows: number;
  readonly batchSize: number;
  readonly features: number;
  readonly classes: number;
  /** Whether a BLAS computes the products: always by tiles then. */
  readonly blas?: boolean;
}

export function planTraining({
  rows,
  batchSize,
  features,
  classes,
  blas = false,
}: TrainingShape): TrainingPlan {
  const batch = Math.min(batchSize, rows);
  const stepsAnEpoch = Math.ceil(rows / batch);
  const byPartials = planStep(batch, planShardRows(batch));
  const partialsBytes = parametersInStripsLength({ features, classes }) * 4 * byPartials.shards;
  const by = blas || partialsBytes > PARTIALS_BYTES ? 'tiles' : 'partials';
  const fullStep =
    by === 'partials' ? byPartials : planStep(batch, tilesShardRows(byPartials.shardRows, blas));
  const { shardRows } = fullStep;
  const lastStep = planStep(rows - (stepsAnEpoch - 1) * batch, shardRows);
  const rowElements = paddedClasses(classes) + (blas ? tileStride(features) : 0);
  const shardBytes = rowElements * 4 * shardRows;
  const chunkShards = blas ? planBlasChunk(shardBytes) : Math.floor(CHUNK_BYTES / shardBytes);
  return {
    by,
    stepsAnEpoch,
    fullStep,
    lastStep,
    tile:
      by === 'partials'
        ? planTrainingTile({ features, classes })
        : planDifferentiatedRows({ features, classes }, shardRows, blas),
    sliceLength: SLICE_LENGTH,
    chunkRows: Math.max(1, Math.min(chunkShards, fullStep.shards)) * shardRows,
    ...(blas
      ? planBlasTiles(features, classes)
      : { panelsATile: PANELS_A_TILE, featuresATile: equalParts(features, FEATURES_A_TILE) }),
  };
}

/** Shards of a chunk: many for many threads to share evenly, together in a cache if they can. */
function planBlasChunk(shardBytes: number): number {
  const cached = Math.floor(BLAS_CHUNK_BYTES / shardBytes / BLAS_CHUNK_SHARDS) * BLAS_CHUNK_SHARDS;
  return Math.min(Math.max(cached, BLAS_CHUNK_SHARDS), Math.floor(CHUNK_BYTES / shardBytes));
}

function planBlasTiles(features: number, classes: number) {
  const width = panelWidth(classes);
  const panelsATile = Math.ceil(equalParts(classes, BLAS_CLASSES_A_TILE) / width);
  const tilesOfClasses = Math.ceil(classes / (panelsATile * width));
  const wanted = Math.ceil(features / Math.ceil(BLAS_TILES / tilesOfClasses));
  const most = Math.max(BLAS_FEWEST_FEATURES_A_TILE, Math.min(BLAS_FEATURES_A_TILE, wanted));
  return { panelsATile, featuresATile: equalParts(features, most) };
}

/** Chunks of more rows gain nothing: packing the weights is a few percent of the work at 256 rows. */
const MOST_CHUNK_ROWS = 1536;
/** Tiles of a phase, at least, where shapes allow it: enough for many threads. */
const MANY_TILES = 32;
const FEW_FEATURES = 128;
const FORWARD_ROWS = 192;
/** Rows and features of a BLAS's tiles where there are few blocks of classes. */
const BLAS_ROWS = 192;
const BLAS_FEATURES = 192;
/** Classes of a block of a BLAS. */
const BLAS_FEWEST_COLUMNS = 128;
const BLAS_MOST_COLUMNS = 2048;
/** What there is scratch memory for beside a BLAS's chunks, if there is room: its bits must not depend on the threads. */
const BLAS_MEMBERS = 16;
/** Elements of a tile of logits that is brought together for the row kernels. */
const LOSS_TILE_ELEMENTS = 16384;

export interface LinearLossShape {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  /** Whether the general loss kernels are needed, and their scratch memory. */
  readonly general: boolean;
  /** Whether a BLAS computes the products. */
  readonly blas: boolean;
}

/** Chunks start at multiples of SUM_ROWS rows, where a gradient's sums of rows start; so no number here changes a bit. */
export interface LinearLossPlan {
  readonly chunkRows: number;
  readonly chunks: number;
  /** How many workers there is scratch memory for. */
  readonly members: number;
  /** Classes of a block. */
  readonly columns: number;
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
  const { rows, features, classes, blas } = shape;
  const { scratchBytes, bytes } = linearLossWorkspace(shape, SUM_ROWS, 0);
  // Beside the smallest chunk, and at most half of all: logits are what makes packing pay.
  const scratches = Math.floor(Math.min(workspaceBytes - bytes, workspaceBytes / 2) / scratchBytes);
  const expected = Math.max(1, Math.min(blas ? BLAS_MEMBERS : threads, scratches));
  const fits = (chunkRows: number) => linearLossWorkspace(shape, chunkRows, expected).bytes <= workspaceBytes;
  let mostRows = SUM_ROWS;
  while (mostRows < MOST_CHUNK_ROWS && fits(mostRows + SUM_ROWS)) mostRows += SUM_ROWS;
  // In equal parts: packing costs the last chunk as much as a full one.
  const chunkRows = Math.max(1, Math.ceil(equalParts(rows, mostRows) / SUM_ROWS)) * SUM_ROWS;
  const room = workspaceBytes - linearLossWorkspace(shape, chunkRows, 0).bytes;
  const members = blas ? Math.min(threads, Math.floor(room / scratchBytes)) : expected;
  return {
    chunkRows,
    chunks: Math.ceil(rows / chunkRows),
    members,
    ...(blas ? shareForBlas(shape, chunkRows) : shareForKernels(features, classes, chunkRows)),
    workspace: linearLossWorkspace(shape, chunkRows, members),
  };
}

type Shares = Pick<
  LinearLossPlan,
  'columns' | 'forwardRows' | 'inputsRows' | 'inputsFeatures' | 'weightsFeatures' | 'tileRows'
>;

function shareForKernels(features: number, classes: number, chunkRows: number): Shares {
  const many = classBlocks(classes) >= MANY_TILES;
  return {
    columns: blockColumns(classes),
    forwardRows: many ? chunkRows : FORWARD_ROWS,
    inputsRows: equalParts(chunkRows, BLOCK_ROWS),
    inputsFeatures: Math.min(features, BLOCK_FEATURES),
    weightsFeatures: equalParts(features, many ? DEPTH_BLOCK : FEW_FEATURES),
    tileRows: lossTileRows(classes),
  };
}

/** Large tiles: a BLAS rearranges both operands of every call. */
function shareForBlas({ features, classes }: LinearLossShape, chunkRows: number): Shares {
  const wanted = Math.ceil(classes / BLAS_TILES / 16) * 16;
  const columns = Math.max(BLAS_FEWEST_COLUMNS, Math.min(BLAS_MOST_COLUMNS, wanted));
  const many = classes / columns >= BLAS_TILES;
  return {
    columns,
    forwardRows: many ? chunkRows : BLAS_ROWS,
    inputsRows: many ? chunkRows : BLAS_ROWS,
    inputsFeatures: equalParts(features, BLAS_FEATURES),
    weightsFeatures: many ? features : equalParts(features, BLAS_FEATURES),
    tileRows: 1,
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
  { features, classes, general, blas }: LinearLossShape,
  chunkRows: number,
  members: number,
): LinearLossWorkspace {
  const tileBytes = Math.ceil((lossTileRows(classes) * classes * 4) / 16) * 16;
  const lossBytes = general ? lossScratchBytes(classes, 4) : 0;
  const scratchBytes = aligned(
    blas ? Math.max(1, lossBytes) : Math.max(blockScratchBytes(features, classes), tileBytes + lossBytes),
  );
  const rowElements = blas ? paddedClasses(classes) : classBlocks(classes) * blockColumns(classes);
  const logitsBytes = aligned(chunkRows * rowElements * 4);
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

function tilesShardRows(shardRows: number, blas: boolean): number {
  if (blas) return Math.min(shardRows, BLAS_TILE_ROWS);
  if (shardRows < TILES_SHARD_MULTIPLE) return shardRows;
  return Math.ceil(shardRows / TILES_SHARD_MULTIPLE) * TILES_SHARD_MULTIPLE;
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

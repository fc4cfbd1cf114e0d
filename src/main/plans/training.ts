// How training is cut up: steps, their shards, and tiles of rows or of the gradient.
import {
  CACHED_ROWS,
  linearScratchBytes,
  paddedClasses,
  panelWidth,
  SUM_ROWS,
  tileStride,
} from '../../kernels/layout.js';
import { type LinearShape, parametersInStripsLength } from '../../kernels/strips.js';
import type { StepShape } from '../../workers/protocol.js';
import { aligned, equalParts } from './parts.js';
import { BLAS_TILE_ROWS, BLAS_TILES, planBlasTile, planTile, type TilePlan } from './tiles.js';

/** The most memory for the partial gradients of all shards: beyond it, training is parameter-sharded. */
const PARTIALS_BYTES = 8 * 1024 * 1024;
/** Logits (with a BLAS, inputs too) that parameter-sharded training holds at a time. */
const CHUNK_BYTES = 64 * 1024 * 1024;
/** A BLAS takes 3 % less for 8192 × 768 × 1000 while a chunk stays in L3; but a chunk should have enough shards. */
const BLAS_CHUNK_BYTES = 16 * 1024 * 1024;
const BLAS_CHUNK_SHARDS = 16;
/**
 * The largest gradient tile: 32 panels of 8 classes × 192 features are 192 KiB, which stay in a core's cache together with
 * what is added to them. Larger tiles read inputs and the logits' gradient less often, but leave many threads without
 * work. 16 × 384 packs the inputs twice as often: up to 4 % slower for a step of 8192 × 768 × 1000.
 */
const PANELS_A_TILE = 32;
const FEATURES_A_TILE = 192;
/** Where all features are one part, twice as many tiles are worth more than packing the inputs half as often. */
const PANELS_A_TILE_OF_ALL_FEATURES = 16;
/** Keeps all blocks of packed rows and all sums of SUM_ROWS whole. */
const TILES_SHARD_MULTIPLE = SUM_ROWS;
/** The largest gradient tile of a BLAS that leaves tiles for many threads; it prepares smaller ones less efficiently. */
const BLAS_CLASSES_A_TILE = 256;
const BLAS_FEATURES_A_TILE = 208;
const BLAS_FEWEST_FEATURES_A_TILE = 32;
const SLICE_LENGTH = 1024;
const MIN_SHARDS = 8;
const MAX_SHARDS = 64;
const MIN_SHARD_ROWS = 16;
/**
 * Rows that are worth a shard of their own: more shards can be shared by more threads, but each has a partial to clear and
 * to add up. With 32, steps of 1024 × 784 × 10 take 6 to 7 % more processor time; with 128, 4 % less, but there is half as
 * much to share.
 */
const WANTED_SHARD_ROWS = 256;

export interface TrainingPlan {
  readonly by: 'data-parallel' | 'parameter-sharded';
  readonly stepsAnEpoch: number;
  readonly fullStep: StepShape;
  /** The last step of an epoch, with fewer rows where batchSize does not divide them. */
  readonly lastStep: StepShape;
  readonly tile: TilePlan;
  /** Data-parallel: elements of the parameters that one claim reduces and updates. */
  readonly sliceLength: number;
  /** These three: parameter-sharded. */
  readonly chunkRows: number;
  readonly panelsATile: number;
  readonly featuresATile: number;
}

/**
 * Gap between workers' scratch: without it, the second of two workers took longer over its shards of 784 × 10 than the
 * first, and both waited.
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
  /** Whether a BLAS computes the products: training is always parameter-sharded then. */
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
  const dataParallel = planStep(batch, planShardRows(batch));
  const partialsBytes = parametersInStripsLength({ features, classes }) * 4 * dataParallel.shards;
  const by = blas || partialsBytes > PARTIALS_BYTES ? 'parameter-sharded' : 'data-parallel';
  const fullStep =
    by === 'data-parallel' ? dataParallel : planStep(batch, tilesShardRows(dataParallel.shardRows, blas));
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
      by === 'data-parallel'
        ? planTrainingTile({ features, classes })
        : planDifferentiatedRows({ features, classes }, shardRows, blas),
    sliceLength: SLICE_LENGTH,
    chunkRows: Math.max(1, Math.min(chunkShards, fullStep.shards)) * shardRows,
    ...(blas ? planBlasTiles(features, classes) : planTiles(features)),
  };
}

/** Inputs of a step of a full-batch pass, which has to fit twice where rows pass through the arena. */
const FULL_BATCH_STEP_BYTES = 64 * 1024 * 1024;
const FULL_BATCH_STEP_ROWS = 2 ** 20;
const FULL_BATCH_ROWS_MULTIPLE = 1024;
/** Half a step: smaller branches would have more threads wait at the ends of steps than their sums are worth. */
const LEAST_BRANCH_BYTES = FULL_BATCH_STEP_BYTES / 2;
const MOST_BRANCHES = 1024;
/** Of the sums of branches that one process holds at a time: one more than the tree is high. */
const BRANCH_SUMS_BYTES = 256 * 1024 * 1024;

/** A pass over all rows: an epoch whose steps' gradients are added up, of each branch in order, of branches along a tree. */
export interface FullBatchPlan extends TrainingPlan {
  readonly branches: number;
  readonly stepsABranch: number;
}

/** Branches are what processes that work together share: a function of the shape alone, like all of a plan. */
export function planFullBatch(shape: Omit<TrainingShape, 'batchSize'>): FullBatchPlan {
  const { rows, features } = shape;
  const rowBytes = tileStride(features) * 4;
  const fitting = wholeRows(Math.floor, FULL_BATCH_STEP_BYTES / rowBytes);
  const mostRows = Math.max(FULL_BATCH_ROWS_MULTIPLE, Math.min(FULL_BATCH_STEP_ROWS, fitting));
  const rowsABranch = Math.ceil(rows / wantedBranches(shape, rows * rowBytes));
  const stepsABranch = Math.ceil(rowsABranch / mostRows);
  const batchSize = Math.min(mostRows, wholeRows(Math.ceil, rowsABranch / stepsABranch));
  const plan = planTraining({ ...shape, batchSize });
  return { ...plan, stepsABranch, branches: Math.ceil(plan.stepsAnEpoch / stepsABranch) };
}

const wholeRows = (round: (value: number) => number, rows: number): number =>
  round(rows / FULL_BATCH_ROWS_MULTIPLE) * FULL_BATCH_ROWS_MULTIPLE;

/** A power of two, which powers of two of processes share evenly. */
function wantedBranches({ features, classes }: LinearShape, bytes: number): number {
  const sumBytes = (features + 1) * classes * 8;
  let branches = 1;
  let sums = 2;
  while (
    2 * branches <= Math.min(MOST_BRANCHES, bytes / LEAST_BRANCH_BYTES) &&
    sums * sumBytes <= BRANCH_SUMS_BYTES
  ) {
    branches *= 2;
    sums++;
  }
  return branches;
}

function planTiles(features: number) {
  const panelsATile = features > FEATURES_A_TILE ? PANELS_A_TILE : PANELS_A_TILE_OF_ALL_FEATURES;
  return { panelsATile, featuresATile: equalParts(features, FEATURES_A_TILE) };
}

/** Shards of a chunk: enough for many threads to share evenly, and in cache together if possible. */
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

/** Rows that are differentiated at a time in parameter-sharded training, with the scratch of parameter-sharded.ts. */
function planDifferentiatedRows(shape: LinearShape, shardRows: number, blas: boolean): TilePlan {
  const rows = Math.min(shardRows, blas ? planBlasTile(shape).rows : CACHED_ROWS);
  const productBytes = blas ? 0 : linearScratchBytes(shape.classes);
  return { rows, scratchBytes: aligned(productBytes + rows * 4) };
}

/** More shards for larger steps, up to MAX_SHARDS: partials cost memory traffic. */
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

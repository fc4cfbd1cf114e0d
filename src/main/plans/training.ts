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

/** Partial gradients of all shards together may take this much; with more, the gradient is cut into tiles. */
const PARTIALS_BYTES = 8 * 1024 * 1024;
/** Logits (and for a BLAS inputs) that training by tiles holds at a time. */
const CHUNK_BYTES = 64 * 1024 * 1024;
/** For a BLAS better fewer, where they are enough shards: 8192 × 768 × 1000 takes 3 % less while a chunk stays in L3. */
const BLAS_CHUNK_BYTES = 16 * 1024 * 1024;
const BLAS_CHUNK_SHARDS = 16;
/**
 * A gradient tile, at most: 32 panels of 8 classes × 192 features are 192 KiB, which stay in a core's cache beside what is
 * added to them. Larger ones would read inputs and the logits' gradient less often, but leave many threads without work; 16 ×
 * 384 packed the inputs, which cost more than the logits' gradient, twice as often: a step of 8192 × 768 × 1000 is 1.00
 * to 1.04 times as fast so (bench/versions.ts).
 */
const PANELS_A_TILE = 32;
const FEATURES_A_TILE = 192;
/** Where all features are one part: packing the inputs half as often is worth less than twice as many tiles. */
const PANELS_A_TILE_OF_ALL_FEATURES = 16;
/** All blocks of lines are whole then, and so are sums of SUM_ROWS. */
const TILES_SHARD_MULTIPLE = SUM_ROWS;
/** A gradient tile of a BLAS, where there are tiles for many threads: smaller ones take it longer to prepare. */
const BLAS_CLASSES_A_TILE = 256;
const BLAS_FEATURES_A_TILE = 208;
const BLAS_FEWEST_FEATURES_A_TILE = 32;
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
  readonly by: 'data-parallel' | 'parameter-sharded';
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
  const by = blas || partialsBytes > PARTIALS_BYTES ? 'parameter-sharded' : 'data-parallel';
  const fullStep =
    by === 'data-parallel' ? byPartials : planStep(batch, tilesShardRows(byPartials.shardRows, blas));
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

function planTiles(features: number) {
  const panelsATile = features > FEATURES_A_TILE ? PANELS_A_TILE : PANELS_A_TILE_OF_ALL_FEATURES;
  return { panelsATile, featuresATile: equalParts(features, FEATURES_A_TILE) };
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

/** Rows that are differentiated at a time when training by tiles of the gradient; see train-products.ts on the scratch. */
function planDifferentiatedRows(shape: LinearShape, shardRows: number, blas: boolean): TilePlan {
  const rows = Math.min(shardRows, blas ? planBlasTile(shape).rows : CACHED_ROWS);
  const productBytes = blas ? 0 : linearScratchBytes(shape.classes);
  return { rows, scratchBytes: aligned(productBytes + rows * 4) };
}

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

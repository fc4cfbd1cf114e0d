// How the loss over a linear layer is cut up, and what its workspace holds.
import {
  BLOCK_FEATURES,
  BLOCK_ROWS,
  blockColumns,
  blockScratchBytes,
  classBlocks,
  DEPTH_BLOCK,
  paddedClasses,
  SUM_ROWS,
} from '../../kernels/layout.js';
import { LOSS_CALL_BYTES, lossScratchBytes } from '../../kernels/loss-layout.js';
import { LOSS_SHARD_ROWS } from '../../workers/protocol.js';
import { aligned, equalParts } from './parts.js';
import { BLAS_TILES } from './tiles.js';

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
  /** Whether gradWeights is wanted and rows are ignored, whose inputs it must not see. */
  readonly hides: boolean;
  /** Which operands are of a half type. */
  readonly halfInputs: boolean;
  readonly halfWeights: boolean;
  readonly halfBias: boolean;
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
  /** What gradWeights reads in the place of ignored rows (HiddenInputs): addresses or, for a BLAS, rows; and a row of zeros. */
  readonly shownBytes: number;
  readonly zeroRowBytes: number;
  /** A chunk's inputs, and the bias, as float32 where they are of a half type. */
  readonly inputsBytes: number;
  readonly biasBytes: number;
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
  const columns = blasColumns(classes);
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

function blasColumns(classes: number): number {
  const wanted = Math.ceil(classes / BLAS_TILES / 16) * 16;
  return Math.max(BLAS_FEWEST_COLUMNS, Math.min(BLAS_MOST_COLUMNS, wanted));
}

/** One chunk of the fewest rows, and one worker. */
export const leastLinearLossBytes = (shape: LinearLossShape): number =>
  linearLossWorkspace(shape, SUM_ROWS, 1).bytes;

const lossTileRows = (classes: number): number =>
  Math.max(1, Math.min(LOSS_SHARD_ROWS, Math.floor(LOSS_TILE_ELEMENTS / classes)));

function linearLossWorkspace(
  shape: LinearLossShape,
  chunkRows: number,
  members: number,
): LinearLossWorkspace {
  const { features, classes, general, blas, hides, halfInputs, halfWeights, halfBias } = shape;
  const tileBytes = Math.ceil((lossTileRows(classes) * classes * 4) / 16) * 16;
  const lossBytes = general ? lossScratchBytes(classes, 4) : 0;
  // A BLAS's weights of a half type are widened there: a tile of shareForBlas.
  const weightsBytes = halfWeights ? equalParts(features, BLAS_FEATURES) * blasColumns(classes) * 4 : 0;
  const scratchBytes = aligned(
    blas
      ? Math.max(1, lossBytes, weightsBytes)
      : Math.max(blockScratchBytes(features, classes), tileBytes + lossBytes),
  );
  const rowElements = blas ? paddedClasses(classes) : classBlocks(classes) * blockColumns(classes);
  const logitsBytes = aligned(chunkRows * rowElements * 4);
  const tableBytes = aligned(chunkRows * 4);
  const sumsBytes = aligned((chunkRows / LOSS_SHARD_ROWS) * 16);
  const totalsBytes = aligned(16);
  const callBytes = aligned(LOSS_CALL_BYTES);
  const shownBytes = !hides ? 0 : blas ? aligned(chunkRows * features * 4) : tableBytes;
  const zeroRowBytes = hides && !blas ? aligned(features * 4) : 0;
  const inputsBytes = halfInputs ? aligned(chunkRows * features * 4) : 0;
  const biasBytes = halfBias ? aligned(classes * 4) : 0;
  const bytes =
    logitsBytes +
    2 * tableBytes +
    sumsBytes +
    totalsBytes +
    callBytes +
    shownBytes +
    zeroRowBytes +
    inputsBytes +
    biasBytes +
    members * scratchBytes;
  return {
    logitsBytes,
    tableBytes,
    sumsBytes,
    totalsBytes,
    callBytes,
    shownBytes,
    zeroRowBytes,
    inputsBytes,
    biasBytes,
    scratchBytes,
    bytes,
  };
}

// Tiles of rows of a linear model, from inputs to logits: for the kernels and for a BLAS, and which of the two it is.
import { tileStride } from '../../kernels/layout.js';
import { NULL_PTR } from '../../kernels/ptr.js';
import { type LinearShape, tileScratch } from '../../kernels/strips.js';
import { aligned } from './parts.js';

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
  return { rows, scratchBytes: aligned(tileScratch(NULL_PTR, rows, shape).end) };
}

/** A training step of 1024 × 784 takes a BLAS as long as the kernels with 48 classes, 0.7 of it with 64. */
const BLAS_MIN_CLASSES = 64;

/** What computes large matrix products; undefined: the kernels. */
interface WithBlas {
  readonly blas: object | undefined;
}

/** Whether a BLAS computes the products of a layer of this many classes. */
export const usesBlas = ({ blas }: WithBlas, { classes }: Pick<LinearShape, 'classes'>): boolean =>
  blas !== undefined && classes >= BLAS_MIN_CLASSES;

/** For prediction with what computes the products. */
export const tileOf = (engine: WithBlas, shape: LinearShape): TilePlan =>
  usesBlas(engine, shape) ? planBlasTile(shape) : planTile(shape);

/** Rows whose logits one call of a BLAS computes: with 64 of 1000 classes it is 4 % slower, with 16 a quarter. */
export const BLAS_TILE_ROWS = 128;
/** The most elements of a tile's logits, or of its inputs. */
const BLAS_TILE_ELEMENTS = 2 * 1024 * 1024;

export function planBlasTile(shape: LinearShape): TilePlan {
  const longest = Math.max(tileStride(shape.features), shape.classes);
  const rows = Math.max(1, Math.min(BLAS_TILE_ROWS, Math.floor(BLAS_TILE_ELEMENTS / longest)));
  return { rows, scratchBytes: aligned(tileScratch(NULL_PTR, rows, shape).end) };
}

/** Gradient tiles, or blocks of classes, that a BLAS's work is cut into where shapes allow it: enough for many threads. */
export const BLAS_TILES = 16;

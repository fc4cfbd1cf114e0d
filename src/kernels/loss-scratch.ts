// The layout of a worker's scratch memory for rows of any type and axis.

import { ALIGNMENT_BYTES } from './layout.js';
import { LOSS_CALL_BYTES, lossScratchBytes, TYPE_FLOAT64 } from './loss-layout.js';
import { alignUp, offsetBy, type Ptr } from './ptr.js';

/** Bytes of an element of the compute type: float64 for float64, else float32. */
export const computeBytes = (type: number): number => (type === TYPE_FLOAT64 ? 8 : 4);

export interface TileShape {
  readonly columns: number;
  readonly tileRows: number;
  /** TYPE_… of loss-layout.ts. */
  readonly type: number;
}

export interface LossScratch {
  /** What lossRows asks for. */
  readonly row: Ptr;
  /** Logits and their gradient, [tileRows × columns]. */
  readonly tile: Ptr;
  readonly softTargets: Ptr;
  readonly mask: Ptr;
  readonly end: Ptr;
}

/** Scratch of the row-loss kernels, then tiles for operands that are not in the form they take. */
export interface RowLossScratch {
  readonly rows: Ptr;
  /** Outputs and their gradient, [tileRows × columns]. */
  readonly outputs: Ptr;
  /** Of the same shape: targets or a teacher. */
  readonly dense: Ptr;
  readonly weights: Ptr;
  readonly end: Ptr;
}

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

export function lossScratch(scratch: Ptr, { columns, tileRows, type }: TileShape): LossScratch {
  const elementBytes = computeBytes(type);
  const tileBytes = align(tileRows * columns * elementBytes);
  const tile = offsetBy(scratch, align(lossScratchBytes(columns, elementBytes)));
  const softTargets = offsetBy(tile, tileBytes);
  const mask = offsetBy(softTargets, tileBytes);
  return { row: scratch, tile, softTargets, mask, end: offsetBy(mask, tileRows * columns) };
}

/** What lossRowsAt needs besides a tile of a linear model's logits. */
export interface TileLossScratch {
  /** A worker's own copy of the block of loss-layout.ts. */
  readonly call: Ptr;
  /** Float64 [2]. */
  readonly sums: Ptr;
  readonly row: Ptr;
  readonly end: Ptr;
}

/** `call` and `end` are aligned to cache lines: workers share none. */
export function tileLossScratch(call: Ptr, classes: number): TileLossScratch {
  const sums = alignUp(offsetBy(call, LOSS_CALL_BYTES), 16);
  const row = offsetBy(sums, 16);
  const end = offsetBy(row, lossScratchBytes(classes, 4));
  return { call, sums, row, end: alignUp(end, ALIGNMENT_BYTES) };
}

/** Bytes of one row of scratch: a multiple of four columns. */
export const scratchRowBytes = (columns: number, type: number): number =>
  Math.ceil(columns / 4) * 4 * computeBytes(type);

export function rowLossScratch(
  scratch: Ptr,
  { columns, tileRows, type }: TileShape,
  scratchRows: number,
): RowLossScratch {
  const tileBytes = align(tileRows * columns * computeBytes(type));
  const outputs = offsetBy(scratch, scratchRows * scratchRowBytes(columns, type));
  const dense = offsetBy(outputs, tileBytes);
  const weights = offsetBy(dense, tileBytes);
  return { rows: scratch, outputs, dense, weights, end: offsetBy(weights, tileBytes) };
}

// How a worker's scratch memory for rows of any type and axis is laid out.
import type { Ptr } from './kernels.js';
import { lossScratchBytes, TYPE_FLOAT64 } from './loss-layout.js';

/** Bytes of an element of what is computed in: float64 for float64, else float32. */
export const computeBytes = (type: number): number => (type === TYPE_FLOAT64 ? 8 : 4);

interface TileShape {
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

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

export function lossScratch(scratch: Ptr, { columns, tileRows, type }: TileShape): LossScratch {
  const elementBytes = computeBytes(type);
  const tileBytes = align(tileRows * columns * elementBytes);
  const tile = scratch + align(lossScratchBytes(columns, elementBytes));
  const softTargets = tile + tileBytes;
  const mask = softTargets + tileBytes;
  return { row: scratch, tile, softTargets, mask, end: mask + tileRows * columns };
}

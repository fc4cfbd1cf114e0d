// Inputs and bias of a linear layer in a half type, made float32 a chunk of rows at a time, so that products see float32 only.

import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { offsetBy, type Ptr } from '../../kernels/ptr.js';
import type { HalfArray } from '../protocol.js';
import { type Chunk, claim, type LinearWorker } from './linear-chunk.js';

const TILE_ROWS = 8;

/** The chunk's inputs to task.inputs, and with each chunk anew the bias to task.bias. */
export function widenHalves(worker: LinearWorker, { rowBegin, rows }: Chunk): void {
  const { kernels, task } = worker;
  const { features, classes, inputs, bias, halfInputs, halfBias } = task;
  const widen = (to: Ptr, { ptr, type }: HalfArray, row: number, count: number, columns: number) =>
    kernels.loadTile(to, ptr, type, row, count, columns, 1);
  const inputsTiles = halfInputs === undefined ? 0 : Math.ceil(rows / TILE_ROWS);
  const biasTiles = halfBias === undefined ? 0 : 1;
  claim(worker, inputsTiles + biasTiles, (tile) => {
    if (halfInputs !== undefined && tile < inputsTiles) {
      const row = tile * TILE_ROWS;
      const to = offsetBy(inputs, row * features * FLOAT32_BYTES);
      widen(to, halfInputs, rowBegin + row, Math.min(TILE_ROWS, rows - row), features);
    } else if (halfBias !== undefined) widen(bias, halfBias, 0, 1, classes);
  });
}

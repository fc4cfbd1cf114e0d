// Ignored rows have a gradient of 0, but 0 · NaN would spoil gradWeights where their inputs are not finite: it takes them
// for rows of zeros.

import { FLOAT32_BYTES } from '../../kernels/layout.js';
import type { LinearLossTask } from '../protocol.js';
import { isIgnored, type RowRange } from '../rows/cross-entropy.js';
import type { Chunk } from './linear-chunk.js';

/** Prepares rows [begin, end) of the chunk, if rows are to be hidden at all. */
export function hideIgnored(
  task: LinearLossTask,
  { rowBegin, inputsBegin }: Chunk,
  { begin, end }: RowRange,
): void {
  const { buffer, targets, classes, features, inputs, blas, ignore, hidden } = task;
  if (ignore === undefined || hidden === undefined) return;
  const classOf = new Int32Array(buffer, targets, task.rows);
  if (blas) {
    const floats = new Float32Array(buffer);
    for (let row = begin; row < end; row++) {
      const to = hidden.shown / FLOAT32_BYTES + row * features;
      const from = inputs / FLOAT32_BYTES + (inputsBegin + row) * features;
      if (isIgnored(classOf[rowBegin + row]!, classes, ignore)) floats.fill(0, to, to + features);
      else floats.copyWithin(to, from, from + features);
    }
    return;
  }
  const addresses = new Uint32Array(buffer, hidden.shown, end);
  // Kernels add it to every address; what is below 0 wraps around and comes back.
  const beginBytes = inputsBegin * features * FLOAT32_BYTES;
  for (let row = begin; row < end; row++) {
    const hides = isIgnored(classOf[rowBegin + row]!, classes, ignore);
    addresses[row] = hides ? hidden.zeroRow - beginBytes : inputs + row * features * FLOAT32_BYTES;
  }
}

// Shapes that meet every remainder of the linear kernels, and the layout of their parameters, written out plainly.

import { linearScratchBytes, paddedClasses, panelWidth } from '#softshard/kernels/layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { Grid } from '../rows/grid.js';
import { randomValues, type Workbench } from '../workbench.js';

export const CLASS_COUNTS: readonly number[] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 33, 100, 137,
];
export const FEATURE_COUNTS: readonly number[] = [1, 2, 3, 5, 8, 15, 17, 64, 785, 1025];
export const ROW_COUNTS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 31, 48, 300];
export const MOST_ROWS = 300;

/** Where element (feature, column) lies in panels. */
export function packedIndex(feature: number, column: number, features: number, classes: number): number {
  const width = panelWidth(classes);
  const panel = Math.floor(column / width);
  return (panel * features + feature) * width + (column % width);
}

/** weights [features × classes] in panels, zeros in the padding. */
export function pack(weights: ArrayLike<number>, features: number, classes: number): Float32Array {
  const packed = new Float32Array(features * paddedClasses(classes));
  for (let feature = 0; feature < features; feature++) {
    for (let column = 0; column < classes; column++) {
      packed[packedIndex(feature, column, features, classes)] = weights[feature * classes + column]!;
    }
  }
  return packed;
}

/** The reverse of pack. */
export function unpack(packed: Float32Array, features: number, classes: number): Float32Array {
  return Float32Array.from({ length: features * classes }, (_, i) => {
    return packed[packedIndex(Math.floor(i / classes), i % classes, features, classes)]!;
  });
}

/** values, and `padding` up to the padded number of classes. */
export function padded(values: Float32Array, classes: number, padding = 0): Float32Array {
  const result = new Float32Array(paddedClasses(classes)).fill(padding);
  result.set(values);
  return result;
}

/** length values between guards, `offsetBytes` past a 16-byte boundary. */
export function guarded(bench: Workbench, values: Float32Array, offsetBytes = 0): Grid {
  return new Grid(bench, 1, values.length, values.length, offsetBytes).fill(values);
}

/** Reproducible, each of [0, length) once. */
export function shuffledIndices(length: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  const random = randomValues(length, 0.5, seed);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor((random[i]! + 0.5) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The addresses of rows `rows` of inputs, as gatherRows is asked for them. */
export function rowTable(bench: Workbench, inputs: Ptr, rows: Uint32Array, features: number): Ptr {
  const indices = bench.allocate(rows.length * 4);
  bench.uint32(indices, rows.length).set(rows);
  const rowPtrs = bench.allocate(rows.length * 4);
  bench.kernels.gatherRows(rowPtrs, NULL_PTR, inputs, NULL_PTR, indices, 0, rows.length, features);
  return rowPtrs;
}

/** Scratch of linearForward and linearBackward that nothing may be written beyond. */
export function productScratch(bench: Workbench, classes: number): Grid {
  return new Grid(bench, 1, linearScratchBytes(classes) / 4);
}

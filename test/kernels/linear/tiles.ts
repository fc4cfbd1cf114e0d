// Tiles of inputs, and parameters in strips, written out plainly for the tests of tile-products.ts and input-tile.ts.

import { INPUTS_FLOAT32, tileStride } from '#softshard/kernels/layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { Grid } from '../rows/grid.js';
import type { Workbench } from '../workbench.js';

/** Where weight (feature, column) lies in strips of at most five classes, equal but for the first ones. */
export function stripIndex(feature: number, column: number, features: number, classes: number): number {
  const paddedFeatures = Math.ceil(features / 8) * 8;
  const strips = Math.ceil(classes / 5);
  let first = 0;
  for (let strip = 0; strip < strips; strip++) {
    const width = Math.ceil((classes - first) / (strips - strip));
    if (column < first + width) {
      const group = Math.floor(feature / 8);
      return first * paddedFeatures + (group * width + column - first) * 8 + (feature % 8);
    }
    first += width;
  }
  throw new RangeError(`column ${column} of ${classes}`);
}

/** weights [features × classes] in strips, zeros where a group has fewer features. */
export function inStrips(weights: ArrayLike<number>, features: number, classes: number): Float32Array {
  const strips = new Float32Array(Math.ceil(features / 8) * 8 * classes);
  for (let feature = 0; feature < features; feature++) {
    for (let column = 0; column < classes; column++) {
      strips[stripIndex(feature, column, features, classes)] = weights[feature * classes + column]!;
    }
  }
  return strips;
}

/** The reverse of inStrips. */
export function outOfStrips(strips: ArrayLike<number>, features: number, classes: number): Float32Array {
  return Float32Array.from({ length: features * classes }, (_, i) => {
    return strips[stripIndex(Math.floor(i / classes), i % classes, features, classes)]!;
  });
}

/** A tile of the rows of float32 inputs. */
export function tileOf(bench: Workbench, inputs: Ptr, rows: Uint32Array, features: number): Ptr {
  const tile = new Grid(bench, rows.length, tileStride(features));
  const indices = bench.allocate(rows.length * 4);
  bench.uint32(indices, rows.length).set(rows);
  bench.kernels.gatherInputs(
    tile.ptr,
    NULL_PTR,
    inputs,
    INPUTS_FLOAT32,
    NULL_PTR,
    NULL_PTR,
    indices,
    0,
    rows.length,
    features,
  );
  tile.checkGuards();
  return tile.ptr;
}

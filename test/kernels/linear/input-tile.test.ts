// gatherInputs: the rows it is asked for, bit for bit, zeros beyond their features, and nothing else written.

import { describe, expect, test } from 'vitest';
import {
  INPUTS_BYTES,
  INPUTS_BYTES_BY_FEATURE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  tileStride,
} from '#softshard/kernels/layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { expectSameBits, Grid } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { shuffledIndices } from './shapes.js';

const ALL_ROWS = 80;
const FEATURE_COUNTS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 100, 784, 1024] as const;
const ROW_COUNTS = [1, 2, 7, 8, 9, 31, 64] as const;

test('rows of a tile are an odd number of cache lines apart: their features meet all sets of the L1 cache', () => {
  for (let features = 1; features <= 5000; features++) {
    const stride = tileStride(features);
    const wrong = stride < features || stride % 16 !== 0 || (stride / 16) % 2 === 0 || stride > features + 31;
    if (wrong) throw new Error(`${features} features: rows ${stride} elements apart`);
  }
});

describe.each(builds)('gatherInputs (%s)', (numerics) => {
  const bench = new Workbench(numerics, 256);

  /** Gathers in every number of rows, shuffled and in sequence, and compares with expected[row * features + feature]. */
  function expectTiles(
    place: { readonly inputs: Ptr; readonly type: number; readonly scaling: Ptr },
    features: number,
    expected: Float32Array,
  ): void {
    const targets = Int32Array.from({ length: ALL_ROWS }, (_, i) => 1000 + i);
    const indices = shuffledIndices(ALL_ROWS, features);
    const targetsPtr = bench.putInt32(targets);
    const indicesPtr = bench.putInt32(Int32Array.from(indices));
    const stride = tileStride(features);
    for (const rows of ROW_COUNTS) {
      const rowBegin = ALL_ROWS - rows - (rows % 3);
      for (const shuffled of [false, true]) {
        const tile = new Grid(bench, rows, stride);
        const tileTargets = new Grid(bench, 1, rows);
        bench.kernels.gatherInputs(
          tile.ptr,
          tileTargets.ptr,
          place.inputs,
          place.type,
          place.scaling,
          targetsPtr,
          shuffled ? indicesPtr : NULL_PTR,
          rowBegin,
          rows,
          features,
        );
        tile.checkGuards();
        tileTargets.checkGuards();
        const wanted = new Float32Array(rows * stride);
        const order = Array.from({ length: rows }, (_, i) =>
          shuffled ? indices[rowBegin + i]! : rowBegin + i,
        );
        for (const [i, row] of order.entries()) {
          wanted.set(expected.subarray(row * features, (row + 1) * features), i * stride);
        }
        const what = `${rows} rows of ${features} features${shuffled ? ', shuffled' : ''}`;
        expectSameBits(tile.bits(), new Uint32Array(wanted.buffer), what);
        expectSameBits(
          tileTargets.bits(),
          Uint32Array.from(order, (row) => 1000 + row),
          `targets, ${what}`,
        );
      }
    }
  }

  const bytesOf = (length: number): Uint8Array =>
    Uint8Array.from(randomValues(length, 128, length), (value) => value + 128);
  const putBytes = (values: Uint8Array): Ptr => {
    const ptr = bench.allocate(values.length, 1);
    bench.bytes(ptr, values.length).set(values);
    return ptr;
  };

  test.each(FEATURE_COUNTS)('%i float32 features keep their bits, NaN and infinities too', (features) => {
    bench.reset();
    const inputs = randomValues(ALL_ROWS * features, 2, features);
    inputs.set([Number.NaN, Number.NEGATIVE_INFINITY, -0].slice(0, features), ALL_ROWS - 1);
    const place = { inputs: bench.putFloat32(inputs, 4), type: INPUTS_FLOAT32, scaling: NULL_PTR };
    expectTiles(place, features, inputs);
  });

  test.each(FEATURE_COUNTS)('%i bytes become (byte - shift) · scale, each rounded to float32', (features) => {
    bench.reset();
    const inputs = bytesOf(ALL_ROWS * features);
    const scale = Math.fround(1 / 255);
    for (const shift of [0, Math.fround(0.7)]) {
      const expected = Float32Array.from(inputs, (byte) => Math.fround(byte - shift) * scale);
      const scaling = bench.putFloat32([shift, scale], 8);
      expectTiles({ inputs: putBytes(inputs), type: INPUTS_BYTES, scaling }, features, expected);
    }
  });

  /** A shift and a scale for each feature, and what becomes of inputs with them. */
  function scaledByFeature(inputs: Float32Array | Uint8Array, features: number) {
    const stride = tileStride(features);
    const shifts = randomValues(features, 3, 1);
    const scales = randomValues(features, 1, 2);
    const table = new Float32Array(2 * stride);
    table.set(shifts);
    table.set(scales, stride);
    const expected = Float32Array.from(
      inputs,
      (value, i) => Math.fround(value - shifts[i % features]!) * scales[i % features]!,
    );
    return { scaling: bench.putFloat32(table, 4), expected };
  }

  test.each(FEATURE_COUNTS)('%i bytes with a shift and a scale for each feature', (features) => {
    bench.reset();
    const inputs = bytesOf(ALL_ROWS * features);
    const { scaling, expected } = scaledByFeature(inputs, features);
    expectTiles({ inputs: putBytes(inputs), type: INPUTS_BYTES_BY_FEATURE, scaling }, features, expected);
  });

  test.each(FEATURE_COUNTS)(
    '%i float32 features become (x - shift) · scale, each rounded to float32',
    (features) => {
      bench.reset();
      const inputs = randomValues(ALL_ROWS * features, 1e3, features);
      inputs.set([Number.POSITIVE_INFINITY, 3e38, 1e-40].slice(0, features), ALL_ROWS - 1);
      const { scaling, expected } = scaledByFeature(inputs, features);
      const place = { inputs: bench.putFloat32(inputs, 4), type: INPUTS_SCALED_FLOAT32, scaling };
      expectTiles(place, features, expected);
    },
  );

  test('without targets none are written', () => {
    bench.reset();
    const inputs = bench.putFloat32(randomValues(6, 1, 1));
    const tile = new Grid(bench, 2, tileStride(3));
    const untouched = new Grid(bench, 1, 4).fill(Float32Array.of(1, 2, 3, 4));
    bench.kernels.gatherInputs(
      tile.ptr,
      untouched.ptr,
      inputs,
      INPUTS_FLOAT32,
      NULL_PTR,
      NULL_PTR,
      NULL_PTR,
      0,
      2,
      3,
    );
    expect([...untouched.row(0)]).toEqual([1, 2, 3, 4]);
  });
});

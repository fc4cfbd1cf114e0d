// trainTile against its parts bit for bit, against finite differences of the float64 loss, and on bad targets.

import { describe, expect, test } from 'vitest';
import {
  paddedClasses,
  panelWidth,
  STATUS_OK,
  TILE_ROWS,
  tileScratchBytes,
} from '#softshard/kernels/layout.js';
import { expectSameBits, expectWithin } from '../rows/grid.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { scaledLoss } from './oracle.js';
import { guarded, pack, padded, productScratch, shuffledIndices, unpack } from './shapes.js';

const SCALE = 1 / 64;
const ALL_ROWS = 100;

describe.each(builds)('trainTile (%s)', (numerics) => {
  const bench = new Workbench(numerics, 256);
  const { kernels } = bench;

  function setUp(features: number, classes: number) {
    bench.reset();
    const inputs = randomValues(ALL_ROWS * features, 2, features);
    const targets = randomTargets(ALL_ROWS, classes, classes);
    const weights = randomValues(features * classes, 0.5, classes + 1);
    const bias = randomValues(classes, 1, classes + 2);
    const stride = paddedClasses(classes);
    const indices = shuffledIndices(ALL_ROWS, 5);
    const place = {
      inputs: bench.putFloat32(inputs, 4),
      targets: bench.putInt32(targets),
      indices: bench.putInt32(Int32Array.from(indices)),
      weights: bench.putFloat32(pack(weights, features, classes), 8),
      bias: bench.putFloat32(padded(bias, classes), 12),
      lossSum: bench.float64Cell(),
    };
    const gradWeights = guarded(bench, new Float32Array(features * stride), 4);
    const gradBias = guarded(bench, new Float32Array(stride), 8);
    const scratch = guarded(bench, new Float32Array(tileScratchBytes(classes) / 4));
    const run = (indicesPtr: number, rowBegin: number, rows: number): number => {
      const status = kernels.trainTile(
        gradWeights.ptr,
        gradBias.ptr,
        place.lossSum.ptr,
        place.inputs,
        place.targets,
        indicesPtr,
        rowBegin,
        rows,
        place.weights,
        place.bias,
        features,
        classes,
        SCALE,
        scratch.ptr,
      );
      for (const grid of [gradWeights, gradBias, scratch]) grid.checkGuards();
      return status;
    };
    return { inputs, targets, weights, bias, stride, indices, place, gradWeights, gradBias, run };
  }

  /** The order in which a tile's rows are taken. */
  function tileOrder(rows: number, features: number): number[] {
    const inSequence = Array.from({ length: rows }, (_, i) => i);
    if (features % 1024 !== 0) return inSequence;
    const triangular = Array.from({ length: 64 }, (_, i) => ((i * (i + 1)) / 2) % 64);
    return triangular.filter((row) => row < rows);
  }

  const SHAPES = [1, 2, 4, 5, 8, 10, 12, 17, 100].flatMap((classes) =>
    [1, 5, 64, 785, 1024].map((features) => [features, classes] as const),
  );

  test.each(SHAPES)(
    '%i × %i: the bits of forward, gradient, backward and column sums, 1 to 48 rows',
    (features, classes) => {
      const at = setUp(features, classes);
      const { stride, place } = at;
      const zeros = new Float32Array(features * stride);
      for (const rows of [1, 2, 5, 11, 24, 31, TILE_ROWS]) {
        for (const shuffled of [false, true]) {
          const rowBegin = rows % 3;
          at.gradWeights.fill(zeros);
          at.gradBias.fill(zeros.subarray(0, stride));
          const before = place.lossSum.read();
          expect(at.run(shuffled ? place.indices : 0, rowBegin, rows)).toBe(STATUS_OK);
          const loss = place.lossSum.read();

          const order = tileOrder(rows, features).map((i) =>
            shuffled ? at.indices[rowBegin + i]! : rowBegin + i,
          );
          const orderPtr = bench.putInt32(order);
          const [rowPtrs, tileTargets] = [bench.allocate(rows * 4), bench.allocate(rows * 4)];
          const logits = bench.allocate(rows * stride * 4);
          const lossSum = bench.float64Cell();
          bench.uint32(lossSum.ptr, 2).set(new Uint32Array(new Float64Array([before]).buffer));
          const gradWeights = bench.putFloat32(zeros);
          const gradBias = bench.putFloat32(zeros.subarray(0, stride));
          kernels.gatherRows(rowPtrs, tileTargets, place.inputs, place.targets, orderPtr, 0, rows, features);
          const products = productScratch(bench, classes).ptr;
          kernels.linearForward(
            logits,
            rowPtrs,
            place.weights,
            place.bias,
            rows,
            features,
            classes,
            products,
          );
          kernels.crossEntropyGradientRows(
            logits,
            0,
            lossSum.ptr,
            logits,
            tileTargets,
            rows,
            classes,
            stride,
            SCALE,
          );
          const panels = stride / panelWidth(classes);
          kernels.linearBackward(
            gradWeights,
            rowPtrs,
            logits,
            rows,
            features,
            classes,
            0,
            panels,
            0,
            features,
            products,
          );
          kernels.addColumnSums(gradBias, logits, rows, stride, 0, stride);

          expect(loss).toBe(lossSum.read());
          const what = `${rows} rows${shuffled ? ', shuffled' : ''}`;
          expectSameBits(
            at.gradWeights.bits(),
            bench.uint32(gradWeights, features * stride),
            `gradWeights, ${what}`,
          );
          expectSameBits(at.gradBias.bits(), bench.uint32(gradBias, stride), `gradBias, ${what}`);
        }
      }
    },
  );

  test.each([
    [5, 3],
    [7, 10],
    [3, 17],
    [4, 2],
  ])(
    '%i × %i: the loss within 1e-6 of float64, gradients within 1e-6 of its finite differences, summed over two tiles',
    (features, classes) => {
      const { inputs, targets, weights, bias, place, gradWeights, gradBias, run } = setUp(features, classes);
      expect(run(0, 0, 13)).toBe(STATUS_OK);
      expect(run(0, 13, 7)).toBe(STATUS_OK);
      const rows = 20;
      const lossAt = (w: ArrayLike<number>, b: ArrayLike<number>): number =>
        scaledLoss(inputs, targets.subarray(0, rows), w, b, SCALE);
      const loss = lossAt(weights, bias);
      expectWithin([place.lossSum.read() * SCALE], [loss], () => 1e-6 * loss, 'loss');

      const h = 1e-4;
      const difference = (at: number, values: Float32Array, of: (v: Float64Array) => number): number => {
        const up = Float64Array.from(values);
        const down = Float64Array.from(values);
        up[at]! += h;
        down[at]! -= h;
        return (of(up) - of(down)) / (2 * h);
      };
      expectWithin(
        unpack(gradWeights.row(0), features, classes),
        Float64Array.from(weights, (_, at) => difference(at, weights, (w) => lossAt(w, bias))),
        () => 1e-6,
        'gradWeights',
      );
      expectWithin(
        gradBias.row(0).subarray(0, classes),
        Float64Array.from(bias, (_, at) => difference(at, bias, (b) => lossAt(weights, b))),
        () => 1e-6,
        'gradBias',
      );
    },
  );

  test.each([
    [5, 10],
    [1024, 3],
  ])(
    '%i × %i: a bad target gives the first such row; gradients and loss keep their bits',
    (features, classes) => {
      const { targets, stride, indices, place, gradWeights, gradBias, run } = setUp(features, classes);
      const before = randomValues(features * stride, 1, 9);
      gradWeights.fill(before);
      gradBias.fill(before.subarray(0, stride));
      for (const bad of [classes, -1, 2 ** 31 - 1, -(2 ** 31)]) {
        for (const [first, second] of [
          [0, 47],
          [3, 4],
          [46, 47],
          [47, 47],
          [1, 3],
        ] as const) {
          for (const shuffled of [false, true]) {
            const wrong = targets.slice();
            for (const i of [first, second]) wrong[shuffled ? indices[2 + i]! : 2 + i] = bad;
            bench.int32(place.targets, ALL_ROWS).set(wrong);
            expect(run(shuffled ? place.indices : 0, 2, TILE_ROWS)).toBe(first);
          }
        }
      }
      expect(place.lossSum.read()).toBe(0);
      expectSameBits(gradWeights.bits(), new Uint32Array(before.buffer), 'gradWeights');
      expectSameBits(gradBias.bits(), new Uint32Array(before.buffer).subarray(0, stride), 'gradBias');
    },
  );
});

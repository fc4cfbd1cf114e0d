// tileForward and tileBackward against float64, which things an element's bits may depend on, and a whole training tile
// against finite differences of the loss.

import { describe, expect, test } from 'vitest';
import { FORWARD_SUMS_BYTES, INPUTS_FLOAT32, STATUS_OK, tileStride } from '#softshard/kernels/layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import {
  packStrips,
  parametersInStripsLength,
  stripsLength,
  unpackStrips,
} from '#softshard/kernels/strips.js';
import { expectSameBits, expectWithin, Grid } from '../rows/grid.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { addOuterProduct, forward, scaledLoss, startingFrom } from './oracle.js';
import { CLASS_COUNTS, FEATURE_COUNTS, guarded, shuffledIndices } from './shapes.js';
import { inStrips, outOfStrips, tileOf } from './tiles.js';

const BOUND = 5e-7;
const ROWS = 64;
const ROW_COUNTS = [1, 2, 3, 4, 5, 6, 7, 31, 64] as const;

const wordsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

test.each(CLASS_COUNTS)('%i classes: parameters into strips and back, and where each lies', (classes) => {
  for (const features of FEATURE_COUNTS) {
    const weights = randomValues(features * classes, 1, features);
    const bias = randomValues(classes, 1, classes);
    const shape = { features, classes };
    const strips = new Float32Array(parametersInStripsLength(shape)).fill(7);
    packStrips(strips, weights, bias, shape);
    const expected = Float32Array.from([...inStrips(weights, features, classes), ...bias]);
    expectSameBits(wordsOf(strips), wordsOf(expected), `${features} features in strips`);
    expect(stripsLength(shape)).toBe(strips.length - classes);
    const [weightsBack, biasBack] = [new Float32Array(weights.length), new Float32Array(classes)];
    unpackStrips(strips, weightsBack, biasBack, shape);
    expectSameBits(wordsOf(weightsBack), wordsOf(weights), `weights of ${features} features`);
    expectSameBits(wordsOf(biasBack), wordsOf(bias), `bias beside ${features} features`);
  }
});

describe.each(builds)('tile products (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  function setUp(features: number, classes: number, offsetBytes = 0) {
    bench.reset();
    const inputs = randomValues((ROWS + 1) * features, 2, features);
    const rows = shuffledIndices(ROWS + 1, classes).subarray(0, ROWS);
    const weights = randomValues(features * classes, 1, classes + 1);
    const bias = randomValues(classes, 1, classes + 2);
    const tile = tileOf(bench, bench.putFloat32(inputs), rows, features);
    const weightsPtr = bench.putFloat32(inStrips(weights, features, classes), offsetBytes);
    const biasPtr = bench.putFloat32(bias, (offsetBytes + 8) % 16);
    const tileAt = (row: number): Ptr => offsetBy(tile, row * tileStride(features) * 4);
    const sums = guarded(bench, new Float32Array(FORWARD_SUMS_BYTES / 4));
    const run = (begin: number, count: number): Grid => {
      const logits = new Grid(bench, count, classes, classes, (offsetBytes + 12) % 16);
      kernels.tileForward(logits.ptr, tileAt(begin), weightsPtr, biasPtr, count, features, classes, sums.ptr);
      logits.checkGuards();
      sums.checkGuards();
      return logits;
    };
    return { inputs, rows, weights, bias, tileAt, run };
  }

  test.each(CLASS_COUNTS)(
    `%i classes: logits within ${BOUND} of |b| + Σ |x · w| for 1 to 1025 features, 64 shuffled rows`,
    (classes) => {
      for (const features of FEATURE_COUNTS) {
        const { inputs, rows, weights, bias, run } = setUp(features, classes, (classes * 4) % 16);
        const logits = run(0, ROWS);
        const expected = forward(inputs, rows, weights, bias);
        expectWithin(
          new Float32Array(logits.bits().buffer),
          expected.values,
          (_, j) => BOUND * expected.magnitudes[j]!,
          `logits of ${features} × ${classes}`,
        );
      }
    },
  );

  test.each(CLASS_COUNTS)(
    '%i classes: the bits of a row do not depend on the rows it comes with',
    (classes) => {
      for (const features of FEATURE_COUNTS) {
        const { run } = setUp(features, classes);
        const all = run(0, ROWS).bits();
        for (const count of ROW_COUNTS) {
          for (const begin of new Set([0, ROWS - count])) {
            expectSameBits(
              run(begin, count).bits(),
              all.subarray(begin * classes, (begin + count) * classes),
              `rows from ${begin} of ${features} × ${classes}`,
            );
          }
        }
      }
    },
  );

  test.each(CLASS_COUNTS)(
    `%i classes: gradients within ${BOUND} of Σ |x · dz| for 1 to 1025 features, 1 to 64 rows, added or fresh`,
    (classes) => {
      for (const features of FEATURE_COUNTS) {
        const { inputs, rows, tileAt } = setUp(features, classes);
        const z = randomValues(ROWS * classes, 1, features + 3);
        const zPtr = bench.putFloat32(z, 4);
        const before = randomValues(features * classes, 1, 4);
        const biasBefore = randomValues(classes, 1, 5);
        for (const count of features > 100 ? [1, 5, 64] : ROW_COUNTS) {
          for (const fresh of [0, 1]) {
            const gradWeights = guarded(bench, inStrips(before, features, classes), 4);
            const gradBias = guarded(bench, biasBefore, 8);
            kernels.tileBackward(
              gradWeights.ptr,
              gradBias.ptr,
              tileAt(0),
              zPtr,
              count,
              features,
              classes,
              fresh,
            );
            gradWeights.checkGuards();
            gradBias.checkGuards();
            const sums = startingFrom(fresh ? new Float32Array(before.length) : before);
            const biasSums = startingFrom(fresh ? new Float32Array(classes) : biasBefore);
            for (let i = 0; i < count; i++) {
              const zRow = z.subarray(i * classes, (i + 1) * classes);
              const row = rows[i]!;
              addOuterProduct(sums, inputs.subarray(row * features, (row + 1) * features), zRow);
              addOuterProduct(biasSums, Float32Array.of(1), zRow);
            }
            const what = `${features} × ${classes}, ${count} rows${fresh ? ', fresh' : ''}`;
            const got = gradWeights.row(0);
            const within = (magnitudes: Float64Array) => (_: number, j: number) => BOUND * magnitudes[j]!;
            expectWithin(outOfStrips(got, features, classes), sums.values, within(sums.magnitudes), what);
            expectWithin(gradBias.row(0), biasSums.values, within(biasSums.magnitudes), `bias of ${what}`);
            // What stands for features beyond the last stays zero, whatever it is added to.
            const strays = got.length - features * classes;
            expect(got.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0)).toBeGreaterThanOrEqual(
              strays,
            );
          }
        }
      }
    },
  );

  if (numerics === 'portable') {
    test('exactly the bits of eight lanes of features, the lower four summed into the logit first', () => {
      const sum = (a: number, b: number): number => Math.fround(a + b);
      for (const classes of [1, 3, 8, 10, 17]) {
        for (const features of [1, 5, 8, 513, 784]) {
          const { inputs, rows, weights, bias, run } = setUp(features, classes);
          const logits = run(0, 7);
          for (let i = 0; i < 7; i++) {
            const expected = bias.map((b, column) => {
              const lanes = new Float32Array(8);
              for (let k = 0; k < features; k++) {
                const product = Math.fround(
                  inputs[rows[i]! * features + k]! * weights[k * classes + column]!,
                );
                lanes[k % 8] = lanes[k % 8]! + product;
              }
              const half = (j: number) =>
                sum(sum(lanes[j]!, lanes[j + 2]!), sum(lanes[j + 1]!, lanes[j + 3]!));
              return sum(sum(b, half(0)), half(4));
            });
            expect(Float32Array.from(logits.row(i)), `row ${i} of ${features} × ${classes}`).toEqual(
              expected,
            );
          }
        }
      }
    });
  }

  test.each([
    [5, 3],
    [7, 10],
    [3, 17],
    [4, 2],
  ])(
    '%i × %i: a tile from inputs to gradients, the loss within 1e-6 of float64, gradients within 1e-6 of its finite differences',
    (features, classes) => {
      bench.reset();
      const [rows, scale] = [20, 1 / 64];
      const inputs = randomValues(rows * features, 2, features);
      const targets = randomTargets(rows, classes, classes);
      const weights = randomValues(features * classes, 0.5, classes + 1);
      const bias = randomValues(classes, 1, classes + 2);
      const tile = bench.allocate(rows * tileStride(features) * 4);
      const tileTargets = bench.allocate(rows * 4);
      const logits = bench.allocate(rows * classes * 4);
      const lossSum = bench.float64Cell();
      const [inputsPtr, targetsPtr] = [bench.putFloat32(inputs), bench.putInt32(targets)];
      const weightsPtr = bench.putFloat32(inStrips(weights, features, classes));
      const biasPtr = bench.putFloat32(bias);
      const sums = bench.allocate(FORWARD_SUMS_BYTES);
      const gradWeights = guarded(bench, inStrips(new Float32Array(weights.length), features, classes));
      const gradBias = guarded(bench, new Float32Array(classes));
      for (const [rowBegin, count] of [
        [0, 13],
        [13, 7],
      ] as const) {
        kernels.gatherInputs(
          tile,
          tileTargets,
          inputsPtr,
          INPUTS_FLOAT32,
          NULL_PTR,
          targetsPtr,
          NULL_PTR,
          rowBegin,
          count,
          features,
        );
        kernels.tileForward(logits, tile, weightsPtr, biasPtr, count, features, classes, sums);
        const status = kernels.crossEntropyGradientRows(
          logits,
          NULL_PTR,
          lossSum.ptr,
          logits,
          tileTargets,
          count,
          classes,
          classes,
          scale,
        );
        expect(status).toBe(STATUS_OK);
        kernels.tileBackward(
          gradWeights.ptr,
          gradBias.ptr,
          tile,
          logits,
          count,
          features,
          classes,
          rowBegin ? 0 : 1,
        );
      }
      const lossAt = (w: ArrayLike<number>, b: ArrayLike<number>): number =>
        scaledLoss(inputs, targets, w, b, scale);
      const loss = lossAt(weights, bias);
      expectWithin([lossSum.read() * scale], [loss], () => 1e-6 * loss, 'loss');
      const h = 1e-4;
      const difference = (at: number, values: Float32Array, of: (v: Float64Array) => number): number => {
        const up = Float64Array.from(values);
        const down = Float64Array.from(values);
        up[at]! += h;
        down[at]! -= h;
        return (of(up) - of(down)) / (2 * h);
      };
      expectWithin(
        outOfStrips(gradWeights.row(0), features, classes),
        Float64Array.from(weights, (_, at) => difference(at, weights, (w) => lossAt(w, bias))),
        () => 1e-6,
        'gradWeights',
      );
      expectWithin(
        gradBias.row(0),
        Float64Array.from(bias, (_, at) => difference(at, bias, (b) => lossAt(weights, b))),
        () => 1e-6,
        'gradBias',
      );
    },
  );
});

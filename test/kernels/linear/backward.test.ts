// linearBackward and addColumnSums against float64; ranges of panels and features give the bits of the whole.

import { describe, test } from 'vitest';
import { paddedClasses, panelWidth, SUM_ROWS } from '#softshard/kernels/layout.js';
import { expectSameBits, expectWithin } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { addOuterProduct, startingFrom } from './oracle.js';
import {
  CLASS_COUNTS,
  FEATURE_COUNTS,
  guarded,
  MOST_ROWS,
  pack,
  packedIndex,
  productScratch,
  ROW_COUNTS,
  rowTable,
  shuffledIndices,
  unpack,
} from './shapes.js';

const BOUND = 5e-7;

/** start + the terms in order, SUM_ROWS at a time from zero, every step rounded to float32. */
function roundedSum(start: number, terms: Float32Array): number {
  let total = start;
  for (let begin = 0; begin < terms.length; begin += SUM_ROWS) {
    let sum = 0;
    for (const term of terms.subarray(begin, begin + SUM_ROWS)) sum = Math.fround(sum + term);
    total = Math.fround(total + sum);
  }
  return total;
}

describe.each(builds)('linearBackward (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  function setUp(features: number, classes: number, offsetBytes = 0) {
    bench.reset();
    const stride = paddedClasses(classes);
    const inputs = randomValues((MOST_ROWS + 1) * features, 2, features);
    const rows = shuffledIndices(MOST_ROWS + 1, classes).subarray(0, MOST_ROWS);
    const gradLogits = randomValues(MOST_ROWS * stride, 1, classes + 3);
    for (let i = 0; i < MOST_ROWS; i++) gradLogits.fill(0, i * stride + classes, (i + 1) * stride);
    const start = randomValues(features * classes, 1, classes + 4);
    const inputsPtr = bench.putFloat32(inputs, offsetBytes);
    const gradLogitsPtr = bench.putFloat32(gradLogits, (offsetBytes + 4) % 16);
    const rowPtrs = rowTable(bench, inputsPtr, rows, features);
    const gradWeights = guarded(bench, pack(start, features, classes), (offsetBytes + 8) % 16);
    const panels = stride / panelWidth(classes);
    const scratch = productScratch(bench, classes);
    /** The bits of gradWeights after the given calls: [panelBegin, panelEnd, featureBegin, featureEnd]. */
    const run = (count: number, ranges: readonly (readonly number[])[] = [[0, panels, 0, features]]) => {
      gradWeights.fill(pack(start, features, classes));
      for (const [panelBegin, panelEnd, featureBegin, featureEnd] of ranges) {
        kernels.linearBackward(
          gradWeights.ptr,
          rowPtrs,
          gradLogitsPtr,
          count,
          features,
          classes,
          panelBegin!,
          panelEnd!,
          featureBegin!,
          featureEnd!,
          scratch.ptr,
        );
      }
      gradWeights.checkGuards();
      scratch.checkGuards();
      return gradWeights.bits();
    };
    const input = (i: number) => inputs.subarray(rows[i]! * features, (rows[i]! + 1) * features);
    const gradLogit = (i: number) => gradLogits.subarray(i * stride, i * stride + classes);
    return { stride, start, panels, run, input, gradLogit };
  }

  const floats = (bits: Uint32Array) => new Float32Array(bits.buffer);

  test.each([...CLASS_COUNTS, 1024])(
    `%i classes: within ${BOUND} of |start| + Σ |x · dz| for 1 to 1025 features, 1 to 300 shuffled rows; padding stays 0`,
    (classes) => {
      for (const features of classes === 1024 ? [17] : FEATURE_COUNTS) {
        const { stride, start, run, input, gradLogit } = setUp(features, classes, (classes * 4) % 16);
        const expected = startingFrom(start);
        let summed = 0;
        for (const count of ROW_COUNTS) {
          for (; summed < count; summed++) addOuterProduct(expected, input(summed), gradLogit(summed));
          const got = unpack(floats(run(count)), features, classes);
          const what = `gradWeights of ${count} rows, ${features} × ${classes}`;
          expectWithin(got, expected.values, (_, j) => BOUND * expected.magnitudes[j]!, what);
        }
        const bits = run(MOST_ROWS);
        for (let f = 0; f < features; f++) {
          for (let column = classes; column < stride; column++) {
            const at = packedIndex(f, column, features, classes);
            if (bits[at] !== 0) throw new Error(`padding of feature ${f}, column ${column}: ${bits[at]}`);
          }
        }
      }
    },
  );

  test.each([
    [5, 1],
    [8, 10],
    [785, 10],
    [17, 100],
    [1025, 33],
  ])(
    '%i × %i: ranges of panels and features, cut anywhere, give the bits of one call',
    (features, classes) => {
      const { panels, run } = setUp(features, classes);
      for (const count of [1, 7, 48, MOST_ROWS]) {
        const whole = run(count);
        for (const cut of new Set([1, 2, 3, features >> 1, features - 1])) {
          const middle = panels >> 1;
          const ranges = [
            [middle, panels, cut, features],
            [0, middle, 0, cut],
            [0, middle, cut, features],
            [middle, panels, 0, cut],
          ];
          expectSameBits(run(count, ranges), whole, `${count} rows cut at feature ${cut}`);
        }
      }
    },
  );

  test('features and panels outside the ranges keep their bits', () => {
    const [features, classes] = [17, 33];
    const { start, run } = setUp(features, classes);
    const before = new Uint32Array(pack(start, features, classes).buffer);
    const after = run(48, [[1, 3, 5, 12]]);
    const width = panelWidth(classes);
    after.forEach((bits, at) => {
      const panel = Math.floor(at / (features * width));
      const feature = Math.floor(at / width) % features;
      const inside = panel >= 1 && panel < 3 && feature >= 5 && feature < 12;
      if (inside === (bits === before[at])) throw new Error(`panel ${panel}, feature ${feature}`);
    });
  });

  if (numerics === 'portable') {
    test('exactly the bits of multiplying and adding in row order, 48 rows at a time', () => {
      for (const [features, classes] of [
        [5, 3],
        [6, 8],
        [7, 10],
        [9, 17],
      ] as const) {
        const { start, run, input, gradLogit } = setUp(features, classes);
        for (const count of [1, 24, 47, 48, 49, 96, 97, MOST_ROWS]) {
          const expected = start.map((s, at) => {
            const [f, c] = [Math.floor(at / classes), at % classes];
            return roundedSum(
              s,
              Float32Array.from({ length: count }, (_, i) => input(i)[f]! * gradLogit(i)[c]!),
            );
          });
          expectSameBits(
            run(count),
            new Uint32Array(pack(expected, features, classes).buffer),
            `${count} rows of ${features} × ${classes}`,
          );
        }
      }
    });
  }
});

describe.each(builds)('addColumnSums (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);

  test.each([1, 3, 4, 8, 12, 17, 40, 104])(
    'stride %i: exactly the float32 sums in row order, 48 rows at a time, for any range of columns',
    (stride) => {
      bench.reset();
      const z = randomValues(MOST_ROWS * stride, 1, stride);
      const start = randomValues(stride, 1, stride + 1);
      const zPtr = bench.putFloat32(z, 4);
      const gradBias = guarded(bench, start, 8);
      for (const rows of ROW_COUNTS) {
        for (const [begin, end] of [
          [0, stride],
          [0, stride >> 1],
          [stride >> 1, stride],
          [1, stride],
        ] as const) {
          gradBias.fill(start);
          bench.kernels.addColumnSums(gradBias.ptr, zPtr, rows, stride, begin, end);
          const expected = start.map((s, c) => {
            if (c < begin || c >= end) return s;
            return roundedSum(
              s,
              Float32Array.from({ length: rows }, (_, i) => z[i * stride + c]!),
            );
          });
          expectSameBits(
            gradBias.bits(),
            new Uint32Array(expected.buffer),
            `${rows} rows, [${begin}, ${end})`,
          );
          gradBias.checkGuards();
        }
      }
    },
  );
});

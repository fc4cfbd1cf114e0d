// linearForward and gatherRows against float64, and which things an element's bits may depend on.

import { describe, expect, test } from 'vitest';
import { paddedClasses, panelWidth } from '#softshard/kernels/layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { expectSameBits, expectWithin, Grid } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { forward } from './oracle.js';
import {
  CLASS_COUNTS,
  FEATURE_COUNTS,
  guarded,
  MOST_ROWS,
  pack,
  padded,
  productScratch,
  ROW_COUNTS,
  rowTable,
  shuffledIndices,
} from './shapes.js';

const BOUND = 5e-7;
const PADDING = 7;

/** What the portable build must give: parts of at most 512 features, each summed from zero in order. */
function roundedForward(x: Float32Array, weights: Float32Array, bias: Float32Array): Float32Array {
  const classes = bias.length;
  const depth = Math.ceil(x.length / Math.ceil(x.length / 512));
  return bias.map((b, c) => {
    let total = b;
    for (let begin = 0; begin < x.length; begin += depth) {
      let sum = 0;
      for (let k = begin; k < Math.min(begin + depth, x.length); k++) {
        sum = Math.fround(sum + Math.fround(x[k]! * weights[k * classes + c]!));
      }
      total = Math.fround(total + sum);
    }
    return total;
  });
}

describe('padded layout', () => {
  test('rows of logits hold all classes in whole panels and are never a multiple of 4096 bytes apart', () => {
    for (let classes = 1; classes <= 5000; classes++) {
      const columns = paddedClasses(classes);
      const wrong = columns < classes || columns % panelWidth(classes) !== 0 || columns % 1024 === 0;
      if (wrong || columns > classes + 15) throw new Error(`${classes} classes: ${columns} columns`);
    }
    expect(paddedClasses(1024)).toBe(1032);
  });
});

describe.each(builds)('linearForward (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  /** One model and MOST_ROWS shuffled rows in memory; run() gives the logits of some of them. */
  function setUp(features: number, classes: number, offsetBytes = 0) {
    bench.reset();
    const inputs = randomValues((MOST_ROWS + 1) * features, 2, features);
    const rows = shuffledIndices(MOST_ROWS + 1, classes).subarray(0, MOST_ROWS);
    const weights = randomValues(features * classes, 1, classes + 1);
    const bias = randomValues(classes, 1, classes + 2);
    const inputsPtr = bench.putFloat32(inputs, offsetBytes);
    const weightsPtr = bench.putFloat32(pack(weights, features, classes), (offsetBytes + 4) % 16);
    const biasPtr = bench.putFloat32(padded(bias, classes, PADDING), (offsetBytes + 8) % 16);
    const rowPtrs = rowTable(bench, inputsPtr, rows, features);
    const stride = paddedClasses(classes);
    const scratch = productScratch(bench, classes);
    const run = (begin: number, count: number): Grid => {
      const logits = new Grid(bench, count, stride, stride, (offsetBytes + 12) % 16);
      kernels.linearForward(
        logits.ptr,
        offsetBy(rowPtrs, begin * 4),
        weightsPtr,
        biasPtr,
        count,
        features,
        classes,
        scratch.ptr,
      );
      logits.checkGuards();
      scratch.checkGuards();
      return logits;
    };
    return { inputs, rows, weights, bias, stride, run };
  }

  const withoutPadding = (logits: Grid, classes: number): Float32Array => {
    const all = new Float32Array(logits.rows * classes);
    for (let i = 0; i < logits.rows; i++) all.set(logits.row(i).subarray(0, classes), i * classes);
    return all;
  };

  test.each([...CLASS_COUNTS, 1024])(
    `%i classes: within ${BOUND} of |b| + Σ |x · w| for 1 to 1025 features, 300 shuffled rows; padding as it was`,
    (classes) => {
      for (const features of classes === 1024 ? [17] : FEATURE_COUNTS) {
        const { inputs, rows, weights, bias, run } = setUp(features, classes, (classes * 4) % 16);
        const logits = run(0, MOST_ROWS);
        const expected = forward(inputs, rows, weights, bias);
        expectWithin(
          withoutPadding(logits, classes),
          expected.values,
          (_, j) => BOUND * expected.magnitudes[j]!,
          `logits of ${features} × ${classes}`,
        );
        for (let i = 0; i < MOST_ROWS; i++) {
          expect(
            logits
              .row(i)
              .subarray(classes)
              .every((z) => z === PADDING),
          ).toBe(true);
        }
      }
    },
  );

  test.each(CLASS_COUNTS)(
    '%i classes: the same bits whether a row comes alone or with up to 299 others',
    (classes) => {
      for (const features of FEATURE_COUNTS) {
        const { stride, run } = setUp(features, classes);
        const all = run(0, MOST_ROWS).bits();
        for (const count of ROW_COUNTS) {
          for (const begin of new Set([0, MOST_ROWS - count])) {
            expectSameBits(
              run(begin, count).bits(),
              all.subarray(begin * stride, (begin + count) * stride),
              `rows from ${begin} of ${features} × ${classes}`,
            );
          }
        }
      }
    },
  );

  if (numerics === 'portable') {
    test('exactly the bits of multiplying and adding in order, 512 features at a time', () => {
      for (const classes of [3, 8, 10, 17]) {
        for (const features of [1, 5, 512, 513, 785, 1025]) {
          const { inputs, rows, weights, bias, run } = setUp(features, classes);
          const logits = run(0, 7);
          for (let i = 0; i < 7; i++) {
            const row = rows[i]!;
            const x = inputs.subarray(row * features, (row + 1) * features);
            const expected = padded(roundedForward(x, weights, bias), classes, PADDING);
            expectSameBits(
              new Uint32Array(Float32Array.from(logits.row(i)).buffer),
              new Uint32Array(expected.buffer),
              `row ${i} of ${features} × ${classes}`,
            );
          }
        }
      }
    });
  }

  test('gatherRows finds rows and targets by index or in sequence, and writes nothing else', () => {
    bench.reset();
    const features = 5;
    const targets = Int32Array.from({ length: 100 }, (_, i) => 1000 + i);
    const indices = shuffledIndices(100, 4);
    const inputsPtr = 4096 as Ptr;
    const targetsPtr = bench.putInt32(targets);
    const indicesPtr = bench.putInt32(Int32Array.from(indices));
    for (const [begin, rows] of [
      [0, 1],
      [3, 13],
      [52, 48],
      [99, 1],
    ] as const) {
      for (const shuffled of [false, true]) {
        const rowPtrs = guarded(bench, new Float32Array(rows), 4);
        const tileTargets = guarded(bench, new Float32Array(rows), 8);
        const order = shuffled ? indicesPtr : NULL_PTR;
        kernels.gatherRows(rowPtrs.ptr, tileTargets.ptr, inputsPtr, targetsPtr, order, begin, rows, features);
        const expected = Uint32Array.from({ length: rows }, (_, i) =>
          shuffled ? indices[begin + i]! : begin + i,
        );
        expectSameBits(
          rowPtrs.bits(),
          expected.map((row) => inputsPtr + row * features * 4),
          'rowPtrs',
        );
        expectSameBits(
          tileTargets.bits(),
          expected.map((row) => 1000 + row),
          'tileTargets',
        );
        rowPtrs.checkGuards();
        tileTargets.checkGuards();
      }
    }
    const untouched = guarded(bench, new Float32Array(3));
    const rowPtrs = bench.allocate(12);
    kernels.gatherRows(rowPtrs, NULL_PTR, inputsPtr, NULL_PTR, NULL_PTR, 0, 3, features);
    expect([...bench.uint32(rowPtrs, 3)]).toEqual([4096, 4116, 4136]);
    expect([...untouched.bits()]).toEqual([0, 0, 0]);
  });
});

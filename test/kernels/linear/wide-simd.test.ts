// Two panels at a time against one, and whole tiles against halves: the same bits for every shape, in all products.
import { describe, expect, test } from 'vitest';
import {
  blockColumns,
  blockScratchBytes,
  classBlocks,
  FORWARD_SUMS_BYTES,
  paddedClasses,
  panelWidth,
  stripClasses,
} from '#softshard/kernels/layout.js';
import { TYPE_FLOAT32 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR, offsetBy } from '#softshard/kernels/ptr.js';
import { expectSameBits, Grid } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { guarded, pack, padded, productScratch, rowTable, shuffledIndices } from './shapes.js';
import { inStrips, tileOf } from './tiles.js';

/** One panel and more, an odd number of panels and an even one, with and without padding. */
const SHAPES: readonly (readonly [features: number, classes: number])[] = [
  [5, 10],
  [1, 13],
  [7, 16],
  [64, 24],
  [33, 100],
  [513, 40],
  [64, 105],
  [191, 300],
];
const ROW_COUNTS = [1, 2, 5, 6, 47, 49, 145];

describe.each(builds)('useWideSimd (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  /** Runs both ways, the second time on what the outputs were before. */
  function expectSameBothWays(outputs: readonly Grid[], what: string, run: () => void): void {
    const before = outputs.map((grid) => Float32Array.from(grid.row(0)));
    const [one, two] = [0, 1].map((wide) => {
      for (const [i, grid] of outputs.entries()) grid.fill(before[i]!);
      kernels.useWideSimd(wide);
      run();
      for (const grid of outputs) grid.checkGuards();
      return outputs.map((grid) => grid.bits());
    });
    for (const [i, bits] of two!.entries()) expectSameBits(bits, one![i]!, what);
  }

  function setUp(rows: number, features: number, classes: number) {
    bench.reset();
    const order = shuffledIndices(rows, 3);
    const inputs = bench.putFloat32(randomValues(rows * features, 2, 1), 4);
    return { table: rowTable(bench, inputs, order, features), stride: paddedClasses(classes) };
  }

  test.each<readonly [features: number, classes: number]>([...SHAPES, [784, 10], [17, 2], [40, 4]])(
    'tileBackward of %i × %i: the same bits, added or fresh',
    (features, classes) => {
      bench.reset();
      const rows = 9;
      const order = shuffledIndices(rows, 3);
      const tile = tileOf(bench, bench.putFloat32(randomValues(rows * features, 2, 1)), order, features);
      const gradLogits = bench.putFloat32(randomValues(rows * classes, 1, 4));
      const before = inStrips(randomValues(features * classes, 1, 5), features, classes);
      const gradWeights = guarded(bench, before, 4);
      const gradBias = guarded(bench, randomValues(classes, 1, 6));
      for (const fresh of [0, 1]) {
        expectSameBothWays([gradWeights, gradBias], `${features} × ${classes}`, () => {
          kernels.tileBackward(
            gradWeights.ptr,
            gradBias.ptr,
            tile,
            gradLogits,
            rows,
            features,
            classes,
            fresh,
          );
        });
      }
    },
  );

  test.each<readonly [features: number, classes: number]>([...SHAPES, [784, 10], [17, 1], [17, 2], [40, 4]])(
    'tileForward of %i × %i: the same bits, both halves of the features at once by way of the sums',
    (features, classes) => {
      for (const rows of [1, 2, 3, 4, 5, 9, 64]) {
        bench.reset();
        const order = shuffledIndices(rows, 3);
        const tile = tileOf(bench, bench.putFloat32(randomValues(rows * features, 2, 1)), order, features);
        const weights = bench.putFloat32(inStrips(randomValues(features * classes, 1, 2), features, classes));
        const bias = bench.putFloat32(randomValues(classes, 1, 3));
        const logits = guarded(bench, new Float32Array(rows * classes), 4);
        const sums = guarded(bench, new Float32Array(FORWARD_SUMS_BYTES / 4));
        const written: boolean[] = [];
        expectSameBothWays([logits], `${rows} rows`, () => {
          sums.fill(new Float32Array(FORWARD_SUMS_BYTES / 4).fill(7));
          kernels.tileForward(logits.ptr, tile, weights, bias, rows, features, classes, sums.ptr);
          sums.checkGuards();
          written.push(sums.row(0).some((value) => value !== 7));
        });
        expect(written).toEqual([false, rows >= (stripClasses(classes) <= 2 ? 4 : 2)]);
      }
    },
  );

  test.each(SHAPES)('linearForward and linearBackward of %i × %i: the same bits', (features, classes) => {
    for (const rows of ROW_COUNTS) {
      const { table, stride } = setUp(rows, features, classes);
      const weights = bench.putFloat32(pack(randomValues(features * classes, 1, 2), features, classes), 8);
      const bias = bench.putFloat32(padded(randomValues(classes, 1, 3), classes), 12);
      const gradLogits = bench.putFloat32(randomValues(rows * stride, 1, 4));
      const logits = guarded(bench, new Float32Array(rows * stride), 8);
      const gradWeights = guarded(bench, randomValues(features * stride, 1, 5), 4);
      const scratch = productScratch(bench, classes);
      const panels = stride / panelWidth(classes);
      expectSameBothWays([logits, gradWeights], `${rows} rows`, () => {
        kernels.linearForward(logits.ptr, table, weights, bias, rows, features, classes, scratch.ptr);
        kernels.linearBackward(
          gradWeights.ptr,
          table,
          gradLogits,
          rows,
          features,
          classes,
          panels >> 2,
          panels,
          features >> 3,
          features,
          scratch.ptr,
        );
      });
      scratch.checkGuards();
    }
  });

  test.each(SHAPES)('the products of one block of %i × %i: the same bits', (features, classes) => {
    for (const rows of ROW_COUNTS) {
      const { table } = setUp(rows, features, classes);
      const columns = blockColumns(classes);
      const tile = Math.min(features, 192);
      const weights = bench.putFloat32(randomValues(features * classes, 1, 2), 8);
      const gradLogits = bench.putFloat32(randomValues(rows * columns, 1, 4));
      const gradLogitsTable = rowTable(bench, gradLogits, shuffledIndices(rows, 5), columns);
      const logits = guarded(bench, new Float32Array(rows * columns), 8);
      const gradWeights = guarded(bench, randomValues(features * classes, 1, 5), 4);
      const gradInputs = guarded(bench, randomValues(rows * features, 1, 6), 12);
      const scratch = new Grid(bench, 1, blockScratchBytes(features, classes) / 4);
      const last = (classBlocks(classes) - 1) * columns;
      expectSameBothWays([logits, gradWeights, gradInputs], `${rows} rows`, () => {
        const [w, s] = [weights, scratch.ptr];
        kernels.blockForward(
          logits.ptr,
          table,
          0,
          w,
          TYPE_FLOAT32,
          NULL_PTR,
          rows,
          features,
          classes,
          last,
          s,
        );
        kernels.blockBackward(gradWeights.ptr, table, 0, gradLogits, rows, classes, last, 0, tile, 0, s);
        const [z, dx] = [gradLogitsTable, gradInputs.ptr];
        kernels.blockBackwardInputs(dx, z, 0, w, TYPE_FLOAT32, rows, features, classes, last, 0, tile, 0, s);
      });
      scratch.checkGuards();
    }
  });

  test('two panels are read before either is written, one is written before the next is read', () => {
    bench.reset();
    const features = 1;
    const classes = 112;
    const inputs = bench.putFloat32([1]);
    const table = rowTable(bench, inputs, Uint32Array.of(0), features);
    const bias = bench.putFloat32(new Float32Array(classes));
    const scratch = productScratch(bench, classes).ptr;
    const forward = (wide: number): Float32Array => {
      const weights = bench.putFloat32(Float32Array.from({ length: classes + 8 }, (_, i) => i));
      const logits = offsetBy(weights, 32);
      kernels.useWideSimd(wide);
      kernels.linearForward(logits, table, weights, bias, 1, features, classes, scratch);
      return bench.float32(logits, 24);
    };
    const first = [0, 1, 2, 3, 4, 5, 6, 7];
    const second = first.map((w) => w + 8);
    // The logits of a panel lie where the weights of the next one were.
    expect([...forward(1)]).toEqual([...first, ...second, ...second]);
    expect([...forward(0)]).toEqual([...first, ...first, ...first]);
  });
});

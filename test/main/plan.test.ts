import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_ROWS, DEPTH_BLOCK, SUM_ROWS, tileStride } from '#softshard/kernels/layout.js';
import { parametersInStripsLength } from '#softshard/kernels/strips.js';
import {
  leastLinearLossBytes,
  planLinearLoss,
  planRows,
  planTile,
  planTraining,
} from '#softshard/main/plan.js';

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 200_000 }),
  batchSize: fc.integer({ min: 1, max: 300_000 }),
  features: fc.integer({ min: 1, max: 4096 }),
  classes: fc.integer({ min: 2, max: 40_000 }),
});

describe('planRows', () => {
  test('shards cover all rows, none is empty', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.integer({ min: 1, max: 200_000 }), (rows, columns) => {
        const { shardRows, shards } = planRows(rows, columns);
        expect(shardRows * shards).toBeGreaterThanOrEqual(rows);
        expect(shardRows * (shards - 1)).toBeLessThan(Math.max(rows, 1));
      }),
    );
  });

  test('shardRows depends on the columns alone, so that a window of rows is cut as the whole batch is', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 200_000 }),
        (a, b, columns) => {
          expect(planRows(a, columns).shardRows).toBe(planRows(b, columns).shardRows);
        },
      ),
    );
  });
});

describe('planTraining', () => {
  test('the steps of an epoch take every row once', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { stepsAnEpoch, fullStep, lastStep } = planTraining(shape);
        expect((stepsAnEpoch - 1) * fullStep.rows + lastStep.rows).toBe(shape.rows);
        expect(lastStep.rows).toBeGreaterThan(0);
        expect(lastStep.rows).toBeLessThanOrEqual(fullStep.rows);
      }),
    );
  });

  test('shards of a step cover its rows, none is empty, at most 64', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { fullStep, lastStep } = planTraining(shape);
        for (const step of [fullStep, lastStep]) {
          expect(step.shards * step.shardRows).toBeGreaterThanOrEqual(step.rows);
          expect((step.shards - 1) * step.shardRows).toBeLessThan(step.rows);
          expect(step.shards).toBeLessThanOrEqual(64);
        }
      }),
    );
  });

  test('a chunk is a whole number of shards, for the last step as well', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { chunkRows, fullStep, lastStep } = planTraining(shape);
        expect(chunkRows % fullStep.shardRows).toBe(0);
        expect(chunkRows % lastStep.shardRows).toBe(0);
      }),
    );
  });

  test('partial gradients take at most 8 MiB; more parameters are trained by tiles', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { by, fullStep } = planTraining(shape);
        expect(by === 'partials').toBe(
          parametersInStripsLength(shape) * 4 * fullStep.shards <= 8 * 1024 * 1024,
        );
      }),
    );
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 784, classes: 10 }).by).toBe('partials');
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 768, classes: 1000 }).by).toBe('tiles');
  });
});

test('tiles have 8 to 64 rows; inputs and logits of more than 8 take at most 256 KiB each', () => {
  for (const features of [1, 784, 1023, 4096, 131_072]) {
    for (const classes of [1, 2, 10, 1000, 8192, 131_072]) {
      const { rows, scratchBytes } = planTile({ features, classes });
      expect(rows).toBeGreaterThanOrEqual(8);
      expect(rows).toBeLessThanOrEqual(64);
      if (rows > 8) expect(rows * Math.max(tileStride(features), classes) * 4).toBeLessThanOrEqual(2 ** 18);
      expect(scratchBytes % 128).toBe(0);
    }
  }
  expect(planTile({ features: 784, classes: 10 }).rows).toBe(64);
});

describe('planLinearLoss', () => {
  const SHAPES = [
    { rows: 8192, features: 768, classes: 131072, general: false },
    { rows: 8192, features: 768, classes: 131072, general: true },
    { rows: 1_000_000, features: 64, classes: 10, general: false },
    { rows: 5, features: 4096, classes: 1000, general: true },
    { rows: 0, features: 3, classes: 1, general: false },
  ];

  test('the workspace is within its bound for any threads; chunks are multiples of SUM_ROWS and cover the rows', () => {
    for (const shape of SHAPES) {
      const least = leastLinearLossBytes(shape);
      expect(planLinearLoss(shape, least - 1, 1)).toBeUndefined();
      for (const bytes of [least, least + 1_000_000, 64 * 2 ** 20, 2 ** 30]) {
        if (bytes < least) continue;
        for (const threads of [1, 2, 8, 64, 1024]) {
          const plan = planLinearLoss(shape, bytes, threads)!;
          const what = JSON.stringify({ shape, bytes, threads, plan });
          expect(plan.workspace.bytes, what).toBeLessThanOrEqual(bytes);
          expect(plan.members >= 1 && plan.members <= threads, what).toBe(true);
          expect(plan.chunkRows % SUM_ROWS, what).toBe(0);
          expect(plan.chunkRows >= SUM_ROWS, what).toBe(true);
          expect(plan.chunks, what).toBe(Math.ceil(shape.rows / plan.chunkRows));
          expect(plan.inputsRows <= BLOCK_ROWS && plan.weightsFeatures <= DEPTH_BLOCK, what).toBe(true);
        }
      }
    }
  });

  test('64 MiB for 131,072 classes: 100 rows or more a chunk with two workers, and the logits in one piece', () => {
    const plan = planLinearLoss(SHAPES[0]!, 64 * 2 ** 20, 2)!;
    expect(plan.members).toBe(2);
    expect(plan.chunkRows).toBeGreaterThanOrEqual(100);
    expect(plan.workspace.logitsBytes).toBe(plan.chunkRows * 131072 * 4);
  });
});

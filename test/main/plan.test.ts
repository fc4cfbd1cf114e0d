import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { paddedClasses } from '#softshard/kernels/layout.js';
import { packedLength } from '#softshard/kernels/panels.js';
import { planRows, planTileRows, planTraining } from '#softshard/main/plan.js';

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
        expect(by === 'partials').toBe(packedLength(shape) * 4 * fullStep.shards <= 8 * 1024 * 1024);
      }),
    );
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 784, classes: 10 }).by).toBe('partials');
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 768, classes: 1000 }).by).toBe('tiles');
  });
});

test('tiles of logits have at least one row and at most 65,536 elements where more than one', () => {
  for (const classes of [1, 2, 10, 1000, 1365, 1366, 131_072]) {
    const rows = planTileRows(classes);
    expect(rows).toBeGreaterThanOrEqual(1);
    if (rows > 1) expect(rows * paddedClasses(classes)).toBeLessThanOrEqual(65_536);
  }
});

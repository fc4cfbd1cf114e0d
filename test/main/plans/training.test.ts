import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parametersInStripsLength } from '#softshard/kernels/strips.js';
import { planTraining } from '#softshard/main/plans/training.js';

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 200_000 }),
  batchSize: fc.integer({ min: 1, max: 300_000 }),
  features: fc.integer({ min: 1, max: 4096 }),
  classes: fc.integer({ min: 2, max: 40_000 }),
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

  test.each([
    [768, 1000, 4 * 4],
    [784, 1000, 4 * 5],
    [384, 1000, 4 * 2],
    [192, 1000, 8],
    [128, 2000, 16],
  ])(
    'the gradient of %i features × %i classes is %i tiles of at most 192 KiB',
    (features, classes, tiles) => {
      const { by, panelsATile, featuresATile } = planTraining({
        rows: 8192,
        batchSize: 8192,
        features,
        classes,
      });
      expect(by).toBe('parameter-sharded');
      expect(Math.ceil(classes / 8 / panelsATile) * Math.ceil(features / featuresATile)).toBe(tiles);
      expect(panelsATile * 8 * featuresATile * 4).toBeLessThanOrEqual(192 * 1024);
    },
  );

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
        const partialsBytes = parametersInStripsLength(shape) * 4 * fullStep.shards;
        if (by === 'data-parallel') expect(partialsBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
        // Shards of tiles are longer by less than 48 rows, so fewer, but not by more than two thirds.
        else expect(partialsBytes * 3).toBeGreaterThan(8 * 1024 * 1024);
      }),
    );
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 784, classes: 10 }).by).toBe(
      'data-parallel',
    );
    expect(planTraining({ rows: 60_000, batchSize: 1024, features: 768, classes: 1000 }).by).toBe(
      'parameter-sharded',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { type Constants, fitConstants, logLogSlope, timesOf, totalOf } from '../../bench/model/fit.js';
import { halfEfficientUpTo, predict } from '../../bench/model/predict.js';
import { STEP_SHAPES, unitsOf } from '../../bench/model/shapes.js';

const TRUE_CONSTANTS: Constants = {
  inputs: 3e-4,
  products: 4e-5,
  logits: 5e-3,
  partials: 2e-4,
  parameters: 1e-3,
  fixed: 2,
  barrier: 3,
};

describe('the cost model of a training step', () => {
  it('finds the constants that made the times, and predicts these times within 0.1 %', () => {
    const measured = STEP_SHAPES.flatMap((shape) =>
      [1, 2].map((threads) => {
        const units = unitsOf(shape, threads);
        return { units, us: totalOf(timesOf(units, TRUE_CONSTANTS)) };
      }),
    );
    const constants = fitConstants(measured);
    for (const { units, us } of measured) {
      expect(totalOf(timesOf(units, constants)) / us).toBeCloseTo(1, 3);
    }
  });

  it('never has constants below 0, whatever was measured', () => {
    const units = STEP_SHAPES.map((shape) => unitsOf(shape, 2));
    const constants = fitConstants(units.map((unit, index) => ({ units: unit, us: index % 2 ? 1 : 1e6 })));
    for (const constant of Object.values(constants)) expect(constant).toBeGreaterThanOrEqual(0);
  });

  it('gives no more work to threads than there are shards: a batch of 128 is at its end with 8 threads', () => {
    const shape = { batch: 128, features: 784, classes: 10 };
    expect(unitsOf(shape, 64).inputs).toBe(unitsOf(shape, 8).inputs);
    expect(unitsOf(shape, 8).inputs).toBe(unitsOf(shape, 1).inputs / 8);
    // Claimed one after the other: four of the eight shards, and half a shard of waiting.
    expect(unitsOf(shape, 2).inputs).toBe((unitsOf(shape, 1).inputs * 4.5) / 8);
    expect(predict(shape, 64, TRUE_CONSTANTS).speedup).toBeLessThanOrEqual(8);
  });

  it('is half efficient on one thread at least, and on fewer threads with dearer meetings', () => {
    const shape = { batch: 1024, features: 784, classes: 10 };
    const dear = { ...TRUE_CONSTANTS, barrier: 1e4 };
    expect(halfEfficientUpTo(shape, dear)).toBe(1);
    expect(halfEfficientUpTo(shape, TRUE_CONSTANTS)).toBeGreaterThan(4);
  });
});

it('the slope of a power law is its power', () => {
  const points = [1, 2, 5, 40].map((x) => [x, 3 * x ** 1.5] as const);
  expect(logLogSlope(points)).toBeCloseTo(1.5, 12);
});

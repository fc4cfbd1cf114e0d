import { describe, expect, test } from 'vitest';
import { cosineOfHalfTurns, learningRateAt } from '#softshard/workers/training/learning-rate.js';

const sgd = { learningRate: 0.3, momentum: 0, weightDecay: 0, nesterov: false } as const;

test('cosineOfHalfTurns(t) is within 1e-9 of cos(π t) on [0, 1]', () => {
  for (let i = 0; i <= 10_000; i++) {
    const t = i / 10_000;
    expect(Math.abs(cosineOfHalfTurns(t) - Math.cos(Math.PI * t)), `t = ${t}`).toBeLessThan(1e-9);
  }
});

describe('learningRateAt', () => {
  test('constant stays', () => {
    for (const step of [0, 5, 99])
      expect(learningRateAt({ ...sgd, schedule: 'constant' }, step, 100)).toBe(0.3);
  });

  test('linear starts at the learning rate and would be 0 one step after the last', () => {
    const rates = [0, 25, 50, 100].map((step) => learningRateAt({ ...sgd, schedule: 'linear' }, step, 100));
    expect(rates).toEqual([0.3, 0.3 * 0.75, 0.15, 0]);
  });

  test('cosine starts at the learning rate, has half of it in the middle and ends at 0, within 1e-9', () => {
    const rates = [0, 50, 100].map((step) => learningRateAt({ ...sgd, schedule: 'cosine' }, step, 100));
    for (const [i, wanted] of [0.3, 0.15, 0].entries())
      expect(Math.abs(rates[i]! - wanted)).toBeLessThan(1e-9);
  });
});

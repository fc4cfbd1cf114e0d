import { expect, test } from 'vitest';
import { Plateau } from '#softshard/main/training/plateau.js';

/** The rates of the epochs after each of these losses. */
function ratesAfter(
  losses: readonly number[],
  options: { patience?: number; minLearningRate?: number } = {},
) {
  const settings = { factor: 0.5, patience: 1, threshold: 0.1, minLearningRate: 0, ...options };
  const plateau = new Plateau({ kind: 'reduce-on-plateau', ...settings }, 0.8);
  return losses.map((loss) => {
    plateau.observe(loss);
    return plateau.learningRate;
  });
}

test('the rate halves after more than `patience` epochs that are no better, and counts anew from there', () => {
  expect(ratesAfter([1, 1, 1, 1, 1])).toEqual([0.8, 0.8, 0.4, 0.4, 0.2]);
  expect(ratesAfter([1, 2, 3], { patience: 0 })).toEqual([0.8, 0.4, 0.2]);
});

test('better is less than (1 - threshold) times the least so far', () => {
  expect(ratesAfter([1, 0.95, 0.91])).toEqual([0.8, 0.8, 0.4]);
  expect(ratesAfter([1, 0.95, 0.89, 0.85, 0.81])).toEqual([0.8, 0.8, 0.8, 0.8, 0.4]);
});

test('a loss of NaN is no better', () => {
  expect(ratesAfter([1, Number.NaN, Number.NaN])).toEqual([0.8, 0.8, 0.4]);
  expect(ratesAfter([Number.NaN, Number.NaN, 1, 1])).toEqual([0.8, 0.4, 0.4, 0.4]);
});

test('the rate does not fall below its least, nor rise to it', () => {
  expect(ratesAfter([1, 1, 1, 1, 1], { minLearningRate: 0.3 })).toEqual([0.8, 0.8, 0.4, 0.4, 0.3]);
  expect(ratesAfter([1, 1, 1], { minLearningRate: 1 })).toEqual([0.8, 0.8, 0.8]);
});

// Mean squared error and its gradients: by hand, against PyTorch, by finite differences, and where it vanishes.
import { describe, expect, it } from 'vitest';
import {
  crossEntropyGradientOfLogits,
  mapRows,
  meanSquaredError,
  meanSquaredErrorGradientOfLogits,
  meanSquaredErrorGradientOfProbabilities,
  oneHot,
  softmax,
  softmaxBackwardByJacobian,
} from '#softshard/kernels/reference/index.js';
import { centralDifferences } from '../finite-differences.js';
import { randomTargets, randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';

const [rows, classes] = [6, 5];
const logits = randomValues(rows * classes, 3, 31);
const targets = oneHot(randomTargets(rows, classes, 32), classes);

describe('mean squared error', () => {
  it('of [1/2, 1/4, 1/4] against the first class is 1/8 exactly', () => {
    expect(meanSquaredError([1 / 2, 1 / 4, 1 / 4], [1, 0, 0])).toBe(1 / 8);
  });

  it('of no elements is NaN', () => {
    expect(meanSquaredError([], [])).toBe(Number.NaN);
  });

  it('and its gradient by the logits are PyTorch’s within 1e-15', () => {
    const probabilities = mapRows([2, -1, 0.5, 0.1, 0.2, -3], 2, 3, softmax);
    const wanted = oneHot([0, 2], 3);
    expectClose([meanSquaredError(probabilities, wanted)], [0.2528711368892243], 1e-15);
    expectClose(
      meanSquaredErrorGradientOfLogits(probabilities, wanted, 2, 3),
      [
        -0.02048448105107188, 0.002285352768741574, 0.018199128282330317, 0.0007930997930233207,
        0.009256394996734368, -0.01004949478975768,
      ],
      1e-15,
    );
  });

  it('has the gradient 2 (a - y) / n by the probabilities, as finite differences within 1e-10', () => {
    const probabilities = mapRows(logits, rows, classes, softmax);
    const expected = centralDifferences((a) => meanSquaredError(a, targets), probabilities);
    expectClose(meanSquaredErrorGradientOfProbabilities(probabilities, targets), expected, 1e-10);
  });

  it('has the gradient by the logits that finite differences give within 1e-10', () => {
    const loss = (z: Float64Array) => meanSquaredError(mapRows(z, rows, classes, softmax), targets);
    const probabilities = mapRows(logits, rows, classes, softmax);
    const gradient = meanSquaredErrorGradientOfLogits(probabilities, targets, rows, classes);
    expectClose(gradient, centralDifferences(loss, logits), 1e-10);
  });

  it('has the gradient by the logits that the whole Jacobian gives within 1e-15', () => {
    const a = softmax(logits.subarray(0, classes));
    const y = targets.subarray(0, classes);
    const byJacobian = softmaxBackwardByJacobian(a, meanSquaredErrorGradientOfProbabilities(a, y));
    expectClose(meanSquaredErrorGradientOfLogits(a, y, 1, classes), byJacobian, 1e-15);
  });

  it.each([1e-1, 1e-3, 1e-6])(
    'summed over the classes gives 4ε(1 - ε) of cross-entropy’s gradient within 1e-14, ε = %d on the target',
    (epsilon) => {
      const probabilities = [epsilon, 1 - epsilon, 0];
      const wanted = [1, 0, 0];
      const squared = meanSquaredErrorGradientOfLogits(probabilities, wanted, 1, 3).map((g) => 3 * g);
      const cross = crossEntropyGradientOfLogits(probabilities, wanted);
      const ratio = Math.hypot(...squared) / Math.hypot(...cross);
      expect(Math.abs(ratio / (4 * epsilon * (1 - epsilon)) - 1)).toBeLessThan(1e-14 / epsilon);
    },
  );

  it('refuses matrices of another size', () => {
    expect(() => meanSquaredError([1, 0], [1])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => meanSquaredErrorGradientOfLogits([1, 0], [1, 0], 2, 2)).toThrow(
      expect.objectContaining({ argument: 'probabilities', value: 2 }),
    );
  });
});

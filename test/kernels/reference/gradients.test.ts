// Every gradient link by link: by hand, by finite differences, and the chain against the short form a - y.
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  crossEntropyGradient,
  crossEntropyGradientOfLogits,
  crossEntropyGradientOfProbabilities,
  crossEntropyOfProbabilities,
  mapRows,
  oneHot,
  softmax,
  softmaxBackward,
  softmaxBackwardByJacobian,
  softmaxJacobian,
  transpose,
} from '#softshard/kernels/reference/index.js';
import { centralDifferences } from '../finite-differences.js';
import { randomTargets, randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const classes = 5;
const logits = randomValues(classes, 3, 11);
const probabilities = softmax(logits);
const hard = oneHot([3], classes);
const soft = softmax(randomValues(classes, 2, 12));

describe('∂L/∂a', () => {
  it('is -y/a: -2 at a target of probability 1/2, 0 elsewhere', () => {
    expect([...crossEntropyGradientOfProbabilities([1 / 2, 1 / 2, 0], [1, 0, 0])]).toEqual([-2, 0, 0]);
  });

  it('is -Infinity at a target of probability 0, NaN at NaN', () => {
    expectClose(crossEntropyGradientOfProbabilities([0, 1, nan], [1, 0, 0]), [-inf, 0, nan], 0);
  });

  it.each([
    ['one-hot', hard],
    ['soft', soft],
  ])('agrees with finite differences of the loss within 1e-6 relative, %s targets', (_, targets) => {
    const loss = (a: Float64Array) => crossEntropyOfProbabilities(a, targets, 1, classes);
    const expected = centralDifferences(loss, probabilities, 1e-6);
    expectClose(crossEntropyGradientOfProbabilities(probabilities, targets), expected, 1e-6);
  });
});

describe('the softmax Jacobian', () => {
  it('of [1/2, 1/4, 1/4] is known exactly', () => {
    expect([...softmaxJacobian([1 / 2, 1 / 4, 1 / 4])].map((element) => 16 * element)).toEqual([
      4, -2, -2, -2, 3, -1, -2, -1, 3,
    ]);
  });

  it('agrees with finite differences of each probability within 1e-9', () => {
    const expected = Array.from({ length: classes }, (_, i) => [
      ...centralDifferences((z) => softmax(z)[i]!, logits),
    ]);
    expectClose(softmaxJacobian(probabilities), expected.flat(), 1e-9);
  });

  it('is symmetric, and its rows sum to 0 within 1e-15', () => {
    const jacobian = softmaxJacobian(probabilities);
    expectClose(transpose(jacobian, classes, classes), jacobian, 1e-16);
    for (let i = 0; i < classes; i++) {
      const row = jacobian.subarray(i * classes, (i + 1) * classes);
      expectClose([row.reduce((total, element) => total + element, 0)], [0], 1e-15);
    }
  });
});

describe('∂L/∂z by the chain', () => {
  it('of any loss agrees with finite differences within 1e-9, here L = Σ c_j a_j²', () => {
    const weights = randomValues(classes, 1, 13);
    const loss = (z: Float64Array) => softmax(z).reduce((total, a, j) => total + weights[j]! * a * a, 0);
    const gradProbabilities = probabilities.map((a, j) => 2 * weights[j]! * a);
    const expected = centralDifferences(loss, logits);
    expectClose(softmaxBackwardByJacobian(probabilities, gradProbabilities), expected, 1e-9);
    expectClose(softmaxBackward(probabilities, gradProbabilities), expected, 1e-9);
  });

  it.each([
    ['one-hot', oneHot([3], 67)],
    ['soft', softmax(randomValues(67, 2, 15))],
  ])('with cross-entropy is a - y within 1e-12 on 67 classes, %s targets', (_, targets) => {
    const a = softmax(randomValues(67, 6, 14));
    const gradProbabilities = crossEntropyGradientOfProbabilities(a, targets);
    const short = crossEntropyGradientOfLogits(a, targets);
    expectClose(softmaxBackwardByJacobian(a, gradProbabilities), short, 1e-12);
    expectClose(softmaxBackward(a, gradProbabilities), short, 1e-12);
  });

  it('with targets that sum to s is s a - y, not a - y', () => {
    const doubled = soft.map((y) => 2 * y);
    const chained = softmaxBackward(
      probabilities,
      crossEntropyGradientOfProbabilities(probabilities, doubled),
    );
    expectClose(
      chained,
      probabilities.map((a, j) => 2 * a - doubled[j]!),
      1e-12,
    );
  });

  it('is NaN in all classes when the target’s probability underflowed, where a - y is -1 and 1', () => {
    const [a, y] = [softmax([800, 0]), oneHot([1], 2)];
    const gradProbabilities = crossEntropyGradientOfProbabilities(a, y);
    expectClose(softmaxBackwardByJacobian(a, gradProbabilities), [nan, nan], 0);
    expectClose(softmaxBackward(a, gradProbabilities), [nan, nan], 0);
    expectClose(crossEntropyGradientOfLogits(a, y), [1, -1], 0);
  });

  it('refuses gradients of another length', () => {
    for (const backward of [softmaxBackward, softmaxBackwardByJacobian]) {
      expect(() => backward([1, 0], [1])).toThrow(
        expect.objectContaining({ code: 'ERR_SHAPE', argument: 'gradProbabilities', value: 1 }),
      );
    }
  });
});

describe('crossEntropyGradient', () => {
  const [rows, columns] = [7, 11];
  const matrix = randomValues(rows * columns, 4, 16);
  const targets = randomTargets(rows, columns, 17);

  it('gives PyTorch’s gradient of the mean within 1e-15', () => {
    expectClose(
      crossEntropyGradient([2, -1, 0.5, 0.1, 0.2, -3], [0, 2], 2, 3, 1 / 2),
      [
        -0.10720148270536206, 0.019556286635343725, 0.08764519607001835, 0.23253433229472972,
        0.2569901815062742, -0.48952451380100387,
      ],
      1e-15,
    );
  });

  it('agrees with finite differences of the sum (scale 1) and the mean (scale 1 / rows) within 1e-8', () => {
    const sum = centralDifferences((z) => crossEntropy(z, targets, rows, columns, 'sum'), matrix);
    expectClose(crossEntropyGradient(matrix, targets, rows, columns), sum, 1e-8);
    const mean = centralDifferences((z) => crossEntropy(z, targets, rows, columns, 'mean'), matrix);
    expectClose(crossEntropyGradient(matrix, targets, rows, columns, 1 / rows), mean, 1e-8);
  });

  it('is softmax minus one-hot, and each of its rows sums to 0 within 1e-15', () => {
    const gradient = crossEntropyGradient(matrix, targets, rows, columns);
    const a = mapRows(matrix, rows, columns, softmax);
    expectClose(gradient, crossEntropyGradientOfLogits(a, oneHot(targets, columns)), 0);
    for (let row = 0; row < rows; row++) {
      const elements = gradient.subarray(row * columns, (row + 1) * columns);
      expectClose([elements.reduce((total, element) => total + element, 0)], [0], 1e-15);
    }
  });

  it('is NaN in the rows whose softmax is, and only there', () => {
    expectClose(crossEntropyGradient([inf, 0, 0, 0], [0, 1], 2, 2), [nan, nan, 0.5, -0.5], 0);
  });

  it('refuses a target out of range, naming row and value', () => {
    expect(() => crossEntropyGradient([1, 2, 3, 4], [0, 2], 2, 2)).toThrow(
      expect.objectContaining({ code: 'ERR_TARGET_RANGE', row: 1, value: 2 }),
    );
  });
});

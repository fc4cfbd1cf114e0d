// The linear layer and its three gradients: by hand, and by finite differences through the whole classifier.
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradBias,
  linearGradInputs,
  linearGradWeights,
  matrixProduct,
  transpose,
} from '#softshard/kernels/reference/index.js';
import { centralDifferences } from '../finite-differences.js';
import { randomTargets, randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';

describe('matrices', () => {
  it('multiply [2 × 3] by [3 × 2] as by hand', () => {
    expect([...matrixProduct([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], 2, 3, 2)]).toEqual([
      58, 64, 139, 154,
    ]);
  });

  it('transpose [2 × 3] to [3 × 2]', () => {
    expect([...transpose([1, 2, 3, 4, 5, 6], 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('are refused in another size', () => {
    expect(() => matrixProduct([1, 2], [1], 1, 2, 1)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'right', value: 1 }),
    );
    expect(() => transpose([1], 1, 2)).toThrow(expect.objectContaining({ argument: 'matrix', value: 1 }));
  });
});

describe('the linear layer by hand, rows 2, features 3, classes 2', () => {
  const inputs = [1, 2, 3, 4, 5, 6];
  const weights = [1, -1, 0, 2, 0.5, 0];
  const gradLogits = [1, -1, 0.5, 2];

  it('Z = XW + b adds the bias to each row', () => {
    expect([...linearForward(inputs, weights, [10, 20], 2, 3, 2)]).toEqual([12.5, 23, 17, 26]);
  });

  it('∂L/∂W = Xᵀ ∂L/∂Z', () => {
    expect([...linearGradWeights(inputs, gradLogits, 2, 3, 2)]).toEqual([3, 7, 4.5, 8, 6, 9]);
  });

  it('∂L/∂b is the column sums of ∂L/∂Z', () => {
    expect([...linearGradBias(gradLogits, 2, 2)]).toEqual([1.5, 1]);
  });

  it('∂L/∂X = ∂L/∂Z Wᵀ', () => {
    expect([...linearGradInputs(gradLogits, weights, 2, 3, 2)]).toEqual([2, -2, 0.5, -1.5, 4, 0.25]);
  });

  it('∂z/∂x of one row is Wᵀ: a unit gradient of each logit gives a row of it', () => {
    const jacobian = [
      [1, 0],
      [0, 1],
    ].flatMap((unit) => [...linearGradInputs(unit, weights, 1, 3, 2)]);
    expect(jacobian).toEqual([...transpose(weights, 3, 2)]);
  });

  it('refuses arrays of another size, naming them', () => {
    expect(() => linearForward(inputs, weights, [1], 2, 3, 2)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'bias', value: 1 }),
    );
    expect(() => linearGradWeights(inputs, [1], 2, 3, 2)).toThrow(
      expect.objectContaining({ argument: 'gradLogits' }),
    );
    expect(() => linearGradBias([1], 2, 2)).toThrow(expect.objectContaining({ argument: 'gradLogits' }));
    expect(() => linearGradInputs(gradLogits, [1], 2, 3, 2)).toThrow(
      expect.objectContaining({ argument: 'weights' }),
    );
  });
});

describe('the gradients of a softmax classifier', () => {
  const [rows, features, classes] = [9, 4, 5];
  const inputs = randomValues(rows * features, 1, 21);
  const weights = randomValues(features * classes, 1, 22);
  const bias = randomValues(classes, 1, 23);
  const targets = randomTargets(rows, classes, 24);
  const loss = (x: ArrayLike<number>, w: ArrayLike<number>, b: ArrayLike<number>) =>
    crossEntropy(linearForward(x, w, b, rows, features, classes), targets, rows, classes, 'mean');
  const logits = linearForward(inputs, weights, bias, rows, features, classes);
  const gradLogits = crossEntropyGradient(logits, targets, rows, classes, 1 / rows);

  it('by the weights agree with finite differences of the mean loss within 1e-9', () => {
    const expected = centralDifferences((w) => loss(inputs, w, bias), weights);
    expectClose(linearGradWeights(inputs, gradLogits, rows, features, classes), expected, 1e-9);
  });

  it('by the bias agree within 1e-9', () => {
    const expected = centralDifferences((b) => loss(inputs, weights, b), bias);
    expectClose(linearGradBias(gradLogits, rows, classes), expected, 1e-9);
  });

  it('by the inputs agree within 1e-9', () => {
    const expected = centralDifferences((x) => loss(x, weights, bias), inputs);
    expectClose(linearGradInputs(gradLogits, weights, rows, features, classes), expected, 1e-9);
  });
});

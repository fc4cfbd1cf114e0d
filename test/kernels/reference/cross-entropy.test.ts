// Cross-entropy as the double sum and from logits: by hand, against PyTorch, at the edges, and what is refused.
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  crossEntropyOfProbabilities,
  mapRows,
  oneHot,
  softmax,
} from '#softshard/kernels/reference/index.js';
import { randomTargets, randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe('oneHot', () => {
  it('sets one cell of each row', () => {
    expect([...oneHot([2, 0], 3)]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  it.each([3, -1, 0.5, nan])('refuses target %d of 3 classes, naming row and value', (target) => {
    expect(() => oneHot([0, target], 3)).toThrow(
      expect.objectContaining({
        code: 'ERR_TARGET_RANGE',
        argument: 'targets',
        row: 1,
        value: target,
        message: `targets[1] is ${target}; a target must be a class index from 0 to 2.`,
      }),
    );
  });
});

describe('crossEntropyOfProbabilities', () => {
  it('is -log of the target’s probability, summed over the rows: log 2 + log 4', () => {
    const probabilities = [1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 2];
    expectClose([crossEntropyOfProbabilities(probabilities, oneHot([0, 1], 3), 2, 3)], [3 * Math.LN2], 1e-15);
  });

  it('weighs the logarithms by soft targets: 0.75 log 2 + 0.25 log 4', () => {
    expectClose(
      [crossEntropyOfProbabilities([1 / 2, 1 / 4, 1 / 4], [0.75, 0.25, 0], 1, 3)],
      [1.25 * Math.LN2],
      1e-15,
    );
  });

  it('counts 0 · log 0 as 0, a possible class of probability 0 as Infinity, NaN as NaN', () => {
    expect(crossEntropyOfProbabilities([1, 0], [1, 0], 1, 2)).toBe(0);
    expect(crossEntropyOfProbabilities([1, 0], [0.5, 0.5], 1, 2)).toBe(inf);
    expect(crossEntropyOfProbabilities([1, nan], [1, 0], 1, 2)).toBe(nan);
  });

  it('refuses matrices whose size is not rows × classes', () => {
    expect(() => crossEntropyOfProbabilities([1, 0], [1], 1, 2)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'targetProbabilities', value: 1 }),
    );
  });
});

describe('crossEntropy', () => {
  const logits = [2, -1, 0.5, 0.1, 0.2, -3];
  const targets = [0, 2];

  it('gives PyTorch’s losses within 1e-15, and their mean and sum', () => {
    const losses = [0.24131129665715703, 3.8655702185125156];
    expectClose(crossEntropy(logits, targets, 2, 3, 'none'), losses, 1e-15);
    expectClose([crossEntropy(logits, targets, 2, 3, 'sum')], [4.106881515169673], 1e-15);
    expectClose([crossEntropy(logits, targets, 2, 3)], [2.0534407575848364], 1e-15);
  });

  it('is log(classes) when all logits are equal, within 1e-15', () => {
    expectClose(crossEntropy([7, 7, 7, 7, 7], [3], 1, 5, 'none'), [Math.log(5)], 1e-15);
  });

  it('is the double sum over its probabilities within 1e-12 on 101 × 37 logits', () => {
    const [rows, classes] = [101, 37];
    const many = randomValues(rows * classes, 10, 1);
    const labels = randomTargets(rows, classes, 2);
    const probabilities = mapRows(many, rows, classes, softmax);
    const doubleSum = crossEntropyOfProbabilities(probabilities, oneHot(labels, classes), rows, classes);
    expectClose([crossEntropy(many, labels, rows, classes, 'sum')], [doubleSum], 1e-12);
  });

  it('stays finite where the double sum over probabilities is Infinity', () => {
    const overconfident = [800, 0];
    expect(crossEntropyOfProbabilities(softmax(overconfident), [0, 1], 1, 2)).toBe(inf);
    expect(crossEntropy(overconfident, [1], 1, 2)).toBe(800);
  });

  it.each([
    [
      [1, nan, 2],
      [nan, nan, nan],
    ],
    [
      [1, inf, 2],
      [nan, nan, nan],
    ],
    [
      [-inf, -inf, -inf],
      [nan, nan, nan],
    ],
    [
      [1, -inf, 2],
      [1.3132616875182228, inf, 0.31326168751822286],
    ],
    [
      [1e308, -1e308, 0],
      [0, inf, 1e308],
    ],
    [
      [1000, 1000, -inf],
      [Math.LN2, Math.LN2, inf],
    ],
  ])('of row %j is PyTorch’s for each target within 1e-15', (row, losses) => {
    for (const [target, loss] of losses.entries()) {
      expectClose(crossEntropy(row, [target], 1, 3, 'none'), [loss], 1e-15);
    }
  });

  it('of no rows is NaN as a mean, 0 as a sum, empty as losses', () => {
    expect(crossEntropy([], [], 0, 3)).toBe(nan);
    expect(crossEntropy([], [], 0, 3, 'sum')).toBe(0);
    expect(crossEntropy([], [], 0, 3, 'none')).toEqual(new Float64Array(0));
  });

  it('refuses a reduction that it does not know, naming those that it does', () => {
    expect(() => crossEntropy(logits, targets, 2, 3, 'average' as 'mean')).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION',
        argument: 'reduction',
        value: 'average',
        message: 'reduction is average; it must be one of none, mean, sum.',
      }),
    );
  });

  it('refuses targets out of range and arrays of another size', () => {
    expect(() => crossEntropy(logits, [0, 3], 2, 3)).toThrow(
      expect.objectContaining({ code: 'ERR_TARGET_RANGE', row: 1, value: 3 }),
    );
    expect(() => crossEntropy(logits, [0], 2, 3)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'targets', value: 1 }),
    );
    expect(() => crossEntropy(logits, targets, 2, 2)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'logits', value: 6 }),
    );
  });
});

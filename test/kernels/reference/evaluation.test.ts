// Prediction and rank: ties go to the lower class, NaN comes last, and accuracy counts ranks below k.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  evaluateRows,
  predictedClass,
  rankOfTarget,
  topKAccuracy,
} from '#softshard/kernels/reference/index.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Few distinct values, so that ties and edges are common. */
const row = fc.array(fc.constantFrom(-inf, -1, 0, -0, 1, 2, inf, nan), { minLength: 1, maxLength: 12 });

describe('prediction and rank', () => {
  it.each([
    [[1, 3, 2], 1, [2, 0, 1]],
    [[2, 2, 2], 0, [0, 1, 2]],
    [[0, 5, 5, 7], 3, [3, 1, 2, 0]],
    [[0, -0], 0, [0, 1]],
    [[-inf, -inf], 0, [0, 1]],
    [[inf, 1, inf], 0, [0, 2, 1]],
    [[nan, 1, 2], 2, [3, 1, 0]],
    [[nan, -inf], 1, [2, 0]],
    [[nan, nan], 0, [2, 2]],
    [[4], 0, [0]],
  ])('of %j are class %d and, target by target, ranks %j', (logits, predicted, ranks) => {
    expect(predictedClass(logits)).toBe(predicted);
    expect(logits.map((_, target) => rankOfTarget(logits, target))).toEqual(ranks);
  });

  it('ranks are the places in a stable sort from the largest logit down, for any row with ties', () => {
    fc.assert(
      fc.property(row, (logits) => {
        const numbers = [...logits.keys()].filter((j) => !Number.isNaN(logits[j]));
        // Compared, not subtracted: Infinity - Infinity is NaN.
        numbers.sort(
          (left, right) => Number(logits[right]! > logits[left]!) - Number(logits[right]! < logits[left]!),
        );
        for (const [place, target] of numbers.entries()) expect(rankOfTarget(logits, target)).toBe(place);
        expect(predictedClass(logits)).toBe(numbers[0] ?? 0);
      }),
    );
  });

  it('evaluateRows gives them row by row', () => {
    const logits = [1, 3, 2, 5, 4, 4];
    expect(evaluateRows(logits, 2, 3, [2, 2])).toEqual({
      predictions: Int32Array.of(1, 0),
      ranks: Int32Array.of(1, 2),
    });
    expect(evaluateRows(logits, 2, 3).ranks).toHaveLength(0);
  });

  it('refuses an empty row and targets out of range', () => {
    expect(() => predictedClass([])).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', value: 0 }));
    expect(() => rankOfTarget([1, 2], 2)).toThrow(
      expect.objectContaining({ code: 'ERR_TARGET_RANGE', value: 2 }),
    );
    expect(() => evaluateRows([1, 2, 3, 4], 2, 2, [0, -1])).toThrow(
      expect.objectContaining({ code: 'ERR_TARGET_RANGE', row: 1, value: -1 }),
    );
  });
});

describe('topKAccuracy', () => {
  it('is the share of ranks below k', () => {
    const ranks = [0, 1, 4, 0, 2];
    expect([1, 2, 3, 4, 5].map((k) => topKAccuracy(ranks, k))).toEqual([0.4, 0.6, 0.8, 0.8, 1]);
  });

  it('of no rows is NaN, and k below 1 is refused', () => {
    expect(topKAccuracy([], 1)).toBe(nan);
    expect(() => topKAccuracy([0], 0)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'k', value: 0 }),
    );
  });
});

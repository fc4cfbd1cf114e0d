// Metrics by hand, against each other, merged from parts, and for data without an answer.
import { describe, expect, it } from 'vitest';
import {
  type CalibrationBins,
  calibrationBins,
  classScores,
  confusionMatrix,
  expectedCalibrationError,
  perplexity,
} from '#softshard/kernels/reference/index.js';
import { randomTargets, randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';

const { NaN: nan } = Number;

describe('the expected calibration error', () => {
  it('of 0.9 and 0.7 sure, one of two right, in two bins is |1 - 1.6| / 2 = 0.3 within 1e-15', () => {
    expectClose([expectedCalibrationError(calibrationBins([0.9, 0.7], [1, 0], 2))], [0.3], 1e-15);
  });

  it('weighs bins by their rows: (|0 - 0.25| + |3 - 2.7|) / 4 = 0.1375 within 1e-15', () => {
    const bins = calibrationBins([0.25, 0.9, 0.9, 0.9], [0, 1, 1, 1], 10);
    expect([bins.rows[2], bins.rows[8]]).toEqual([1, 3]);
    expectClose([expectedCalibrationError(bins)], [0.1375], 1e-15);
  });

  it('puts a confidence on an edge into the lower bin, 0 into the first and 1 into the last', () => {
    expect([...calibrationBins([0, 0.25, 0.5, 0.75, 1], [0, 0, 0, 0, 0], 4).rows]).toEqual([2, 1, 1, 1]);
  });

  it('is 0 for confidences that come true and 1 for certain mistakes', () => {
    expect(expectedCalibrationError(calibrationBins([0.5, 0.5], [1, 0]))).toBe(0);
    expect(expectedCalibrationError(calibrationBins([1, 1], [0, 0]))).toBe(1);
  });

  it('of parts merged bin by bin is that of the whole, bit for bit with confidences in 64ths', () => {
    const confidences = randomValues(200, 0.5, 5).map((x) => Math.round((x + 0.5) * 64) / 64);
    const correct = randomTargets(200, 2, 6);
    const part = (begin: number, end: number) =>
      calibrationBins(confidences.slice(begin, end), correct.slice(begin, end));
    const [first, second] = [part(0, 70), part(70, 200)];
    const merge = (key: keyof CalibrationBins) => first[key].map((value, bin) => value + second[key][bin]!);
    const merged = { rows: merge('rows'), correct: merge('correct'), confidenceSum: merge('confidenceSum') };
    expect(merged).toEqual(part(0, 200));
    expect(expectedCalibrationError(merged)).toBe(expectedCalibrationError(part(0, 200)));
  });

  it('of no rows is NaN; no bins are refused', () => {
    expect(expectedCalibrationError(calibrationBins([], []))).toBe(nan);
    expect(() => calibrationBins([0.5], [1], 0)).toThrow(expect.objectContaining({ argument: 'bins' }));
    expect(() => calibrationBins([0.5], [])).toThrow(expect.objectContaining({ argument: 'correct' }));
  });
});

describe('perplexity', () => {
  it('of a uniform guess among 8 classes is 8 ± 0 within 1e-14', () => {
    const { perplexity: value, standardError } = perplexity([Math.log(8), Math.log(8), Math.log(8)]);
    expectClose([value, standardError], [8, 0], 1e-14);
  });

  it('of losses log 2 and log 8 is 4 ± 4 · log 2 within 1e-14', () => {
    // Mean log 4; deviations ± log 2, so s = √2 log 2, and s / √2 = log 2.
    const { perplexity: value, standardError } = perplexity([Math.log(2), Math.log(8)]);
    expectClose([value, standardError], [4, 4 * Math.LN2], 1e-14);
  });

  it('has the standard error that 400 repetitions of 400 rows scatter by, within 10 %', () => {
    const repetitions = Array.from({ length: 400 }, (_, seed) =>
      perplexity(randomValues(400, 1, seed + 1).map((x) => x + 1.5)),
    );
    const values = repetitions.map((each) => each.perplexity);
    const mean = values.reduce((total, value) => total + value, 0) / values.length;
    const scatter = Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / 399);
    const said = repetitions.reduce((total, each) => total + each.standardError, 0) / 400;
    expect(Math.abs(said / scatter - 1)).toBeLessThan(0.1);
  });

  it('of one row has no standard error, of none no value', () => {
    expect(perplexity([0])).toEqual({ perplexity: 1, standardError: nan });
    expect(perplexity([])).toEqual({ perplexity: nan, standardError: nan });
  });
});

describe('scores from a confusion matrix', () => {
  const counts = confusionMatrix([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 1], 4);

  it('count [target, prediction]', () => {
    expect([...counts]).toEqual([2, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('are scikit-learn’s by hand: precision 2/3, 1/3, recall 2/3, 1/2, F1 2/3, 2/5; 0 where there is 0 / 0', () => {
    const { precision, recall, f1, support } = classScores(counts, 4);
    expectClose(precision, [2 / 3, 1 / 3, 0, 0], 1e-15);
    expectClose(recall, [2 / 3, 1 / 2, 0, 0], 1e-15);
    expectClose(f1, [2 / 3, 2 / 5, 0, 0], 1e-15);
    expect([...support]).toEqual([3, 2, 1, 0]);
  });

  it('have F1 as the harmonic mean of precision and recall, within 1e-15', () => {
    const many = confusionMatrix(randomTargets(500, 3, 1), randomTargets(500, 3, 2), 3);
    const { precision, recall, f1 } = classScores(many, 3);
    const harmonic = precision.map((p, j) => (2 * p * recall[j]!) / (p + recall[j]!));
    expectClose(f1, harmonic, 1e-15);
  });

  it('refuse a prediction that is no class, naming it, and a matrix that is not square', () => {
    expect(() => confusionMatrix([0], [4], 4)).toThrow(
      expect.objectContaining({
        code: 'ERR_TARGET_RANGE',
        argument: 'predictions',
        message: 'predictions[0] is 4; it must be a class index from 0 to 3.',
      }),
    );
    expect(() => classScores([1, 2, 3], 2)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', value: 3 }));
  });
});

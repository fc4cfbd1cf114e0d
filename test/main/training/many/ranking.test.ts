// Which head is the best.
import { describe, expect, test } from 'vitest';
import type { Training } from '#softshard/main/index.js';
import { bestOf, groupedBy, ranked, scoreOf } from '#softshard/main/training/many/ranking.js';

const fitOf = (validationLoss: number, validationAccuracy: number, l2 = 1): Training.FullBatchFitResult => ({
  solver: 'lbfgs',
  loss: 0,
  accuracy: 1,
  majority: 0.5,
  validationLoss,
  validationAccuracy,
  validationMajority: 0.5,
  calibration: undefined,
  warnings: [],
  ...{ objective: 0, gap: 0, gapRelative: 0, passes: 1, tol: 1e-4, converged: true, stopReason: 'converged' },
  ...{ C: 1, l2, l1: 0, zeroWeights: 0, scale: 'none', choice: undefined },
  epochs: [],
  steps: 0,
});

function reportOf(
  head: number,
  options: Training.HeadOptions,
  losses: readonly number[],
): Training.HeadReport {
  const fits = losses.map((loss) => fitOf(loss, 1 - loss, 1 / (options.C ?? 1)));
  return { head, options, error: undefined, droppedAfter: undefined, fits, score: scoreOf(fits) };
}

test('a score is mean and standard error over the parts', () => {
  expect(scoreOf([fitOf(1, 0.5), fitOf(2, 0.7), fitOf(6, 0.9)])).toEqual({
    loss: 3,
    accuracy: expect.closeTo(0.7, 12),
    lossError: Math.sqrt(7 / 3),
    accuracyError: expect.closeTo(Math.sqrt(0.04 / 3), 12),
    losses: [1, 2, 6],
    accuracies: [0.5, 0.7, 0.9],
  });
  expect(scoreOf([fitOf(1, 0.5)])?.lossError).toBeUndefined();
  expect(scoreOf([])).toBeUndefined();
});

describe('the best head', () => {
  const rules = { rankBy: 'loss', oneStandardError: false } as const;

  test('has the least loss, or the greatest accuracy; of equals it is the first; NaN is never', () => {
    const reports = [
      reportOf(0, {}, [Number.NaN]),
      reportOf(1, {}, [0.4]),
      reportOf(2, {}, [0.3]),
      reportOf(3, {}, [0.3]),
    ];
    expect(bestOf(reports, rules)).toBe(2);
    expect(bestOf(reports, { ...rules, rankBy: 'accuracy' })).toBe(2);
    expect(ranked(reports, rules).map(({ head }) => head)).toEqual([2, 3, 1]);
    expect(bestOf([reportOf(0, {}, [])], rules)).toBeUndefined();
  });

  test('with one standard error is the strongest penalty whose loss is within it, with the other options of the best', () => {
    const reports = [
      reportOf(0, { C: 0.001 }, [0.9, 1.1]),
      reportOf(1, { C: 0.01 }, [0.45, 0.55]),
      reportOf(2, { C: 0.1 }, [0.4, 0.5]),
      reportOf(3, { C: 1 }, [0.3, 0.5]),
      reportOf(4, { C: 10 }, [0.3, 0.55]),
      reportOf(5, { C: 0.001, weight: 'balanced' }, [0.3, 0.51]),
    ];
    expect(bestOf(reports, rules)).toBe(3);
    expect(bestOf(reports, { ...rules, oneStandardError: true })).toBe(1);
  });
});

test('heads are grouped by all options but some, in order of their first', () => {
  const weight = [1, 2];
  const heads = [{ C: 1 }, { C: 1, weight }, { C: 2 }, { C: 2, weight }, { C: 1, weight: [1, 2] }];
  const items = heads.map((options, index) => ({ index, options }));
  expect(groupedBy(items, ['C']).map((group) => group.map(({ index }) => index))).toEqual([
    [0, 2],
    [1, 3],
    [4],
  ]);
});

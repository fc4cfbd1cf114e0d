// The row losses: by hand, by finite differences, as parts of each other, and at the edges.
import { describe, expect, it } from 'vitest';
import {
  binaryCrossEntropyWithLogits,
  binaryCrossEntropyWithLogitsGradient,
  crossEntropyGradientOfProbabilities,
  crossEntropyOfProbabilities,
  type DistillationOptions,
  distillation,
  distillationGradient,
  generalLoss,
  generalLossGradient,
  klDivergence,
  klDivergenceGradient,
  logSoftmax,
  mapRows,
  nllLoss,
  nllLossGradient,
  sigmoid,
  softmax,
  softplus,
} from '#softshard/kernels/reference/index.js';
import { centralDifferences } from '../finite-differences.js';
import { randomValues } from '../workbench.js';
import { expectClose } from './expect-close.js';
import { classes, logits, options, rows, softTargets, targets } from './loss-cases.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const LN2 = Math.LN2;
const weight = options.weight!.weight!;
const sampleWeight = options.sampleWeight!.sampleWeight!;
const logProbabilities = mapRows(logits, rows, classes, logSoftmax);

describe('nllLoss', () => {
  const all = { weight, sampleWeight, ignoreIndex: targets[1]! };

  it('is the general loss of the logits within 1e-15, with weights and ignored rows', () => {
    const { zLossSum: _, ...expected } = generalLoss(logits, targets, rows, classes, all);
    const got = nllLoss(logProbabilities, targets, rows, classes, all);
    expectClose(got.losses, expected.losses, 1e-15);
    expectClose(
      [got.lossSum, got.weightSum, got.mean],
      [expected.lossSum, expected.weightSum, expected.mean],
      1e-15,
    );
  });

  it('weighs by hand: (3 · log 2 + 1 · log 4) / 4 = 5/4 log 2', () => {
    const { mean, weightSum } = nllLoss([-LN2, 0, 0, -2 * LN2], [0, 1], 2, 2, { weight: [3, 1] });
    expectClose([mean, weightSum], [1.25 * LN2, 4], 1e-15);
  });

  it.each(['sum', 'mean', 'none'] as const)(
    'has the gradient of finite differences within 1e-9, %s',
    (reduction) => {
      const gradOutput = [0.5, -1, 2, 0, 3, 0.25];
      const value = (input: Float64Array) => {
        const { losses, lossSum, mean } = nllLoss(input, targets, rows, classes, all);
        if (reduction !== 'none') return 2 * (reduction === 'sum' ? lossSum : mean);
        return losses.reduce((total, loss, row) => total + 2 * gradOutput[row]! * loss, 0);
      };
      const gradient = nllLossGradient(logProbabilities, targets, rows, classes, {
        ...all,
        reduction,
        gradScale: 2,
        ...(reduction === 'none' ? { gradOutput } : {}),
      });
      expectClose(gradient, centralDifferences(value, logProbabilities), 1e-9);
    },
  );

  it('counts a weight of 0 at -Infinity as 0, and nothing as the mean that onEmpty says', () => {
    expect(nllLoss([-inf, 0], [0], 1, 2, { weight: [0, 1] }).lossSum).toBe(0);
    expect(nllLoss([-1, 0], [-100], 1, 2).mean).toBe(nan);
    expect(nllLoss([-1, 0], [-100], 1, 2, { onEmpty: 'zero' }).mean).toBe(0);
    expect([...nllLossGradient([-1, 0], [-100], 1, 2)]).toEqual([0, 0]);
    expect(() => nllLoss([-1, 0], [-100], 1, 2, { onEmpty: 'throw' })).toThrow(
      expect.objectContaining({ code: 'ERR_EMPTY' }),
    );
  });

  it('refuses a target out of range and weights of another size', () => {
    expect(() => nllLoss([-1, 0], [2], 1, 2)).toThrow(
      expect.objectContaining({ code: 'ERR_TARGET_RANGE', row: 0 }),
    );
    expect(() => nllLoss([-1, 0], [1], 1, 2, { weight: [1] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'weight' }),
    );
  });
});

describe('crossEntropyOfProbabilities with a floor', () => {
  it('counts smaller probabilities as the floor: -log 1e-12 where it would be Infinity', () => {
    expectClose([crossEntropyOfProbabilities([0, 1], [1, 0], 1, 2, 1e-12)], [-Math.log(1e-12)], 1e-15);
    expect(crossEntropyOfProbabilities([nan, 1], [1, 0], 1, 2, 1e-12)).toBe(nan);
  });

  it('has the gradient of finite differences within 1e-6, 0 below the floor', () => {
    const a = [0.005, 0.395, 0.6];
    const y = [0.2, 0.3, 0.5];
    const loss = (point: Float64Array) => crossEntropyOfProbabilities(point, y, 1, 3, 0.01);
    const gradient = crossEntropyGradientOfProbabilities(a, y, 0.01);
    expect(gradient[0]).toBe(0);
    expectClose(gradient, centralDifferences(loss, a, 1e-6), 1e-6);
  });
});

describe('klDivergence', () => {
  const divergence = (input: ArrayLike<number>, given = {}) =>
    klDivergence(input, softTargets, rows, classes, { reduction: 'sum', ...given });

  it('of [3/4, 1/4] from [1/2, 1/2] is 3/4 log 3/2 + 1/4 log 1/2, element by element', () => {
    const input = [-LN2, -LN2];
    const terms = [0.75 * Math.log(1.5), 0.25 * Math.log(0.5)];
    expectClose(klDivergence(input, [0.75, 0.25], 1, 2, { reduction: 'none' }), terms, 1e-15);
    const sum = terms[0]! + terms[1]!;
    expectClose([klDivergence(input, [0.75, 0.25], 1, 2)], [sum / 2], 1e-15);
    expectClose([klDivergence(input, [0.75, 0.25], 1, 2, { reduction: 'batchmean' })], [sum], 1e-15);
  });

  it('is cross-entropy less the targets’ entropy, within 1e-14', () => {
    const entropy = crossEntropyOfProbabilities(softTargets, softTargets, rows, classes);
    const { lossSum } = generalLoss(logits, { softTargets }, rows, classes);
    expectClose([divergence(logits, { from: 'logits' })], [lossSum - entropy], 1e-14);
  });

  it('of a distribution from itself is 0 within 1e-15, and never negative between distributions', () => {
    expectClose([divergence(softTargets.map(Math.log))], [0], 1e-15);
    for (let seed = 0; seed < 20; seed++) {
      expect(divergence(randomValues(rows * classes, 3, seed), { from: 'logits' })).toBeGreaterThan(0);
    }
  });

  it('takes log-probabilities as targets, within 1e-15', () => {
    const logTargets = softTargets.map(Math.log);
    expectClose(
      [klDivergence(logProbabilities, logTargets, rows, classes, { logTarget: true, reduction: 'sum' })],
      [divergence(logProbabilities)],
      1e-15,
    );
  });

  it.each(['logProbabilities', 'logits'] as const)(
    'has the gradient of finite differences within 1e-9, by %s, for each reduction',
    (from) => {
      const input = from === 'logits' ? Float64Array.from(logits) : logProbabilities;
      for (const reduction of ['sum', 'mean', 'batchmean'] as const) {
        const value = (point: Float64Array) => divergence(point, { from, reduction });
        const gradient = klDivergenceGradient(input, softTargets, rows, classes, { from, reduction });
        expectClose(gradient, centralDifferences(value, input), 1e-9);
      }
      const none = klDivergenceGradient(input, softTargets, rows, classes, { from, reduction: 'none' });
      expect(none).toEqual(
        klDivergenceGradient(input, softTargets, rows, classes, { from, reduction: 'sum' }),
      );
    },
  );

  it('has the gradient of finite differences within 1e-9 for targets that sum to 2', () => {
    const doubled = softTargets.map((share) => 2 * share);
    const how = { from: 'logits', reduction: 'sum' } as const;
    const value = (point: Float64Array) => klDivergence(point, doubled, rows, classes, how);
    const gradient = klDivergenceGradient(logits, doubled, rows, classes, how);
    expectClose(gradient, centralDifferences(value, logits), 1e-9);
  });

  it('counts 0 against a probability of 0 as 0 (PyTorch: NaN), more than 0 as Infinity', () => {
    expect(klDivergence([-inf, 0], [0, 1], 1, 2)).toBe(0);
    expect(klDivergence([-inf, 0], [-inf, 0], 1, 2, { logTarget: true })).toBe(0);
    expect(klDivergence([-inf, 0], [0.5, 0.5], 1, 2)).toBe(inf);
    expect(klDivergence([nan, 0], [0, 1], 1, 2)).toBe(nan);
  });

  it('refuses an unknown reduction and targets of another size', () => {
    expect(() => klDivergence([0], [1], 1, 1, { reduction: 'all' as 'sum' })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument: 'reduction' }),
    );
    expect(() => klDivergence([0], [1, 0], 1, 1)).toThrow(expect.objectContaining({ argument: 'targets' }));
  });
});

describe('distillation', () => {
  const teacher = randomValues(rows * classes, 2, 201);
  const given = { temperature: 3, alpha: 0.6 };
  const distilled = (student: ArrayLike<number>, how: DistillationOptions) =>
    distillation(student, teacher, targets, rows, classes, how);

  it('of equal teacher and student leaves (1 - alpha) · cross-entropy, within 1e-15', () => {
    const { mean } = distillation(logits, logits, targets, rows, classes, given);
    expectClose([mean], [0.4 * generalLoss(logits, targets, rows, classes).mean], 1e-15);
  });

  it('with alpha 0 is cross-entropy, with alpha 1 is T² · KL at temperature T, batchmean, within 1e-14', () => {
    expectClose(
      [distilled(logits, { temperature: 3, alpha: 0 }).mean],
      [generalLoss(logits, targets, rows, classes).mean],
      1e-15,
    );
    const softened = mapRows(
      Float64Array.from(teacher, (logit) => logit / 3),
      rows,
      classes,
      softmax,
    );
    const divergence = klDivergence(
      Float64Array.from(logits, (logit) => logit / 3),
      softened,
      rows,
      classes,
      { from: 'logits', reduction: 'batchmean' },
    );
    expectClose([distilled(logits, { temperature: 3, alpha: 1 }).mean], [9 * divergence], 1e-14);
  });

  it.each([0, 0.3, 1])('has the gradient of finite differences within 1e-8, alpha %d', (alpha) => {
    for (const ignoreIndex of [-100, targets[0]!]) {
      const how = { temperature: 2.5, alpha, ignoreIndex };
      const gradient = distillationGradient(logits, teacher, targets, rows, classes, how);
      expectClose(
        gradient,
        centralDifferences((z) => distilled(z, how).mean, logits),
        1e-8,
      );
    }
  });

  it('gives an ignored row neither part', () => {
    const { losses, weightSum } = distillation([nan, 1, 0, 0], [0, nan, 1, 1], [-100, 0], 2, 2, given);
    expectClose(losses, [0, 0.4 * LN2], 1e-15);
    expect(weightSum).toBe(1);
    expectClose(
      distillationGradient([nan, 1, 0, 0], [0, nan, 1, 1], [-100, 0], 2, 2, given),
      [0, 0, -0.2, 0.2],
      1e-15,
    );
  });

  it('leaves out the part whose share is 0, also when that is Infinity', () => {
    // The teacher says [1/2, 1/2] or [0, 1], the student [0, 1]: KL is Infinity or 0, cross-entropy with target 0 Infinity.
    expect(distillation([-inf, 0], [0, 0], [1], 1, 2, { temperature: 2, alpha: 0 }).mean).toBe(0);
    expect(distillation([-inf, 0], [-inf, 0], [0], 1, 2, { temperature: 2, alpha: 1 }).mean).toBe(0);
    expect(distillation([-inf, 0], [0, 0], [1], 1, 2, given).mean).toBe(inf);
  });

  it('tends to alpha · half the squared distance of centered logits / classes as T grows, within 1e-3', () => {
    const centered = (z: readonly number[]) => z.map((x) => x - (z[0]! + z[1]! + z[2]!) / 3);
    const [student, master] = [
      [1, -2, 0.5],
      [0.3, 0.1, -1],
    ] as const;
    const [v, w] = [centered(student), centered(master)];
    const squared = v.reduce((total, x, j) => total + (x - w[j]!) ** 2, 0);
    const { mean } = distillation(student, master, [0], 1, 3, { temperature: 1e4, alpha: 1 });
    expect(Math.abs(mean / (squared / 6) - 1)).toBeLessThan(1e-3);
  });

  it('refuses a temperature of 0 and a share above 1', () => {
    expect(() => distilled(logits, { temperature: 0, alpha: 0.5 })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument: 'temperature' }),
    );
    expect(() => distilled(logits, { temperature: 1, alpha: 2 })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument: 'alpha' }),
    );
  });
});

describe('binaryCrossEntropyWithLogits', () => {
  const yes = softTargets.map((share) => Math.min(1, 2 * share));
  const elementWeight = Float64Array.from(randomValues(rows * classes, 0.5, 301), (x) => x + 0.75);
  const posWeight = weight;

  it('of logit 0 is log 2, of posWeight 3 and target 1 it is 3 log 2, averaged over the elements', () => {
    expectClose([binaryCrossEntropyWithLogits([0, 0], [1, 0], 1, 2)], [LN2], 1e-15);
    const options = { posWeight: [3, 3], reduction: 'none' } as const;
    expectClose(binaryCrossEntropyWithLogits([0, 0], [1, 0], 1, 2, options), [3 * LN2, LN2], 1e-15);
    const weighted = { weight: [1, 5], reduction: 'mean' } as const;
    expectClose([binaryCrossEntropyWithLogits([0, 0], [1, 0], 1, 2, weighted)], [3 * LN2], 1e-15);
  });

  it('is cross-entropy of the two logits [x, 0], within 1e-14', () => {
    const losses = binaryCrossEntropyWithLogits(logits, yes, rows, classes, { reduction: 'none' });
    const pairs = [...logits].flatMap((logit) => [logit, 0]);
    const shares = [...yes].flatMap((share) => [share, 1 - share]);
    expectClose(losses, generalLoss(pairs, { softTargets: shares }, logits.length, 2).losses, 1e-14);
  });

  it.each(['sum', 'mean'] as const)('has the gradient of finite differences within 1e-9, %s', (reduction) => {
    const how = { weight: elementWeight, posWeight, reduction };
    const value = (z: Float64Array) => binaryCrossEntropyWithLogits(z, yes, rows, classes, how);
    const gradient = binaryCrossEntropyWithLogitsGradient(logits, yes, rows, classes, how);
    expectClose(gradient, centralDifferences(value, logits), 1e-9);
  });

  it('does not overflow and keeps tiny losses: 800, and e⁻⁴⁰ within 1e-15 relative', () => {
    const how = { reduction: 'none' } as const;
    expectClose(binaryCrossEntropyWithLogits([800, -800], [0, 1], 1, 2, how), [800, 800], 0);
    const [tiny] = binaryCrossEntropyWithLogits([40], [1], 1, 1, how);
    expect(Math.abs(tiny! / Math.exp(-40) - 1)).toBeLessThan(1e-15);
    expect([sigmoid(-800), sigmoid(800), softplus(-800), softplus(800)]).toEqual([0, 1, 0, 800]);
  });

  it('at ±Infinity is 0 where the answer is right (PyTorch: NaN) and Infinity where it is wrong; NaN at NaN', () => {
    const how = { reduction: 'none' } as const;
    expectClose(
      binaryCrossEntropyWithLogits([inf, -inf, inf, -inf, nan], [1, 0, 0, 1, 1], 1, 5, how),
      [0, 0, inf, inf, nan],
      0,
    );
    expectClose(
      binaryCrossEntropyWithLogitsGradient([inf, -inf, inf, -inf], [1, 0, 0, 1], 1, 4, { reduction: 'sum' }),
      [0, 0, 1, -1],
      0,
    );
  });

  it('is NaN at NaN also where the weight is 0', () => {
    expect(binaryCrossEntropyWithLogits([nan], [1], 1, 1, { weight: [0] })).toBe(nan);
  });

  it('refuses weights of another size', () => {
    expect(() => binaryCrossEntropyWithLogits([0, 0], [1, 0], 1, 2, { posWeight: [1] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'posWeight', value: 1 }),
    );
    expect(() => binaryCrossEntropyWithLogits([0, 0], [1, 0], 1, 2, { weight: [1] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'weight', value: 1 }),
    );
  });
});

it('crossEntropy’s gradient through nllLoss and logSoftmax is generalLossGradient, within 1e-15', () => {
  const given = { weight, reduction: 'mean' } as const;
  const byLogProbabilities = nllLossGradient(logProbabilities, targets, rows, classes, given);
  const chained = Float64Array.from(logProbabilities, (logProbability, i) => {
    const begin = i - (i % classes);
    const sum = byLogProbabilities.subarray(begin, begin + classes).reduce((total, each) => total + each, 0);
    return byLogProbabilities[i]! - Math.exp(logProbability) * sum;
  });
  expectClose(chained, generalLossGradient(logits, targets, rows, classes, given), 1e-15);
});

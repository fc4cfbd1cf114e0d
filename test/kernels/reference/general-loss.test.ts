// The general loss by hand and by finite differences, its edge rows, and what it refuses.
import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  crossEntropyGradient,
  focalSlope,
  focalTerm,
  generalLoss,
  generalLossGradient,
  type LossOptions,
  type LossTargets,
  softcapped,
} from '#softshard/kernels/reference/index.js';
import { centralDifferences } from '../finite-differences.js';
import { expectClose } from './expect-close.js';
import { bothTargets, classes, combinations, logits, rows, softTargets, targets } from './loss-cases.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const LN2 = Math.LN2;

/** One row of two equal logits, target 0: p = [1/2, 1/2], -log p = log 2, logSumExp = log 2. */
const even = (options: LossOptions) => generalLoss([0, 0], [0], 1, 2, options);

describe('the general loss by hand', () => {
  it('is crossEntropy, bit for bit, without options', () => {
    const { losses, lossSum, weightSum, mean, zLossSum } = generalLoss(logits, targets, rows, classes);
    expect(losses).toEqual(crossEntropy(logits, targets, rows, classes, 'none'));
    expect([lossSum, mean]).toEqual([
      crossEntropy(logits, targets, rows, classes, 'sum'),
      crossEntropy(logits, targets, rows, classes, 'mean'),
    ]);
    expect([weightSum, zLossSum]).toEqual([rows, 0]);
  });

  it('multiplies by the weight of the target’s class and divides the mean by it: 3 log 2 / 3', () => {
    const { lossSum, weightSum, mean } = even({ weight: [3, 5] });
    expectClose([lossSum, weightSum, mean], [3 * LN2, 3, LN2], 1e-15);
  });

  it('smooths as PyTorch does, each class with its weight: (0.9 · 3 + 0.05 · (3 + 5)) log 2', () => {
    // q = [0.95, 0.05], weighted [2.85, 0.25].
    const { lossSum, weightSum } = even({ weight: [3, 5], labelSmoothing: 0.1 });
    expectClose([lossSum, weightSum], [3.1 * LN2, 3], 1e-15);
  });

  it('multiplies by sampleWeight, in the sum and in what the mean divides by', () => {
    const { losses, weightSum, mean } = generalLoss([0, 0, 800, 0], [0, 1], 2, 2, { sampleWeight: [1, 3] });
    expectClose(losses, [LN2, 2400], 1e-15);
    expectClose([weightSum, mean], [4, (LN2 + 2400) / 4], 1e-15);
  });

  it('divides by sampleWeight alone with soft targets, whatever the class weights', () => {
    const { lossSum, weightSum } = generalLoss([0, 0], { softTargets: [0.25, 0.75] }, 1, 2, {
      weight: [4, 8],
      sampleWeight: [2],
    });
    expectClose([lossSum, weightSum], [2 * 7 * LN2, 2], 1e-15);
  });

  it('adds zLoss · logSumExp², with the row’s sampleWeight and no class weight, and reports it apart', () => {
    const { lossSum, zLossSum, weightSum, mean } = even({ zLoss: 0.5, weight: [3, 1], sampleWeight: [2] });
    const zLoss = 2 * 0.5 * LN2 ** 2;
    expectClose([lossSum, zLossSum], [2 * 3 * LN2 + zLoss, zLoss], 1e-15);
    expectClose([weightSum, mean], [6, (6 * LN2 + zLoss) / 6], 1e-15);
  });

  it('reports what Liger-Kernel’s mean is made of: its z-loss is divided by the kept rows, not by their weights', () => {
    const given = { zLoss: 0.5, weight: [3, 1], ignoreIndex: 1 };
    const { lossSum, zLossSum, weightSum, mean } = generalLoss([0, 0, 0, 0, 9, 9], [0, 0, 1], 3, 2, given);
    const zLossOfRow = 0.5 * LN2 ** 2;
    expectClose([mean], [LN2 + zLossOfRow / 3], 1e-15);
    expectClose([(lossSum - zLossSum) / weightSum + zLossSum / 2], [LN2 + zLossOfRow], 1e-15);
  });

  it('multiplies by (1 - p)^gamma: log 2 / 4 for gamma 2 and p = 1/2', () => {
    expectClose([even({ focalGamma: 2 }).mean], [LN2 / 4], 1e-15);
  });

  it('divides by the temperature after the soft cap: u = 2 tanh(z / 2) / 4', () => {
    const u = (2 * Math.tanh(3 / 2)) / 4;
    expectClose(
      [generalLoss([3, 0], [1], 1, 2, { softcap: 2, temperature: 4 }).mean],
      [Math.log1p(Math.exp(u))],
      1e-15,
    );
  });

  it('caps ±Infinity like any other logit, at ±cap', () => {
    expect([softcapped(inf, 30), softcapped(-inf, 30), softcapped(1e9, 0)]).toEqual([30, -30, 1e9]);
    expectClose([generalLoss([inf, -inf], [1], 1, 2, { softcap: 30 }).mean], [60], 1e-15);
  });

  it('leaves masked classes out of the softmax, whatever their logits, and out of the smoothing', () => {
    const { mean } = generalLoss([0, nan, 0], [0], 1, 3, { mask: [1, 0, 1], labelSmoothing: 0.5 });
    expectClose([mean], [LN2], 1e-15);
  });

  it('counts the soft target of a masked class as 0 and does not renormalize the rest', () => {
    const { mean } = generalLoss([0, 7, 0], { softTargets: [0.25, 0.5, 0.25] }, 1, 3, { mask: [1, 0, 1] });
    expectClose([mean], [LN2 / 2], 1e-15);
  });

  it('keeps the digits of a confident row: 2.06e-9 for a margin of 20, 4.2e-18 for one of 40', () => {
    const { losses } = generalLoss([20, 0, 40, 0], [0, 0], 2, 2, { sampleWeight: [1, 1] });
    expect(Math.abs(losses[0]! / Math.log1p(Math.exp(-20)) - 1)).toBeLessThan(1e-15);
    expect(Math.abs(losses[1]! / Math.exp(-40) - 1)).toBeLessThan(1e-15);
  });

  it('keeps the digits of a confident row with focal loss too: 1 - p = e⁻⁴⁰ gives e⁻¹²⁰ within 1e-14', () => {
    const { losses } = generalLoss([40, 0], [0], 1, 2, { focalGamma: 2 });
    expect(Math.abs(losses[0]! / Math.exp(-120) - 1)).toBeLessThan(1e-14);
  });
});

describe('the gradient of the general loss', () => {
  it('is crossEntropyGradient within 1e-15 without options', () => {
    const gradient = generalLossGradient(logits, targets, rows, classes, { reduction: 'sum' });
    expectClose(gradient, crossEntropyGradient(logits, targets, rows, classes), 1e-15);
  });

  describe.each(bothTargets)('by finite differences within 1e-8, %s', (_, wanted) => {
    it.each(combinations)('%s: of the sum and of the mean', (__, options) => {
      for (const [reduction, result] of [
        ['sum', 'lossSum'],
        ['mean', 'mean'],
      ] as const) {
        const expected = centralDifferences(
          (z) => generalLoss(z, wanted, rows, classes, options)[result],
          logits,
        );
        const gradient = generalLossGradient(logits, wanted, rows, classes, { ...options, reduction });
        expectClose(gradient, expected, 1e-8);
      }
    });
  });

  it('of losses is Σ gradOutput_i loss_i’s, times gradScale, within 1e-8 of finite differences', () => {
    const gradOutput = [0.5, -1, 2, 0, 3, 0.25];
    const [, options] = combinations.at(-1)!;
    const weighted = (z: Float64Array) =>
      generalLoss(z, targets, rows, classes, options).losses.reduce(
        (total, loss, row) => total + 4 * gradOutput[row]! * loss,
        0,
      );
    const gradient = generalLossGradient(logits, targets, rows, classes, {
      ...options,
      reduction: 'none',
      gradOutput,
      gradScale: 4,
    });
    expectClose(gradient, centralDifferences(weighted, logits), 1e-8);
  });

  it.each([0, 0.5, 1, 2, 5])(
    'has the focal slope p f′(p) that finite differences give within 1e-8, gamma %d',
    (gamma) => {
      for (const p of [0.01, 0.3, 0.5, 0.9]) {
        const [slope] = centralDifferences(([x]) => focalTerm(Math.log(x!), gamma), [p], 1e-6);
        expectClose([focalSlope(Math.log(p), gamma)], [p * slope!], 1e-8);
      }
    },
  );

  it.each([0.5, 1, 2])('has the limits of the focal slope: -1 at p = 0 and 0 at p = 1, gamma %d', (gamma) => {
    expect([focalSlope(-inf, gamma), focalSlope(0, gamma)]).toEqual([-1, 0]);
    expect(Math.abs(focalSlope(-1e-12, gamma))).toBeLessThan(1e-5);
  });

  it('is exactly 0 in masked classes, also of a masked target, whose loss is Infinity', () => {
    const masked = { mask: [0, 1, 1], reduction: 'sum' } as const;
    expect(generalLoss([5, 0, 0], [0], 1, 3, masked).lossSum).toBe(inf);
    expectClose(generalLossGradient([5, 0, 0], [0], 1, 3, masked), [0, 0.5, 0.5], 1e-15);
    expectClose(generalLossGradient([nan, 0, 0], [1], 1, 3, masked), [0, -0.5, 0.5], 1e-15);
  });
});

describe('edge rows of the general loss', () => {
  it.each([
    ['NaN', [0, nan, 1]],
    ['+Infinity', [0, inf, 1]],
    ['nothing but -Infinity', [-inf, -inf, -inf]],
  ])('with %s have loss NaN and gradient NaN throughout, beside good rows that are untouched', (_, row) => {
    const batch = [...row, 0, 0, 0];
    expectClose(generalLoss(batch, [0, 2], 2, 3).losses, [nan, Math.log(3)], 1e-15);
    const gradient = generalLossGradient(batch, [0, 2], 2, 3, { reduction: 'sum' });
    expectClose(gradient, [nan, nan, nan, 1 / 3, 1 / 3, -2 / 3], 1e-15);
  });

  it('are NaN also when nothing in them weighs anything, but the gradient of the empty mean is 0', () => {
    const weightless = { weight: [1, 0] };
    expect(generalLoss([nan, 1], [1], 1, 2, weightless).losses).toEqual(Float64Array.of(nan));
    expectClose(generalLossGradient([nan, 1], [1], 1, 2, { ...weightless, reduction: 'sum' }), [nan, nan], 0);
    expect([...generalLossGradient([nan, 1], [1], 1, 2, weightless)]).toEqual([0, 0]);
  });

  it('without a class left have loss NaN and gradient NaN', () => {
    expect(generalLoss([1, 2], [0], 1, 2, { mask: [0, 0] }).losses).toEqual(Float64Array.of(nan));
    expectClose(generalLossGradient([1, 2], [0], 1, 2, { mask: [0, 0] }), [nan, nan], 0);
  });

  it('with a target at -Infinity have loss Infinity and the gradient softmax - one-hot', () => {
    expect(generalLoss([-inf, 0, 0], [0], 1, 3).mean).toBe(inf);
    expectClose(generalLossGradient([-inf, 0, 0], [0], 1, 3), [-1, 0.5, 0.5], 1e-15);
  });

  it('count a share of 0 and a weight of 0 at -Infinity as 0, where PyTorch says NaN', () => {
    expect(generalLoss([-inf, 0], { softTargets: [0, 1] }, 1, 2).mean).toBe(0);
    expectClose(generalLossGradient([-inf, 0], { softTargets: [0, 1] }, 1, 2), [0, 0], 0);
    expect(generalLoss([-inf, 0], [0], 1, 2, { weight: [0, 1] }).lossSum).toBe(0);
  });

  it('count that as NaN with zeroTimesInfinity nan: in the terms that PyTorch adds up, and not in masked classes', () => {
    const nanLoss = { zeroTimesInfinity: 'nan' } as const;
    const lossOf = (targets: LossTargets, options: LossOptions = {}) =>
      generalLoss([-inf, 0, 1], targets, 1, 3, { ...nanLoss, ...options }).mean;
    expect(lossOf({ softTargets: [0, 1, 0] })).toBeNaN();
    expect(lossOf([1], { labelSmoothing: 0.1, weight: [0, 1, 1] })).toBeNaN();
    expect(generalLoss([-inf, 0], [0], 1, 2, { ...nanLoss, weight: [0, 1] }).lossSum).toBeNaN();
    // Without smoothing an index has one term; a share that is not 0 costs Infinity either way.
    expect(lossOf([1])).toBe(generalLoss([-inf, 0, 1], [1], 1, 3).mean);
    expect(lossOf({ softTargets: [1, 0, 0] })).toBe(inf);
    expect(lossOf({ softTargets: [0, 1, 0] }, { mask: [0, 1, 1] })).toBeCloseTo(Math.log(1 + Math.E), 14);
    expectClose(
      generalLossGradient([-inf, 0], { softTargets: [0, 1] }, 1, 2, nanLoss),
      generalLossGradient([-inf, 0], { softTargets: [0, 1] }, 1, 2),
      0,
    );
  });

  it('stay NaN with a sampleWeight of 0 when the loss is not finite: 0 · Infinity; ignoring is what leaves rows out', () => {
    expect(generalLoss([-inf, 0], [0], 1, 2, { sampleWeight: [0] }).losses).toEqual(Float64Array.of(nan));
    expectClose(
      generalLossGradient([-inf, 0], [0], 1, 2, { sampleWeight: [0], reduction: 'sum' }),
      [0, 0],
      0,
    );
  });

  it('with smoothing are Infinity wherever a kept class has -Infinity', () => {
    expect(generalLoss([-inf, 0], [1], 1, 2, { labelSmoothing: 0.1 }).mean).toBe(inf);
  });

  it('that are ignored have loss 0 and gradient exactly 0, whatever their logits', () => {
    const ignored = [nan, inf, -inf, 0, 0, 0];
    expect(generalLoss(ignored, [-100, 0], 2, 3).losses[0]).toBe(0);
    const gradient = generalLossGradient(ignored, [-100, 0], 2, 3);
    expect([...gradient.subarray(0, 3)]).toEqual([0, 0, 0]);
  });
});

describe('a mean over nothing', () => {
  const nothing = { ignoreIndex: 1 } as const;

  it.each([
    ['nan', nan],
    ['zero', 0],
  ] as const)('is with onEmpty %s: %d, with lossSum 0 and a gradient of 0', (onEmpty, mean) => {
    const result = generalLoss([1, 2], [1], 1, 2, { ...nothing, onEmpty });
    expect([result.mean, result.lossSum, result.weightSum]).toEqual([mean, 0, 0]);
    expectClose(generalLossGradient([1, 2], [1], 1, 2, { ...nothing, onEmpty }), [0, 0], 0);
  });

  it('is ERR_EMPTY with onEmpty throw, for the loss and the gradient', () => {
    for (const operation of [generalLoss, generalLossGradient]) {
      expect(() => operation([1, 2], [1], 1, 2, { ...nothing, onEmpty: 'throw' })).toThrow(
        expect.objectContaining({ code: 'ERR_EMPTY', argument: 'targets' }),
      );
    }
  });

  it('is also one over classes of weight 0, and one over no rows', () => {
    expect(generalLoss([1, 2], [1], 1, 2, { weight: [1, 0] }).mean).toBe(nan);
    expectClose(generalLossGradient([1, 2], [1], 1, 2, { weight: [1, 0] }), [0, 0], 0);
    expect(generalLoss([], [], 0, 2, { onEmpty: 'zero' }).mean).toBe(0);
  });
});

describe('the general loss refuses', () => {
  it.each([2, -1, 0.5, nan])('target %d of 2 classes, naming row, value and the ignoreIndex', (target) => {
    expect(() => generalLoss([0, 0, 0, 0], [0, target], 2, 2)).toThrow(
      expect.objectContaining({
        code: 'ERR_TARGET_RANGE',
        row: 1,
        value: target,
        message: `targets[1] is ${target}; a target must be a class index from 0 to 1, or the ignoreIndex -100.`,
      }),
    );
    const { losses, weightSum } = generalLoss([0, 0, 0, 0], [0, target], 2, 2, { onInvalidTarget: 'ignore' });
    expectClose(losses, [LN2, 0], 1e-15);
    expect(weightSum).toBe(1);
  });

  it.each([
    [{ labelSmoothing: 1.5 }, 'labelSmoothing'],
    [{ temperature: 0 }, 'temperature'],
    [{ temperature: inf }, 'temperature'],
    [{ softcap: -1 }, 'softcap'],
    [{ zLoss: nan }, 'zLoss'],
    [{ focalGamma: -1 }, 'focalGamma'],
    [{ ignoreIndex: 0.5 }, 'ignoreIndex'],
    [{ onEmpty: 'never' as 'nan' }, 'onEmpty'],
    [{ onInvalidTarget: 'never' as 'throw' }, 'onInvalidTarget'],
  ])('%j', (options, argument) => {
    expect(() => generalLoss(logits, targets, rows, classes, options)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument }),
    );
  });

  it.each([
    [{ weight: [1] }, 'weight'],
    [{ sampleWeight: [1] }, 'sampleWeight'],
    [{ mask: [1] }, 'mask'],
  ])('%j, for its length', (options, argument) => {
    expect(() => generalLoss(logits, targets, rows, classes, options)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument, value: 1 }),
    );
  });

  it('soft targets of another shape, and gradOutput of a mean', () => {
    expect(() => generalLoss(logits, { softTargets: softTargets.slice(1) }, rows, classes)).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'softTargets' }),
    );
    expect(() =>
      generalLossGradient(logits, targets, rows, classes, { gradOutput: new Float64Array(rows) }),
    ).toThrow(expect.objectContaining({ code: 'ERR_OPTION', argument: 'gradOutput' }));
  });
});

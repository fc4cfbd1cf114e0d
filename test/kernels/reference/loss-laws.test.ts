// How the options of the general loss compose: laws that hold for any batch.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  generalLoss,
  generalLossGradient,
  type LossOptions,
  mapRows,
  oneHot,
  softcapped,
  softmax,
} from '#softshard/kernels/reference/index.js';
import { expectClose } from './expect-close.js';
import {
  bothTargets,
  classes,
  combinations,
  logits,
  options,
  rows,
  softTargets,
  targets,
} from './loss-cases.js';

/** Loss, sums and gradient of both reductions as one list. */
function everything(z: ArrayLike<number>, wanted: Parameters<typeof generalLoss>[1], given: LossOptions) {
  const { losses, lossSum, zLossSum, weightSum, mean } = generalLoss(z, wanted, rows, classes, given);
  const gradients = (['sum', 'mean'] as const).map((reduction) =>
    generalLossGradient(z, wanted, rows, classes, { ...given, reduction }),
  );
  return [...losses, lossSum, zLossSum, weightSum, mean, ...gradients.flatMap((gradient) => [...gradient])];
}

const ones = (length: number) => new Float64Array(length).fill(1);

describe.each(bothTargets)('with %s', (_, wanted) => {
  it.each(combinations)('neutral values change no bit: %s', (__, given) => {
    const neutral: LossOptions = {
      weight: ones(classes),
      sampleWeight: ones(rows),
      labelSmoothing: 0,
      mask: ones(rows * classes),
      temperature: 1,
      softcap: 0,
      zLoss: 0,
      focalGamma: 0,
      ignoreIndex: -100,
    };
    expect(everything(logits, wanted, { ...neutral, ...given })).toEqual(everything(logits, wanted, given));
  });

  it('temperature T is dividing the logits by T, within 1e-15; the gradient is T times smaller', () => {
    const temperature = 2.5;
    const divided = Float64Array.from(logits, (logit) => logit / temperature);
    const { losses } = generalLoss(logits, wanted, rows, classes, { temperature });
    expectClose(losses, generalLoss(divided, wanted, rows, classes).losses, 1e-15);
    expectClose(
      generalLossGradient(logits, wanted, rows, classes, { temperature }).map((slope) => temperature * slope),
      generalLossGradient(divided, wanted, rows, classes),
      1e-15,
    );
  });

  it('a soft cap is capping the logits beforehand, bit for bit', () => {
    const capped = Float64Array.from(logits, (logit) => softcapped(logit, 3));
    expect(generalLoss(logits, wanted, rows, classes, { softcap: 3 })).toEqual(
      generalLoss(capped, wanted, rows, classes),
    );
  });

  it('a mask is a logit of -Infinity for the softmax', () => {
    const { mask } = options.mask!;
    const kept = Float64Array.from(logits, (logit, i) => (mask![i] === 0 ? Number.NEGATIVE_INFINITY : logit));
    const shares =
      'softTargets' in wanted ? { softTargets: softTargets.map((q, i) => q * mask![i]!) } : wanted;
    expect(everything(logits, wanted, { mask: mask! })).toEqual(everything(kept, shares, {}));
  });

  it('smoothing 1 asks for the uniform distribution, whatever the targets, within 1e-15', () => {
    const uniform = { softTargets: ones(rows * classes).map(() => 1 / classes) };
    const smooth = generalLoss(logits, wanted, rows, classes, { labelSmoothing: 1 });
    expectClose(smooth.losses, generalLoss(logits, uniform, rows, classes).losses, 1e-15);
  });

  it('smoothing ε is the mix of the losses with ε = 0 and ε = 1, within 1e-14, with every other option', () => {
    const [__, all] = combinations.at(-1)!;
    const at = (labelSmoothing: number) =>
      generalLoss(logits, wanted, rows, classes, { ...all, zLoss: 0, labelSmoothing }).losses;
    const [none, full] = [at(0), at(1)];
    expectClose(
      at(0.3),
      none.map((loss, row) => 0.7 * loss + 0.3 * full[row]!),
      1e-14,
    );
  });

  it.each(combinations)(
    'a row of the gradient sums to 0 without z-loss or soft cap, within 1e-14: %s',
    (__, given) => {
      const gradient = generalLossGradient(logits, wanted, rows, classes, { ...given, zLoss: 0, softcap: 0 });
      for (let row = 0; row < rows; row++) {
        const slopes = gradient.subarray(row * classes, (row + 1) * classes);
        expectClose([slopes.reduce((total, slope) => total + slope, 0)], [0], 1e-14);
      }
    },
  );

  it.each(combinations)(
    'weights twice as large double the sum and leave the mean, within 1e-14: %s',
    (__, given) => {
      const sampleWeight = given.sampleWeight ?? ones(rows);
      const doubled = { ...given, sampleWeight: Float64Array.from(sampleWeight, (weight) => 2 * weight) };
      const [once, twice] = [given, doubled].map((each) => generalLoss(logits, wanted, rows, classes, each));
      expectClose([twice!.lossSum, twice!.weightSum], [2 * once!.lossSum, 2 * once!.weightSum], 1e-14);
      expectClose([twice!.mean], [once!.mean], 1e-14);
    },
  );
});

describe('a batch', () => {
  it.each(combinations)('with an ignored row is the batch without it, bit for bit: %s', (_, given) => {
    const { ignoreIndex: __, ...others } = given;
    const at = 2;
    const without = <T extends ArrayLike<number>>(array: T, width: number) =>
      Array.from(array).filter((___, i) => Math.floor(i / width) !== at);
    const shorter = {
      ...others,
      ...(given.mask === undefined ? {} : { mask: without(given.mask, classes) }),
      ...(given.sampleWeight === undefined ? {} : { sampleWeight: without(given.sampleWeight, 1) }),
    };
    const ignoring = targets.map((target, row) => (row === at ? -7 : target));
    const whole = generalLoss(logits, ignoring, rows, classes, { ...others, ignoreIndex: -7 });
    const part = generalLoss(without(logits, classes), without(targets, 1), rows - 1, classes, shorter);
    expect(whole.losses[at]).toBe(0);
    expect({ ...whole, losses: without(whole.losses, 1) }).toEqual({ ...part, losses: [...part.losses] });
    const gradient = generalLossGradient(logits, ignoring, rows, classes, { ...others, ignoreIndex: -7 });
    expect([...gradient.subarray(at * classes, (at + 1) * classes)]).toEqual(new Array(classes).fill(0));
    expect(without(gradient, classes)).toEqual([
      ...generalLossGradient(without(logits, classes), without(targets, 1), rows - 1, classes, shorter),
    ]);
  });

  it.each(combinations)(
    'with one-hot soft targets has the losses of class indices, bit for bit: %s',
    (_, given) => {
      const { ignoreIndex: __, ...others } = given;
      const hot = { softTargets: oneHot(targets, classes) };
      const soft = generalLoss(logits, hot, rows, classes, others);
      const hard = generalLoss(logits, targets, rows, classes, others);
      expect([soft.losses, soft.lossSum]).toEqual([hard.losses, hard.lossSum]);
    },
  );

  it.each(combinations)('has sums that add up over its parts, within 1e-14: %s', (_, given) => {
    const part = (begin: number, end: number) =>
      generalLoss(
        logits.slice(begin * classes, end * classes),
        targets.slice(begin, end),
        end - begin,
        classes,
        {
          ...given,
          ...(given.mask === undefined
            ? {}
            : { mask: Array.from(given.mask).slice(begin * classes, end * classes) }),
          ...(given.sampleWeight === undefined
            ? {}
            : { sampleWeight: Array.from(given.sampleWeight).slice(begin, end) }),
        },
      );
    const [whole, first, second] = [part(0, rows), part(0, 2), part(2, rows)];
    for (const sum of ['lossSum', 'zLossSum', 'weightSum'] as const) {
      expectClose([first![sum] + second![sum]], [whole![sum]], 1e-14);
    }
  });
});

describe('for any row of up to 20 logits', () => {
  const row = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 20 });

  it('adding a number to all logits changes no loss without z-loss and soft cap, within 1e-12', () => {
    fc.assert(
      fc.property(row, fc.double({ min: -100, max: 100, noNaN: true }), fc.nat(19), (z, shift, at) => {
        const wanted = [at % z.length];
        const shifted = z.map((logit) => logit + shift);
        const given = { labelSmoothing: 0.1, focalGamma: 1, temperature: 0.5 };
        const [got, expected] = [shifted, z].map(
          (each) => generalLoss(each, wanted, 1, z.length, given).mean,
        );
        expectClose([got!], [expected!], 1e-12);
      }),
    );
  });

  it('reversing the classes reverses the gradient, within 1e-13', () => {
    fc.assert(
      fc.property(row, fc.nat(19), (z, at) => {
        const target = at % z.length;
        const given = { labelSmoothing: 0.2, zLoss: 0.01, softcap: 20, focalGamma: 1.5 };
        const forward = generalLossGradient(z, [target], 1, z.length, given);
        const backward = generalLossGradient([...z].reverse(), [z.length - 1 - target], 1, z.length, given);
        expectClose([...backward].reverse(), forward, 1e-13);
      }),
    );
  });

  it('a soft target of mass s has a gradient of s · softmax - q, which sums to 0, within 1e-13', () => {
    fc.assert(
      fc.property(row, fc.double({ min: 0, max: 3, noNaN: true }), (z, mass) => {
        const q = softmax(z.map((_, j) => Math.sin(j))).map((share) => mass * share);
        const p = mapRows(z, 1, z.length, softmax);
        const gradient = generalLossGradient(z, { softTargets: q }, 1, z.length);
        expectClose(
          gradient,
          p.map((probability, j) => mass * probability - q[j]!),
          1e-13,
        );
        expectClose([gradient.reduce((total, slope) => total + slope, 0)], [0], 1e-13);
      }),
    );
  });
});

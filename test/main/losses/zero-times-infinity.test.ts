// What a share of 0 costs where the logit is -Infinity: 0, or NaN on request; against the formulas, in every call that takes
// the option.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, type FloatType, SoftmaxClassifier, type Tensor } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

const [ROWS, CLASSES] = [40, 11];
/** Some logits are -Infinity, never all of a row. */
const logits = randomValues(ROWS * CLASSES, 4, 1).map((z, i) => (z > 1 && i % CLASSES > 0 ? -Infinity : z));
const targets = randomTargets(ROWS, CLASSES, 2);
/** About a third of the shares are 0. */
const softTargets = randomValues(ROWS * CLASSES, 1, 3).map((y) => Math.max(0, y + 0.3));
const weight = Float32Array.from({ length: CLASSES }, (_, j) => (j % 3 === 1 ? 0 : 1 + j / 8));
const mask = Uint8Array.from(logits, (z, i) => (z === -Infinity && i % 2 === 0 ? 0 : 1));

describe.each(builds)('zeroTimesInfinity (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const CASES = [
    { soft: true, options: {} },
    { soft: true, options: { mask, zLoss: 0.01 } },
    { soft: true, options: { weight, focalGamma: 2, temperature: 2 } },
    { soft: false, options: { weight } },
    { soft: false, options: { weight, labelSmoothing: 0.1 } },
    { soft: false, options: { weight, labelSmoothing: 0.1, mask } },
    { soft: false, options: {} },
  ] as const;

  test.each<FloatType>(['float32', 'float64'])(
    'NaN rows are those of the formulas, the others and the gradient keep their bits (%s)',
    async (type) => {
      let spoiled = 0;
      const data = type === 'float64' ? Float64Array.from(logits) : logits;
      const tensor = { type, dims: [ROWS, CLASSES], data } as Tensor<'float32'>;
      for (const { soft, options } of CASES) {
        const given = soft ? softTargets : targets;
        const common = { ...options, reduction: 'none' } as const;
        const zero = await engine.crossEntropyGradient(tensor, given, common);
        const nan = await engine.crossEntropyGradient(tensor, given, { ...common, zeroTimesInfinity: 'nan' });
        const wanted = reference.generalLoss(logits, soft ? { softTargets } : targets, ROWS, CLASSES, {
          ...options,
          zeroTimesInfinity: 'nan',
        });
        expect(bitsOf(nan.gradLogits.data as Float32Array)).toBe(
          bitsOf(zero.gradLogits.data as Float32Array),
        );
        for (let row = 0; row < ROWS; row++) {
          const isLost = Number.isNaN(wanted.losses[row]);
          if (isLost) spoiled++;
          expect(nan.losses![row], `row ${row}`).toBe(isLost ? Number.NaN : zero.losses![row]);
        }
      }
      expect(spoiled).toBeGreaterThan(50);
    },
  );

  test('linearCrossEntropy and evaluate take it, fit diverges of it, and another word is refused', async () => {
    const identity = new Float32Array(CLASSES * CLASSES);
    for (let j = 0; j < CLASSES; j++) identity[j * CLASSES + j] = 1;
    // A bias of -Infinity makes the logits of class 2 so.
    const bias = new Float32Array(CLASSES);
    bias[2] = -Infinity;
    const inputs = randomValues(ROWS * CLASSES, 2, 7);
    const weights = { type: 'float32', dims: [CLASSES, CLASSES], data: identity } as const;
    const linear = (zeroTimesInfinity: 'zero' | 'nan') =>
      engine.linearCrossEntropy(inputs, weights, bias, softTargets.map(withoutClass2), { zeroTimesInfinity });
    expect((await linear('nan')).loss).toBeNaN();
    expect(Number.isFinite((await linear('zero')).loss)).toBe(true);

    const classifier = new SoftmaxClassifier(engine, { features: CLASSES, classes: CLASSES });
    classifier.weights.set(identity);
    classifier.bias.set(bias);
    const shares = { type: 'float32', dims: [ROWS, CLASSES], data: softTargets.map(withoutClass2) } as const;
    const evaluate = (zeroTimesInfinity: 'zero' | 'nan') =>
      classifier.evaluate(inputs, shares, { zeroTimesInfinity });
    expect((await evaluate('nan')).loss).toBeNaN();
    expect(Number.isFinite((await evaluate('zero')).loss)).toBe(true);
    const training = () => classifier.fit(inputs, shares, { epochs: 1, zeroTimesInfinity: 'nan' });
    expect(await failure(training)).toMatchObject({ code: 'ERR_DIVERGED' });
    const wrong = () =>
      engine.crossEntropy(logits, targets, { columns: CLASSES, zeroTimesInfinity: 'one' as never });
    expect(await failure(wrong)).toMatchObject({ code: 'ERR_OPTION', argument: 'options.zeroTimesInfinity' });
  });
});

const withoutClass2 = (share: number, i: number): number => (i % CLASSES === 2 ? 0 : share);

// A full-batch fit that ends early: the model is what it was, or weights and scaling that belong together.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomValues } from '../../kernels/workbench.js';

const [ROWS, FEATURES, CLASSES] = [400, 6, 3];
const targets = Int32Array.from({ length: ROWS }, (_, row) => row % CLASSES);
/** Columns of very different means and deviations. */
const inputs = randomValues(ROWS * FEATURES, 1, 3).map((value, i) => {
  const [row, feature] = [Math.floor(i / FEATURES), i % FEATURES];
  return 10 ** (feature - 2) * (value + targets[row]! * Math.sin(feature) + 5);
});

describe('a full-batch fit that ends early', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  const classifierOf = () => new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });

  test('aborted: the classifier has the weights of the last iteration, with the scaling they belong to', async () => {
    for (const options of [{ C: 1, scale: 'standard' }, {}, { C: 1 }] satisfies Training.FitOptions[]) {
      const classifier = classifierOf();
      const controller = new AbortController();
      const losses: number[] = [];
      const reason = new Error('enough');
      const error = await failure(() =>
        classifier.fit(inputs, targets, {
          ...options,
          signal: controller.signal,
          onProgress: ({ loss }) => {
            losses.push(loss);
            if (losses.length === 2) controller.abort(reason);
          },
        }),
      );
      expect(error).toBe(reason);
      const { loss } = await classifier.evaluate(inputs, targets);
      expect(loss).toBeLessThan(losses[0]! * 1.01);
      if ('scale' in options) expect(classifier.featureScaling).toBeDefined();
    }
  });

  test('validation rows that are not finite: named before training begins, and nothing is changed', async () => {
    const bad = inputs.slice();
    bad[77 * FEATURES + 4] = Number.NaN;
    const start = async () => {
      const classifier = classifierOf();
      await classifier.fit(inputs, targets, { epochs: 1 });
      return classifier;
    };
    const validation = { inputs: bad, targets };
    const cases: [Float32Array, Training.FitOptions][] = [
      [inputs, { scale: 'standard', validation }],
      [inputs, { C: 1, validation }],
      [inputs, { epochs: 3, learningRate: 1e-6, validation }],
      [inputs, { solver: 'adamw', validation, earlyStopping: true }],
      [bad, { C: 1, validationSplit: 0.99 }],
      [bad, { epochs: 3, learningRate: 1e-6, validationSplit: 0.99 }],
    ];
    for (const [rows, options] of cases) {
      const classifier = await start();
      const before = bitsOf(classifier.weights, classifier.bias);
      let reports = 0;
      const count = () => {
        reports++;
      };
      const isFullBatch = options.epochs === undefined && options.solver === undefined;
      const callback = isFullBatch ? { onProgress: count } : { onEpochEnd: count };
      const error = await failure(() => classifier.fit(rows, targets, { ...options, ...callback }));
      expect(error).toMatchObject({
        code: 'ERR_NOT_FINITE',
        argument: rows === bad ? 'inputs' : 'options.validation.inputs',
        row: 77,
        feature: 4,
      });
      expect(reports).toBe(0);
      expect(bitsOf(classifier.weights, classifier.bias)).toBe(before);
      expect(classifier.featureScaling).toBeUndefined();
    }
  });

  test('rows to validate on that are ignored may hold anything', async () => {
    const bad = inputs.slice();
    bad[77 * FEATURES + 4] = Number.NaN;
    const ignored = targets.with(77, -100);
    const { validationLoss } = await classifierOf().fit(inputs, targets, {
      C: 1,
      scale: 'standard',
      validation: { inputs: bad, targets: ignored },
    });
    expect(validationLoss).toBeGreaterThan(0);
  });
});

// Inputs of bytes: everything a classifier does with them has the bits of scaling them to float32 first.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Engine,
  SoftmaxClassifier,
  scaleFeatures,
  type Tensor,
  type Training,
} from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

const ROWS = 300;
const SHAPES = [
  { by: 'data-parallel', features: 19, classes: 7 },
  { by: 'parameter-sharded', features: 300, classes: 900 },
] as const;
const OPTIONS: Training.FitOptions = {
  epochs: 2,
  batchSize: 128,
  momentum: 0.9,
  validationSplit: 0.2,
  seed: 4,
};

const scalings = (features: number): Record<string, Training.FeatureScaling> => ({
  'one shift and one scale': { shift: 3, scale: 1 / 255 },
  'one for each feature': { shift: randomValues(features, 99, 1), scale: randomValues(features, 0.02, 2) },
  'one shift, a scale for each feature': { shift: 127.5, scale: randomValues(features, 0.02, 3) },
});

describe.each(builds)('inputs of bytes (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 3, numerics });
  });
  afterAll(() => engine.close());

  const bytesOf = (features: number): Uint8Array =>
    Uint8Array.from(randomValues(ROWS * features, 128, features), (value) => value + 128);

  describe.each(SHAPES)('training by $by', ({ by, features, classes }) => {
    const bytes = bytesOf(features);
    const targets = randomTargets(ROWS, classes, 9);
    const dims = [ROWS, features];

    /** Everything that a classifier says of rows that it was trained on. */
    async function trained(
      inputs: Tensor<'float32'> | Tensor<'uint8'> | Uint8Array,
      scaling?: Training.FeatureScaling,
    ) {
      const classifier = new SoftmaxClassifier(engine, {
        features,
        classes,
        ...(scaling && { featureScaling: scaling }),
      });
      const { epochs } = await classifier.fit(inputs, targets, OPTIONS);
      const { data } = await classifier.predictProbabilities(inputs);
      const { loss, accuracy } = await classifier.evaluate(inputs, targets);
      const losses = epochs.flatMap((epoch) => [
        epoch.loss,
        epoch.validationLoss!,
        epoch.validationAccuracy!,
      ]);
      return {
        weights: bitsOf(classifier.weights),
        bias: bitsOf(classifier.bias),
        probabilities: bitsOf(data),
        classes: await classifier.predict(inputs),
        figures: [...losses, loss, accuracy],
      };
    }

    test.each(Object.keys(scalings(1)))(
      'have the bits of float32 that was scaled before, with %s',
      async (name) => {
        expect(planTraining({ rows: 240, batchSize: 128, features, classes }).by).toBe(by);
        const scaling = scalings(features)[name]!;
        const floats: Tensor<'float32'> = { type: 'float32', dims, data: Float32Array.from(bytes) };
        scaleFeatures(floats, scaling);
        const expected = await trained(floats);
        const resident = engine.tensor('uint8', dims);
        resident.data.set(bytes);
        expect(await trained(resident, scaling), 'in the arena').toEqual(expected);
        expect(await trained(bytes, scaling), 'a bare array').toEqual(expected);
        resident.free();
      },
    );

    test('without a scaling are taken as the numbers they are', async () => {
      const floats = { type: 'float32', dims, data: Float32Array.from(bytes) } as const;
      const [small, options] = [new SoftmaxClassifier(engine, { features, classes }), { learningRate: 1e-5 }];
      const same = new SoftmaxClassifier(engine, { features, classes });
      await small.fit(bytes, targets, options);
      await same.fit(floats, targets, options);
      expect(bitsOf(small.weights)).toEqual(bitsOf(same.weights));
    });
  });

  test('serve as validation rows beside float32 for training', async () => {
    const [features, classes] = [19, 7];
    const bytes = bytesOf(features);
    const targets = randomTargets(ROWS, classes, 9);
    const featureScaling = { shift: 0, scale: 1 / 255 };
    const floats = { type: 'float32', dims: [ROWS, features], data: Float32Array.from(bytes) } as const;
    const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
    const { epochs } = await classifier.fit(floats, targets, {
      epochs: 1,
      validation: { inputs: bytes, targets },
    });
    const { loss } = await classifier.evaluate(floats, targets);
    expect(epochs[0]!.validationLoss).toBe(loss);
  });

  test('errors name the argument and the remedy', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 4, classes: 2 });
    const wrongWidth = await failure(() =>
      classifier.predict({ type: 'uint8', dims: [2, 3], data: new Uint8Array(6) }),
    );
    expect(wrongWidth).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
    const ragged = await failure(() => classifier.predict(new Uint8Array(6)));
    expect(ragged).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
    const notBytes = { type: 'uint8', dims: [1, 4], data: new Float32Array(4) } as unknown as Tensor<'uint8'>;
    const mistyped = await failure(() => classifier.predict(notBytes));
    expect(mistyped).toMatchObject({ code: 'ERR_TYPE', argument: 'inputs.data' });
    expect(mistyped.message).toContain('Uint8Array');
    const freed = engine.tensor('uint8', [2, 4]);
    freed.free();
    expect(await failure(() => classifier.predict(freed))).toMatchObject({ code: 'ERR_FREED' });
  });
});

// Features of NaN and Infinity, and logits that overflow: errors that name the row, or rows left out on request; never class 0.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { byPartials, byTiles, maskOf, softTargetsOf } from '../training/loss-cases.js';
import type { Problem } from '../training/workbench.js';

const OPTIONS: Training.FitOptions = { epochs: 2, batchSize: 100, learningRate: 0.05, seed: 3 };
const [ROW, FEATURE] = [77, 5];

/** Its largest array as a digest, which is compared at once. */
const inShort = ({ confusion, ...report }: Training.Evaluation) => ({
  ...report,
  confusion: bitsOf(confusion!.data),
});

/** The problem's inputs with values at some rows' feature FEATURE. */
function spoiled({ inputs, features }: Problem, values: Readonly<Record<number, number>>): Float32Array {
  const changed = inputs.slice();
  for (const [row, value] of Object.entries(values)) changed[Number(row) * features + FEATURE] = value;
  return changed;
}

describe.each(builds)('features that are not finite (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const PROBLEMS = { 'data-parallel': byPartials, 'parameter-sharded': byTiles } as const;
  const models: { scaled: boolean; by: keyof typeof PROBLEMS }[] = [
    { scaled: false, by: 'data-parallel' },
    { scaled: true, by: 'data-parallel' },
    { scaled: false, by: 'parameter-sharded' },
    { scaled: true, by: 'parameter-sharded' },
  ];

  function classifierOf({ features, classes }: Problem, scaled = false): SoftmaxClassifier {
    const featureScaling = { shift: randomValues(features, 1, 2), scale: 0.7 };
    const shape = { features, classes, ...(scaled && { featureScaling }) };
    const classifier = new SoftmaxClassifier(engine, shape);
    // All of one sign for the feature, so that an infinite one gives logits of -Infinity alone, and some that are 0.
    classifier.weights.set(randomValues(features * classes, 0.1, 4));
    for (let j = 0; j < classes; j++) classifier.weights[FEATURE * classes + j] = j % 3 === 2 ? 0 : -0.1;
    return classifier;
  }

  test.each(models)(
    'every call names argument, row, feature, value and remedy: by $by, scaled: $scaled',
    async ({ by, scaled }) => {
      const problem = PROBLEMS[by];
      const { targets } = problem;
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const inputs = spoiled(problem, { [ROW]: value, [ROW + 20]: value });
        const calls: Record<string, (of: SoftmaxClassifier) => Promise<unknown>> = {
          predict: (of) => of.predict(inputs),
          predictProbabilities: (of) => of.predictProbabilities(inputs),
          evaluate: (of) => of.evaluate(inputs, targets),
          'evaluate with options': (of) =>
            of.evaluate(inputs, targets, { labelSmoothing: 0.1, mask: maskOf(problem), softcap: 5 }),
          'evaluate with soft targets': (of) => of.evaluate(inputs, softTargetsOf(problem)),
          fit: (of) => of.fit(inputs, targets, { ...OPTIONS, batchSize: 'full' }),
          'fit with options': (of) =>
            of.fit(inputs, targets, { ...OPTIONS, batchSize: 'full', weight: 'balanced', zLoss: 0.1 }),
          'fit with a soft cap': (of) =>
            of.fit(inputs, targets, { ...OPTIONS, batchSize: 'full', softcap: 5 }),
        };
        for (const [name, call] of Object.entries(calls)) {
          const classifier = classifierOf(problem, scaled);
          const before = bitsOf(classifier.weights, classifier.bias);
          const error = await failure(() => call(classifier));
          const what = `${name}, ${value}: ${error.message}`;
          expect(error, what).toMatchObject({
            code: 'ERR_NOT_FINITE',
            argument: 'inputs',
            row: ROW,
            feature: FEATURE,
            value,
          });
          expect(error.message, what).toContain(
            `inputs[${ROW}, ${FEATURE}] is ${value}, but features must be finite`,
          );
          expect(error.message, what).toMatch(/: impute it, drop the row, or .*(onInvalidInput|ignoreIndex)/);
          expect(bitsOf(classifier.weights, classifier.bias), what).toBe(before);
        }
      }
    },
  );

  test('in shuffled steps the step that meets the row names it, and the model keeps its weights', async () => {
    for (const problem of [byPartials, byTiles]) {
      const classifier = classifierOf(problem);
      const before = bitsOf(classifier.weights, classifier.bias);
      const inputs = spoiled(problem, { [ROW]: Number.NaN });
      const error = await failure(() => classifier.fit(inputs, problem.targets, { ...OPTIONS, epochs: 50 }));
      expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', row: ROW, feature: FEATURE });
      expect(error.message).toContain('The model keeps its weights from before epoch 1');
      expect(bitsOf(classifier.weights, classifier.bias)).toBe(before);
    }
  });

  test('an infinite feature behind a soft cap in the last step of all: the loss is finite, the weights are not', async () => {
    const classifier = classifierOf(byPartials);
    classifier.weights.fill(0.1);
    const inputs = spoiled(byPartials, { [byPartials.rows - 1]: Number.POSITIVE_INFINITY });
    const options: Training.FitOptions = { epochs: 1, shuffle: false, batchSize: 499, softcap: 5 };
    const error = await failure(() => classifier.fit(inputs, byPartials.targets, options));
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', row: byPartials.rows - 1, feature: FEATURE });
    expect(classifier.weights.every((weight) => weight === Math.fround(0.1))).toBe(true);
  });

  test('validation rows: split off they are rows of inputs, given apart those of options.validation.inputs', async () => {
    for (const problem of [byPartials, byTiles]) {
      const { targets, inputs } = problem;
      const bad = spoiled(problem, { [ROW]: Number.POSITIVE_INFINITY });
      // All rows but one are validated on.
      const split = await failure(() =>
        classifierOf(problem).fit(bad, targets, { ...OPTIONS, validationSplit: 1 - 1.5 / problem.rows }),
      );
      expect(split).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: ROW, feature: FEATURE });
      const apart = await failure(() =>
        classifierOf(problem).fit(inputs, targets, { ...OPTIONS, validation: { inputs: bad, targets } }),
      );
      expect(apart).toMatchObject({
        code: 'ERR_NOT_FINITE',
        argument: 'options.validation.inputs',
        row: ROW,
      });
      expect(apart.message).toContain(`options.validation.inputs[${ROW}, ${FEATURE}] is Infinity`);
    }
  });

  test('a float64 beyond float32 is Infinity as a feature, and said so', async () => {
    const inputs = Float32Array.from([1, 2, 3, 1e39]);
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    for (const call of [() => classifier.predict(inputs), () => classifier.fit(inputs, [0, 1])]) {
      expect(await failure(call)).toMatchObject({
        code: 'ERR_NOT_FINITE',
        row: 1,
        feature: 1,
        value: Infinity,
      });
    }
  });

  test("with onInvalidInput 'ignore' such rows get class -1 and probabilities of NaN, the others keep their bits", async () => {
    for (const { by, scaled } of models) {
      const problem = PROBLEMS[by];
      const { classes } = problem;
      const classifier = classifierOf(problem, scaled);
      const bad = { 0: Number.NaN, [ROW]: Number.POSITIVE_INFINITY, 101: Number.NEGATIVE_INFINITY };
      const inputs = spoiled(problem, bad);
      const isBad = (row: number) => row in bad;
      const resident = engine.matrix(problem.rows, problem.features);
      resident.data.set(inputs);
      const classesOfGood = await classifier.predict(problem.inputs);
      const ofGood = await classifier.predictProbabilities(problem.inputs);
      for (const rows of [inputs, resident]) {
        const predictions = await classifier.predict(rows, { onInvalidInput: 'ignore' });
        expect(predictions).toEqual(classesOfGood.map((it, row) => (isBad(row) ? -1 : it)));
        const { data } = await classifier.predictProbabilities(rows, { onInvalidInput: 'ignore' });
        const wanted = ofGood.data.map((it, i) => (isBad(Math.floor(i / classes)) ? Number.NaN : it));
        expect(bitsOf(data)).toBe(bitsOf(wanted));
      }
      resident.free();
    }
  });

  test("evaluate with onInvalidInput 'ignore' tells how many rows it left out, and of the others what it says without them", async () => {
    for (const problem of [byPartials, byTiles]) {
      const classifier = classifierOf(problem);
      const bad = { 0: Number.NaN, [ROW]: Number.POSITIVE_INFINITY, 101: Number.NEGATIVE_INFINITY };
      const inputs = spoiled(problem, bad);
      // The last of the bad rows is ignored anyway.
      const targets = problem.targets.map((target, row) => (row % 10 === 1 ? -100 : target));
      const without = targets.map((target, row) => (row in bad ? -100 : target));
      const sampleWeight = randomValues(problem.rows, 1, 5).map(Math.abs);
      for (const options of [{}, { sampleWeight, labelSmoothing: 0.1 }]) {
        const wanted = await classifier.evaluate(problem.inputs, without, options);
        const got = await classifier.evaluate(inputs, targets, { ...options, onInvalidInput: 'ignore' });
        expect(inShort(got)).toEqual({ ...inShort(wanted), ignored: wanted.ignored - 2, invalid: 2 });
        expect(wanted.invalid).toBe(0);
      }
      const nothing = inputs.map(() => Number.NaN);
      const none = await classifier.evaluate(nothing, targets, { onInvalidInput: 'ignore' });
      expect(none).toMatchObject({ rows: 0, loss: Number.NaN, accuracy: Number.NaN, weightSum: 0 });
      const empty = () =>
        classifier.evaluate(nothing, targets, { onInvalidInput: 'ignore', onEmpty: 'throw' });
      expect(await failure(empty)).toMatchObject({ code: 'ERR_EMPTY' });
    }
  });

  test('rows that are ignored, or of a sample weight of 0 in fit, may hold anything: the bits of rows without', async () => {
    for (const problem of [byPartials, byTiles]) {
      const isOut = (row: number) => row % 6 === 1;
      const inputs = problem.inputs.map((value, i) =>
        isOut(Math.floor(i / problem.features)) ? Number.NaN : value,
      );
      const targets = problem.targets.map((target, row) => (isOut(row) ? -100 : target));
      const sampleWeight = Float32Array.from(targets, (_, row) => (isOut(row) ? 0 : 1.5));
      const shares = softTargetsOf(problem);
      for (const [given, options] of [
        [targets, {}],
        [targets, { labelSmoothing: 0.1 }],
        [problem.targets, { sampleWeight }],
        [problem.targets, { sampleWeight, mask: maskOf(problem) }],
        [shares, { sampleWeight, zLoss: 0.01 }],
      ] as const) {
        const bits = [];
        for (const rows of [problem.inputs, inputs]) {
          const classifier = classifierOf(problem);
          const { epochs } = await classifier.fit(rows, given, { ...OPTIONS, ...options });
          bits.push(bitsOf(classifier.weights, classifier.bias, ...epochs.map(({ loss }) => loss)));
        }
        expect(bits[1]).toBe(bits[0]);
      }
      const classifier = classifierOf(problem);
      const wanted = await classifier.evaluate(problem.inputs, targets);
      expect(inShort(await classifier.evaluate(inputs, targets))).toEqual(inShort(wanted));
    }
  });

  test('finite features whose logits overflow: said so, with the row', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 3 });
    classifier.weights.set([3, 2, -1, 4, -2, 1]);
    for (const row of [
      [3e38, 3e38],
      [-3e38, -3e38],
      [3e38, -3e38],
    ]) {
      const inputs = Float32Array.from([1, 2, 3, 4, ...row]);
      for (const call of [
        () => classifier.predict(inputs),
        () => classifier.predictProbabilities(inputs),
        () => classifier.evaluate(inputs, [0, 1, 2]),
      ]) {
        const error = await failure(call);
        expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: 2 });
        expect(error.message).toContain(
          'inputs[2] has finite features, but its logits overflow float32: scale',
        );
      }
      const options = { onInvalidInput: 'ignore' } as const;
      expect((await classifier.predict(inputs, options))[2]).toBe(-1);
      expect((await classifier.evaluate(inputs, [0, 1, 2], options)).invalid).toBe(1);
    }
  });

  test('parameters that are not finite are named, but a bias of -Infinity leaves its class out', async () => {
    const inputs = Float32Array.of(1, 2);
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 3 });
    classifier.weights[4] = Number.NaN;
    const error = await failure(() => classifier.predict(inputs));
    expect(error).toMatchObject({
      code: 'ERR_NOT_FINITE',
      argument: 'classifier.weights',
      value: Number.NaN,
    });
    expect(error.message).toContain('classifier.weights[4] is NaN');
    classifier.weights.fill(0);
    classifier.bias.set([Number.NEGATIVE_INFINITY, 1, 1]);
    expect([...(await classifier.predict(inputs))]).toEqual([1]);
    classifier.bias[1] = Number.POSITIVE_INFINITY;
    expect(await failure(() => classifier.predict(inputs))).toMatchObject({ argument: 'classifier.bias' });
  });

  test('probabilities written over their inputs: the row is named all the same', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const inputs = Float32Array.of(1, 2, 3, Number.NaN);
    const error = await failure(() => classifier.predictProbabilities(inputs, { into: inputs }));
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: 1 });
    expect(error.feature).toBeUndefined();
  });

  test('the option is checked', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    const options = { onInvalidInput: 'skip' } as never;
    for (const call of [
      () => classifier.predict(new Float32Array(1), options),
      () => classifier.predictProbabilities(new Float32Array(1), options),
      () => classifier.evaluate(new Float32Array(1), [0], options),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_OPTION', argument: 'options.onInvalidInput' });
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomValues } from '../../kernels/workbench.js';

describe('wrong arguments', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());
  const wrong = (value: unknown) => value as never;

  test.each<[string, string, RegExp, Partial<Record<keyof Training.FitOptions, unknown>>]>([
    ['epochs 0', 'ERR_OPTION', /options\.epochs is 0/, { epochs: 0 }],
    [
      'a batchSize that is no number',
      'ERR_OPTION',
      /options\.batchSize is 'all'.* or 'full'/,
      { batchSize: 'all' },
    ],
    ['batchSize 0', 'ERR_OPTION', /options\.batchSize is 0/, { batchSize: 0 }],
    [
      'a learning rate that is none',
      'ERR_OPTION',
      /options\.learningRate is NaN/,
      { learningRate: Number.NaN },
    ],
    ['momentum 1', 'ERR_OPTION', /options\.momentum is 1: .*\[0, 1\)/, { momentum: 1 }],
    ['Nesterov without momentum', 'ERR_OPTION', /momentum of 0/, { nesterov: true }],
    ['a negative weight decay', 'ERR_OPTION', /options\.weightDecay is -1/, { weightDecay: -1 }],
    ['a fractional seed', 'ERR_OPTION', /options\.seed is 0\.5/, { seed: 0.5 }],
    [
      'a split that keeps no row (F22)',
      'ERR_OPTION',
      /options\.validationSplit is 0\.4, which keeps none of 2 rows for validation: take 0\.5 or more/,
      { validationSplit: 0.4 },
    ],
    ['split and validation', 'ERR_OPTION', /both given/, { validationSplit: 0.5, validation: {} }],
    ['a callback that is none', 'ERR_OPTION', /options\.onStep is 3/, { onStep: 3 }],
    ['a misspelled option', 'ERR_OPTION', /no option 'learningrate'/, { learningrate: 1 } as object],
  ])('fit with %s: %s', async (_, code, message, options) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], wrong(options)));
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  test.each<[string, string, string, Partial<Record<keyof Training.FitOptions, unknown>> | null]>([
    ['no options object', 'ERR_OPTION', 'options', null],
    ['validation null', 'ERR_OPTION', 'options.validation', { validation: null }],
    [
      'a misspelled part of validation',
      'ERR_OPTION',
      'options.validation.labels',
      { validation: { inputs: new Float32Array(4), labels: [0, 1] } },
    ],
    [
      'validation targets out of range',
      'ERR_TARGET_RANGE',
      'options.validation.targets',
      { validation: { inputs: new Float32Array(4), targets: [0, 2] } },
    ],
    [
      'too few validation targets',
      'ERR_SHAPE',
      'options.validation.targets',
      { validation: { inputs: new Float32Array(4), targets: [0] } },
    ],
  ])('fit with %s: %s names %s', async (_, code, argument, options) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const { usedBytes } = engine.memoryUsage();
    const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], wrong(options)));
    expect(error).toMatchObject({ code, argument });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('probabilities into a part of the inputs are refused; into all of them is in-place work', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    classifier.weights.set([1, 2, 3, 4]);
    const inputs = randomValues(2000, 1, 5);
    const wanted = await classifier.predictProbabilities(inputs);
    const narrow = new SoftmaxClassifier(engine, { features: 4, classes: 2 });
    for (const call of [
      () => classifier.predictProbabilities(inputs.subarray(0, 1000), { into: inputs.subarray(2, 1002) }),
      () => narrow.predictProbabilities(inputs, { into: inputs.subarray(0, 1000) }),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.into' });
    }
    await classifier.predictProbabilities(inputs, { into: inputs });
    expect(bitsOf(inputs)).toBe(bitsOf(wanted.data));
  });

  test('inputs of another number of features, targets out of range, a second fit', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const inputs = { type: 'float32', dims: [2, 3], data: new Float32Array(6) } as const;
    for (const call of [
      () => classifier.fit(inputs, [0, 1]),
      () => classifier.predict(inputs),
      () => classifier.predictProbabilities(inputs),
      () => classifier.evaluate(inputs, [0, 1]),
    ]) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
      expect(error.message).toContain('3 columns');
    }
    expect(await failure(() => classifier.fit(new Float32Array(4), [0, 2]))).toMatchObject({
      code: 'ERR_TARGET_RANGE',
      row: 1,
      value: 2,
    });
    const running = classifier.fit(new Float32Array(4), [0, 1]);
    expect(await failure(() => classifier.fit(new Float32Array(4), [0, 1]))).toMatchObject({
      code: 'ERR_BUSY',
    });
    await running;
  });

  test('what a classifier and an engine show cannot be replaced, and weights are written in place (R13)', async () => {
    const classNames = ['a', 'b'];
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2, classNames });
    const values: Record<string, unknown> = {
      features: 1,
      classes: 3,
      classNames: ['x', 'y'],
      featureScaling: { shift: 0, scale: 2 },
      weights: new Float32Array(1),
      bias: new Float32Array(1),
    };
    for (const [name, value] of Object.entries(values)) {
      expect(() => Object.assign(classifier, { [name]: value }), name).toThrow(TypeError);
    }
    for (const name of ['threads', 'numerics', 'wideSimd', 'blas']) {
      expect(() => Object.assign(engine, { [name]: undefined }), name).toThrow(TypeError);
    }
    classNames[0] = 'changed';
    expect(classifier.classNames).toEqual(['a', 'b']);
    expect(() => Object.assign(classifier.classNames!, { 0: 'changed' })).toThrow(TypeError);
    classifier.weights.set([0, 1, 0, 1]);
    expect([...(await classifier.predict(Float32Array.of(1, 1)))]).toEqual([1]);
  });

  test('weights whose memory was transferred are named by every call, and by fit at its end (R13)', async () => {
    const inputs = Float32Array.of(1, 2);
    for (const name of ['weights', 'bias'] as const) {
      const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
      const transfer = () => {
        structuredClone(classifier[name], { transfer: [classifier[name].buffer as ArrayBuffer] });
      };
      const during = await failure(() => classifier.fit(inputs, [0], { epochs: 1, onEpochEnd: transfer }));
      const calls = [
        () => classifier.predict(inputs),
        () => classifier.predictProbabilities(inputs),
        () => classifier.evaluate(inputs, [0]),
        () => classifier.fit(inputs, [0]),
        () => classifier.save('/nowhere/model'),
      ];
      for (const error of [during, ...(await Promise.all(calls.map(failure)))]) {
        expect(error).toMatchObject({ code: 'ERR_TYPE', argument: `classifier.${name}` });
        expect(error.message).toContain(`classifier.${name} is detached`);
      }
    }
  });

  test('no rows: ERR_SHAPE, nothing to train on', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const error = await failure(() => classifier.fit(new Float32Array(0), []));
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs', value: 0 });
    expect(error.message).toContain('nothing to train on');
  });

  test('a classifier of impossible shape', () => {
    expect(() => new SoftmaxClassifier(engine, { features: 0, classes: 2 })).toThrow(
      /options\.features is 0/,
    );
    expect(() => new SoftmaxClassifier(engine, { features: 1, classes: 1 })).toThrow(/options\.classes is 1/);
    expect(() => new SoftmaxClassifier(engine, { features: 1, classes: 2, classNames: ['one'] })).toThrow(
      /1 names for 2 classes/,
    );
    const shape = { features: 2, classes: 2 };
    const holes = Object.assign(new Array<string>(2), { 1: 'b' });
    for (const [argument, create] of [
      ['engine', () => new SoftmaxClassifier(wrong({}), shape)],
      ['options.classes', () => new SoftmaxClassifier(engine, { features: 2 ** 30, classes: 2 })],
      ['options.classNames', () => new SoftmaxClassifier(engine, { ...shape, classNames: wrong('ab') })],
      ['options.classNames', () => new SoftmaxClassifier(engine, { ...shape, classNames: holes })],
      ['options.featureNames', () => new SoftmaxClassifier(engine, { ...shape, featureNames: wrong('ab') })],
      ['options.featureNames', () => new SoftmaxClassifier(engine, { ...shape, featureNames: ['a', 'a'] })],
      [
        'options.featureScaling.shift',
        () => new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: [1], scale: 1 } }),
      ],
      [
        'options.featureScaling.scale',
        () => new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: 1, scale: Number.NaN } }),
      ],
      [
        'options.featureScaling.shift',
        () => new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: [1, 1e39], scale: 1 } }),
      ],
    ] as const) {
      expect(create).toThrow(expect.objectContaining({ name: 'SoftshardError', argument }));
    }
  });
});

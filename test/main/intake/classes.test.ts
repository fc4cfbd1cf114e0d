// Labels of any kind become classes, and are found again by those that come later.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 24 });
});
afterAll(() => engine.close());

const inputs = [[-2], [-1], [1], [2]];
const OPTIONS = { C: 1, scale: 'none' } as const;
const fitted = async (targets: Training.AnyTargets, options: Training.FitOptions = {}) => {
  const classifier = new SoftmaxClassifier(engine);
  await classifier.fit(inputs, targets, { ...OPTIONS, ...options });
  return classifier;
};

describe('a classifier of names that are numbers', () => {
  const warned = async (targets: Training.AnyTargets, options: Training.ClassifierOptions) => {
    const classifier = new SoftmaxClassifier(engine, options);
    const warnings: Error[] = [];
    const take = (warning: Error) => void warnings.push(warning);
    process.on('warning', take);
    try {
      await classifier.fit(inputs, targets, OPTIONS);
      await classifier.evaluate(inputs, targets);
      await new Promise(setImmediate);
    } finally {
      process.off('warning', take);
    }
    return warnings.map((warning) => [Reflect.get(warning, 'code'), warning.message]);
  };
  const classNames = ['1', '2', '3'];

  test('warns once where numbers may be meant as labels, and takes them for class indices', async () => {
    expect(await warned([1, 1, 2, 2], { classNames })).toEqual([
      [
        'WARN_LABELS',
        expect.stringMatching(
          /^targets are taken for class indices, 1 for the class "2", though there is a class "1"/,
        ),
      ],
    ]);
  });

  test('also beside rows that are ignored', async () => {
    expect(await warned([1, 1, 2, -100], { classNames })).toHaveLength(1);
  });

  test.each<[string, Training.AnyTargets, Training.FitOptions]>([
    ['an array', [1, 2, 3, 3], {}],
    ['a typed array', Float32Array.of(1, 2, 3, 3), {}],
    ['bigints', BigInt64Array.of(1n, 2n, 3n, 3n), {}],
    ['an array with an ignored row', [-100, 2, 3, 3], {}],
    ['rows to validate on', [0, 1, 2, 2], { validation: { inputs, targets: [1, 2, 3, 3] } }],
  ])('names a number that is no class index, but a class: %s', async (_, targets, options) => {
    const classifier = new SoftmaxClassifier(engine, { classNames });
    const { code, message } = await failure(() =>
      classifier.fit(inputs, targets, { ...OPTIONS, ...options }),
    );
    expect(code).toBe('ERR_TARGET_RANGE');
    expect(message).toMatch(
      /^(options\.validation\.)?targets\[2\] is 3, not a class index \(0 to 2\) but the name of class 2: pass labels as strings/,
    );
  });

  test('but not where such rows are to be ignored, nor another wrong number', async () => {
    const classifier = new SoftmaxClassifier(engine, { classNames });
    await classifier.fit(inputs, [0, 1, 2, 2], OPTIONS);
    const rules = { onInvalidTarget: 'ignore' } as const;
    expect(await classifier.evaluate(inputs, Int32Array.of(0, 1, 2, 3), rules)).toMatchObject({ ignored: 1 });
    const { message } = await failure(() => classifier.evaluate(inputs, [0, 1, 2, 4]));
    expect(message).toMatch(/^targets\[3\] is 4, not a class: targets must be whole numbers from 0 to 2/);
  });

  test.each<[string, Training.AnyTargets, Training.ClassifierOptions]>([
    ['labels', [1, 1, 2, 3], { classNames, labelType: 'number' }],
    ['strings', ['1', '1', '2', '3'], { classNames }],
    ['indices of which one is no name', [0, 1, 2, 2], { classNames }],
    ['a typed array', Int32Array.of(1, 1, 2, 2), { classNames }],
    ['names that are the indices', [0, 1, 1, 0], { classNames: ['0', '1'] }],
    ['other names', [0, 1, 1, 0], { classNames: ['a', 'b'] }],
  ])('does not warn of %s', async (_, targets, options) => {
    expect(await warned(targets, options)).toEqual([]);
  });
});

describe('a classifier without classes', () => {
  test.each<[string, Training.AnyTargets, readonly string[] | undefined, string | undefined]>([
    ['strings, sorted', ['b', 'b', 'a', 'a'], ['a', 'b'], undefined],
    ['texts of numbers, by value', ['10', '10', '9', '9'], ['9', '10'], undefined],
    ['-1 and 1', [1, 1, -1, -1], ['-1', '1'], 'number'],
    ['numbers with gaps', Int32Array.of(30, 10, 30, 20), ['10', '20', '30'], 'number'],
    ['bigints', [5n, 5n, 7n, 7n], ['5', '7'], 'number'],
    [
      'an int64 tensor',
      { type: 'int64', dims: [4], data: BigInt64Array.of(5n, 7n, 5n, 7n) },
      ['5', '7'],
      'number',
    ],
    ['whole floats', Float64Array.of(-1, -1, 1, 1), ['-1', '1'], 'number'],
    ['booleans', [true, false, true, false], ['false', 'true'], undefined],
    ['class indices', [0, 1, 2, 0], undefined, undefined],
    ['an Arrow vector', arrow.vectorFromArray(['x', 'y', 'x', 'y']), ['x', 'y'], undefined],
    ['a generator', ['x', 'y', 'x', 'y'].values(), ['x', 'y'], undefined],
    [
      'soft rows',
      [
        [0.5, 0.5],
        [1, 0],
        [0, 1],
        [0, 1],
      ],
      undefined,
      undefined,
    ],
    ['soft targets without dims', Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1), undefined, undefined],
  ])('finds them in %s', async (_, targets, classNames, labelType) => {
    const classifier = await fitted(targets);
    expect(classifier.classNames).toEqual(classNames);
    expect(classifier.labelType).toBe(labelType);
    expect(classifier.features).toBe(1);
  });

  test('gives names back, also after it was saved', async () => {
    const classifier = await fitted([-1, -1, 1, 1]);
    expect(await classifier.predictLabels(inputs)).toEqual(['-1', '-1', '1', '1']);
    expect([...(await classifier.predict(inputs))]).toEqual([0, 0, 1, 1]);
    const folder = await mkdtemp(join(tmpdir(), 'softshard-classes-'));
    try {
      await classifier.save(join(folder, 'a.safetensors'));
      const loaded = await SoftmaxClassifier.load(engine, join(folder, 'a.safetensors'));
      expect(loaded.labelType).toBe('number');
      expect((await loaded.evaluate(inputs, [-1, -1, 1, 1])).accuracy).toBe(1);
      expect((await loaded.evaluate(inputs, Float32Array.of(-1, -1, 1, 1))).accuracy).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('trains as one that was given class indices and names', async () => {
    const classifier = await fitted(['b', 'b', 'a', 'a'], { weight: [1, 2] });
    const given = new SoftmaxClassifier(engine, { features: 1, classes: 2, classNames: ['a', 'b'] });
    await given.fit(Float32Array.of(-2, -1, 1, 2), [1, 1, 0, 0], { ...OPTIONS, weight: [1, 2] });
    expect(classifier.weights).toEqual(given.weights);
    // Class indices are none of its names.
    expect((await classifier.evaluate(inputs, [1, 1, 0, 0])).accuracy).toBe(1);
  });

  test('leaves out what is ignored, in training, validation and evaluation', async () => {
    const targets = [10, -100, 20, 20];
    const classifier = await fitted(targets, { validation: { inputs, targets } });
    expect(classifier.classNames).toEqual(['10', '20']);
    expect((await classifier.evaluate(inputs, targets)).ignored).toBe(1);
    // A label of its own, whose number is a class index too.
    const own = await fitted([10, 1, 20, 20], { ignoreIndex: 1 });
    expect(own.classNames).toEqual(['10', '20']);
    expect((await own.evaluate(inputs, [10, 1, 20, 20], { ignoreIndex: 1 })).ignored).toBe(1);
    expect((await own.evaluate(inputs, [10, 3, 20, 20], { onInvalidTarget: 'ignore' })).ignored).toBe(1);
  });

  test('does not know features and classes before its first fit, nor after one that failed', async () => {
    const classifier = new SoftmaxClassifier(engine);
    const calls = [
      async () => classifier.weights,
      async () => classifier.features,
      () => classifier.predict(inputs),
      () => classifier.evaluate(inputs, [0, 0, 1, 1]),
      () => classifier.predictor(),
      () => classifier.save('never'),
      () => classifier.partialFit(inputs, [0, 0, 1, 1]),
    ];
    for (const call of calls) expect(await failure(call)).toMatchObject({ code: 'ERR_NOT_FITTED' });
    await failure(() => classifier.fit([[1], [Number.NaN]], ['a', 'b']));
    expect(classifier.classNames).toBeUndefined();
    expect(Object.keys(classifier)).toEqual([]);
    await classifier.fit(
      [
        [1, 2],
        [3, 4],
      ],
      ['c', 'd'],
    );
    expect([classifier.features, classifier.classNames]).toEqual([2, ['c', 'd']]);
    const { weights } = classifier;
    expect({ ...classifier }).toMatchObject({ features: 2, classes: 2, classNames: ['c', 'd'], weights });
  });

  test('has them where names say how many', async () => {
    const options = { classNames: ['a', 'b'], featureNames: ['x', 'y', 'z'] };
    const { features, classes } = new SoftmaxClassifier(engine, options);
    expect([features, classes]).toEqual([3, 2]);
    const scaled = new SoftmaxClassifier(engine, { classes: 2, featureScaling: { shift: [1, 2], scale: 1 } });
    expect(scaled.features).toBe(2);
  });
});

describe('labels', () => {
  test('name classes that were only counted, where there are as many', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    await classifier.fit(inputs, ['b', 'b', 'a', 'a'], OPTIONS);
    expect(classifier.classNames).toEqual(['a', 'b']);
    const more = new SoftmaxClassifier(engine, { features: 1, classes: 3 });
    expect(await failure(() => more.fit(inputs, ['b', 'b', 'a', 'a']))).toMatchObject({
      code: 'ERR_TARGET_RANGE',
      message: expect.stringMatching(/2 different labels, .* made with 3 classes: leave classes out/),
    });
    await more.fit(inputs, [0, 1, 2, 2], OPTIONS);
    expect(await failure(() => more.fit(inputs, ['a', 'b', 'c', 'c']))).toMatchObject({
      message: expect.stringContaining('names, which the classes do not have'),
    });
  });

  test.each<[string, Training.AnyTargets, string, RegExp]>([
    [
      'unknown',
      ['a', 'a', 'x', 'b'],
      'ERR_TARGET_RANGE',
      /targets\[2\] is 'x', not a class: the classes are a, b/,
    ],
    ['too few', ['a'], 'ERR_SHAPE', /targets has 1 entries for 4 rows/],
    ['a Promise', Promise.resolve([]) as never, 'ERR_TYPE', /targets is a promise: await it/],
    ['a text', 'abcd', 'ERR_TYPE', /targets is a text: .*readLabels/],
  ])('that are %s are refused', async (_, targets, code, message) => {
    const classifier = await fitted(['a', 'a', 'b', 'b']);
    const error = await failure(() => classifier.evaluate(inputs, targets));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test.each<[string, Training.AnyTargets, RegExp]>([
    ['continuous', [0.5, 1, 2, 3], /targets\[0\] is 0\.5, no label.*continuous/],
    ['all the same', ['a', 'a', 'a', 'a'], /targets has only the label 'a': a classifier needs two classes/],
    ['empty', ['a', '', 'b', 'b'], /targets\[1\] is '', no label/],
    ['null', ['a', null as never, 'b', 'b'], /targets\[1\] is null, no label/],
    [
      'of two types',
      ['a', 'b', 1, 'b'],
      /targets\[2\] is 1, a number, and targets\[0\] is 'a', a string: labels are all of one type/,
    ],
    [
      'a number and its text',
      [1, '1', 2, 2],
      /targets\[1\] is '1', a string, and targets\[0\] is 1, a number/,
    ],
    ['bigints beyond 2^53', [0n, 2n ** 60n, 1n, 1n], /targets\[1\] is 1152921504606846976n.*as strings/],
  ])('that are %s are refused by the first fit', async (_, targets, message) => {
    const error = await failure(() => fitted(targets));
    expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', message: expect.stringMatching(message) });
  });

  test('out of range say that a classifier without classes would find them', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    const error = await failure(() => classifier.fit(inputs, [-1, -1, 1, 1]));
    expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 0, value: -1 });
    expect(error.message).toContain('made without classes');
  });

  test('are the same for all heads', async () => {
    const { classifier, best } = await fitMany(engine, inputs, [-1, -1, 1, 1], [{ C: 1 }, { C: 10 }], {
      validation: { inputs, targets: [-1, -1, 1, 1] },
    });
    expect(best).toBeDefined();
    expect([classifier?.classNames, classifier?.labelType]).toEqual([['-1', '1'], 'number']);
    const error = await failure(() =>
      fitMany(engine, inputs, [-1, -1, 1, 1], [{ C: 1 }, { C: 1, ignoreIndex: 7 }]),
    );
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.ignoreIndex' });
  });
});

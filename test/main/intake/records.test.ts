// Records, batches and Arrow tables: which fields are features, and which is the label.
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 24 });
});
afterAll(() => engine.close());

const OPTIONS = { C: 1, scale: 'none' } as const;
const fitted = async (rows: Training.LabeledRows, options: Training.FitOptions = {}) => {
  const classifier = new SoftmaxClassifier(engine);
  await classifier.fit(rows, { ...OPTIONS, ...options });
  return classifier;
};

const tracks = [
  { id: 7, embedding: [-2, 1], genre: 'jazz' },
  { id: 8, embedding: [2, 1], genre: 'rock' },
  { id: 9, embedding: Float32Array.of(3, 2), genre: 'rock' },
];
const people = [
  { age: 20, tall: true, label: 'a' },
  { age: 60n, tall: false, label: 'b' },
];

test('what holds itself is no row', async () => {
  const array: unknown[] = [];
  array.push(array);
  const batch: { inputs?: unknown } = {};
  batch.inputs = batch;
  for (const inputs of [array, [batch]]) {
    expect(await failure(() => new SoftmaxClassifier(engine).fit(inputs as never, ['a']))).toMatchObject({
      code: 'ERR_TYPE',
    });
  }
});

describe('records', () => {
  test('with one field that is an array have their features there', async () => {
    const classifier = await fitted(tracks, { label: 'genre' });
    expect(classifier.features).toBe(2);
    expect(classifier.featureNames).toBeUndefined();
    expect(await classifier.predictLabels(tracks)).toEqual(['jazz', 'rock', 'rock']);
    expect((await classifier.evaluate(tracks, { label: 'genre' })).accuracy).toBe(1);
    // Labels that are given come before those of the records.
    expect((await classifier.evaluate(tracks, ['rock', 'rock', 'rock'])).accuracy).toBeCloseTo(2 / 3);
  });

  test('with numbers have a feature in each field but the label, found by name afterwards', async () => {
    const classifier = await fitted(people);
    expect(classifier.featureNames).toEqual(['age', 'tall']);
    const other = people.map(({ age, tall }) => ({ note: 'x', tall, age }));
    expect(await classifier.predict(other)).toEqual(
      await classifier.predict([
        [20, 1],
        [60, 0],
      ]),
    );
    // By place they would be others.
    for (const rows of [people.map(({ tall }) => ({ size: 1, tall })), [{ id: 3, weight: 4 }]]) {
      const error = await failure(() => classifier.predict(rows));
      expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.features' });
      expect(error.message).toMatch(
        /^inputs has no field "age", a feature of the model: its fields are .*, and the model was trained on age, tall /,
      );
    }
    const renamed = people.map(({ age, tall, label }) => ({ years: age, tall, label }));
    expect((await classifier.evaluate(renamed, { features: ['years', 'tall'] })).accuracy).toBe(1);
    expect((await fitted(people, { features: ['age'] })).featureNames).toEqual(['age']);
    expect((await fitted(people, { features: 'age' })).featureNames).toEqual(['age']);
  });

  test('are validated on too', async () => {
    const classifier = new SoftmaxClassifier(engine);
    const { validationAccuracy } = await classifier.fit(tracks, {
      ...OPTIONS,
      label: 'genre',
      features: 'embedding',
      validation: { inputs: tracks.slice(1).values() },
    });
    expect(validationAccuracy).toBe(1);
  });

  test('may come in batches of inputs and targets', async () => {
    const batches = [
      { inputs: [[-2, 1]], targets: ['jazz'] },
      {
        inputs: { type: 'float64', dims: [2, 2], data: Float64Array.of(2, 1, 3, 2) },
        targets: ['rock', 'rock'],
      },
    ];
    const classifier = await fitted(batches);
    expect(classifier.weights).toEqual((await fitted(tracks, { label: 'genre' })).weights);
    expect(await failure(() => fitted([{ inputs: [[1], [2]], targets: ['a'] }]))).toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringContaining('a batch of 2 rows with 1 targets'),
    });
  });

  test('may be columns of an Arrow table', async () => {
    const [age, tall, label] = [Int32Array.of(20, 60), [true, false], ['a', 'b']];
    const table = new arrow.Table({
      age: arrow.makeVector(age),
      tall: arrow.vectorFromArray(tall),
      label: arrow.vectorFromArray(label, new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())),
    });
    const classifier = await fitted(table);
    expect(classifier.featureNames).toEqual(['age', 'tall']);
    expect(classifier.weights).toEqual((await fitted(people)).weights);
    const gap = new arrow.Table({
      age: arrow.vectorFromArray([1, null]),
      label: arrow.vectorFromArray(label),
    });
    expect(await failure(() => fitted(gap))).toMatchObject({
      code: 'ERR_TYPE',
      row: 1,
      message: expect.stringContaining('inputs[1].age is null'),
    });
  });

  test.each<[string, Training.LabeledRows, Training.FitOptions, string, RegExp]>([
    [
      'no such label',
      tracks,
      { label: 'kind' },
      'ERR_OPTION',
      /inputs has no field "kind" \(options\.label\): .*genre/,
    ],
    ['no label', tracks, {}, 'ERR_OPTION', /no field "label"/],
    [
      'no such feature',
      people,
      { features: ['size'] },
      'ERR_OPTION',
      /no field "size" \(options\.features\)/,
    ],
    ['a word', [{ a: 1, b: 'x', label: 'y' }], {}, 'ERR_OPTION', /as "b" is no number\. Name the field/],
    ['two arrays', [{ a: [1], b: [2], label: 'y' }], {}, 'ERR_OPTION', /options\.features is missing/],
    ['nothing', [{ label: 'y' }], {}, 'ERR_OPTION', /none are left/],
    [
      'a gap',
      [{ a: 1, label: 'y' }, { label: 'z' }],
      {},
      'ERR_TYPE',
      /inputs\[1\]\.a is undefined, but features/,
    ],
    [
      'no array',
      [
        { a: [1], label: 'y' },
        { a: 'x', label: 'z' },
      ],
      {},
      'ERR_TYPE',
      /inputs\[1\]\.a is a text/,
    ],
    [
      'no label in a row',
      [{ a: 1, label: 'y' }, { a: 1 }],
      {},
      'ERR_TARGET_RANGE',
      /inputs\[1\]\.label is undefined/,
    ],
    [
      'several rows in one',
      [{ a: { type: 'int8', dims: [2, 1], data: Int8Array.of(1, 2) }, label: 'y' }],
      {},
      'ERR_SHAPE',
      /inputs\[0\]\.a holds 2 rows: a record is one row/,
    ],
    ['rows too deep', [[[[[1]]]]], {}, 'ERR_TYPE', /inputs\[0\] is \[.*Rows are/],
    ['labels missing', [[1], [2]], {}, 'ERR_TYPE', /targets are missing: .*records/],
    ['a wrong option', tracks, { features: 3 as never }, 'ERR_OPTION', /options\.features is 3/],
  ])('with %s are refused', async (_, rows, options, code, message) => {
    const error = await failure(() => fitted(rows, options));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

// Rows for training, validation and test: by class, by seed, and through fit.
import { describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, selectRows, splitRows, standardScaling } from '#softshard/main/index.js';
import { holdoutSplit } from '#softshard/main/training/many/splits.js';
import { clusters } from './workbench.js';

const CLASSES = 3;
/** 60 rows of class 0, 30 of class 1, 10 of class 2, mixed. */
const targets = Int32Array.from({ length: 100 }, (_, row) => (row % 10 < 6 ? 0 : row % 10 < 9 ? 1 : 2));

const counts = (rows: Uint32Array): number[] =>
  Array.from({ length: CLASSES }, (_, target) => rows.filter((row) => targets[row] === target).length);
const sorted = (rows: Uint32Array): boolean => rows.every((row, i) => i === 0 || row > rows[i - 1]!);

describe('splitRows of targets', () => {
  test('gives each part its share of every class, and each row to one part, ascending', () => {
    const { training, validation, test: held } = splitRows(targets, { validation: 0.2, test: 0.1, seed: 3 });
    expect([counts(training), counts(validation), counts(held)]).toEqual([
      [42, 21, 7],
      [12, 6, 2],
      [6, 3, 1],
    ]);
    expect([training, validation, held].every(sorted)).toBe(true);
    expect(new Set([...training, ...validation, ...held]).size).toBe(100);
  });

  test('depends on the seed and on the classes alone, whatever they are called', () => {
    const options = { validation: 0.2, test: 0.1 };
    const split = splitRows(targets, { ...options, seed: 0 });
    expect(splitRows(targets, options)).toEqual(split);
    expect(splitRows(targets, { ...options, seed: 1 })).not.toEqual(split);
    const names = Array.from(targets, (target) => ['ant', 'bee', 'cat'][target]!);
    expect(splitRows(names, options)).toEqual(split);
    expect(
      splitRows(
        Array.from(targets, (target) => 10 * target),
        options,
      ),
    ).toEqual(split);
    expect(splitRows(BigInt64Array.from(targets, BigInt), options)).toEqual(split);
  });

  test('holds the rows out that a sweep does with the same fraction and seed', () => {
    const { training, validation } = splitRows(targets, { validation: 0.25, seed: 5 });
    expect({ training, validation }).toEqual(holdoutSplit(targets, CLASSES, 0.25, 5));
  });

  test('without stratify cuts as fit with validationSplit does', () => {
    const {
      training,
      validation,
      test: held,
    } = splitRows(targets, {
      validation: 0.25,
      seed: 5,
      stratify: false,
    });
    expect({ training, validation }).toEqual(splitRows(100, 0.25, 5));
    expect(held.length).toBe(0);
    const three = splitRows(targets, { validation: 0.25, test: 0.1, seed: 5, stratify: false });
    expect([three.training.length, three.test.length]).toEqual([65, 10]);
    expect(three.validation).toEqual(validation);
  });

  test('never holds out the only row of a class, nor an ignored one', () => {
    const few = Int32Array.of(7, 0, 0, 0, 0, -100, -100, -100, -100, -100);
    for (let seed = 0; seed < 20; seed++) {
      const { validation, test: held } = splitRows(few, { validation: 0.3, test: 0.3, seed });
      for (const row of [...validation, ...held]) expect(few[row]).toBe(0);
    }
  });

  test.each([
    [{ validation: 0.5, test: 0.5 }, /less than 1 together/],
    [{ validation: 1 }, /^options\.validation is 1/],
    [{ test: 0.001 }, /^options\.test is 0\.001, which keeps none of 100 rows for test: take 0\.01 or more/],
    [{ seed: 0.5 }, /^options\.seed is 0\.5/],
    [{ validaton: 0.5 }, /has no option 'validaton' \(did you mean validation\?\)/],
  ])('refuses %j', (options, message) => {
    expect(() => splitRows(targets, options as object)).toThrow(message);
  });
});

const { inputs, targets: classesOf, rows, features, classes } = clusters(90, 4, 3, 3);
const matrix = { type: 'float32', dims: [rows, features], data: inputs } as const;

describe('fit with a split', () => {
  const { training, validation, test: held } = splitRows(classesOf, { validation: 0.2, test: 0.2 });

  test.each([
    ['by steps', { epochs: 3, batchSize: 16, shuffle: false }],
    ['by lbfgs', { C: 1 }],
  ])('%s trains on its rows alone, to the last bit, and validates on the others', async (_, options) => {
    await using engine = await Engine.create({ threads: 2 });
    const whole = new SoftmaxClassifier(engine, { features, classes });
    const result = await whole.fit(matrix, classesOf, {
      ...options,
      split: { training, validation, test: held },
    });
    const part = new SoftmaxClassifier(engine, { features, classes });
    await part.fit(selectRows(matrix, training), pick(training), options);
    expect(whole.weights).toEqual(part.weights);
    const { loss, accuracy } = await whole.evaluate(selectRows(matrix, validation), pick(validation));
    expect(result.validationLoss).toBeCloseTo(loss, 6);
    expect(result.validationAccuracy).toBe(accuracy);
  });

  test('takes row numbers of any order, and stops early by them', async () => {
    await using engine = await Engine.create({ threads: 1 });
    const weightsOf = async (split: { training: readonly number[]; validation: readonly number[] }) => {
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      await classifier.fit(matrix, classesOf, { epochs: 4, earlyStopping: true, split });
      return classifier.weights;
    };
    const weights = await weightsOf({ training: [...training], validation: [...validation] });
    expect(await weightsOf({ training: [...training].reverse(), validation: [...validation] })).toEqual(
      weights,
    );
  });

  test.each([
    [{ split: { training: [0, 90] } }, /^options\.split\.training\[1\] is 90: .* from 0 to 89/],
    [{ split: { training: [0, 1, 0] } }, /^options\.split\.training\[2\] is 0: .* there already/],
    [{ split: { training: [0, 1], validation: [1] } }, /^options\.split\.validation\[0\] is 1: .* already/],
    [{ split: { training: 'all' } }, /^options\.split\.training is 'all': it must be an array/],
    [{ split: { training: [0], tset: [1] } }, /no option 'tset' \(did you mean test\?\)/],
    [{ split: { training: [0] }, validationSplit: 0.5 }, /validationSplit and options\.split are both given/],
  ])('refuses %j', async (options, message) => {
    await using engine = await Engine.create({ threads: 1 });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    await expect(classifier.fit(matrix, classesOf, options as object)).rejects.toThrow(message);
  });
});

const pick = (chosen: Uint32Array): Int32Array => Int32Array.from(chosen, (row) => classesOf[row]!);

test('standardScaling of some rows is that of an array of them, and names the row that is not finite', () => {
  const chosen = Uint32Array.of(5, 1, 7, 30);
  const data = Float32Array.from(
    [...chosen].flatMap((row) => [...inputs.subarray(row * features, (row + 1) * features)]),
  );
  expect(standardScaling(matrix, chosen)).toEqual(
    standardScaling({ type: 'float32', dims: [chosen.length, features], data }),
  );
  const broken = { ...matrix, data: inputs.slice() };
  broken.data[0] = Number.NaN;
  broken.data[7 * features + 1] = Number.NaN;
  expect(() => standardScaling(broken, chosen)).toThrow(/inputs\[7, 1\]/);
});

test('selectRows refuses what is no matrix, and rows that it does not have', () => {
  expect(() => selectRows(matrix, [rows])).toThrow(/^rowNumbers\[0\] is 90/);
  const wrong = { type: 'float32', dims: [3, 3], data: new Float32Array(8) } as const;
  expect(() => selectRows(wrong, [0])).toThrow(/dims \[rows, features\]/);
});

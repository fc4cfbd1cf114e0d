// Weights of classes by name.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 24 });
});
afterAll(() => engine.close());

const NAMES = ['ham', 'rare', 'spam'];
const inputs = Array.from({ length: 60 }, (_, row) => [Math.sin(row * row), (row % 3) + Math.cos(row)]);
const labels = inputs.map((_, row) => NAMES[(row + (row >> 2)) % 3]!);

async function weightsAfter(options: Training.FitOptions): Promise<number[]> {
  const classifier = new SoftmaxClassifier(engine, { classNames: NAMES });
  await classifier.fit(inputs, labels, options);
  return [...classifier.weights];
}

test.each<Training.FitOptions>([{ C: 1 }, { epochs: 2, batchSize: 8 }])(
  'are the array of the same weights, classes that are left out weighing 1: fit %j',
  async (options) => {
    const byName = await weightsAfter({ ...options, weight: { spam: 0.25, rare: 5 } });
    expect(byName).toEqual(await weightsAfter({ ...options, weight: [1, 5, 0.25] }));
    expect(byName).not.toEqual(await weightsAfter(options));
  },
);

test('and so they are to partialFit, evaluate and fitMany', async () => {
  const [byName, byIndex] = [{ rare: 5 }, [1, 5, 1]];
  const classifiers = [byName, byIndex].map(async (weight) => {
    const classifier = new SoftmaxClassifier(engine, { classNames: NAMES });
    await classifier.partialFit(inputs, labels, { weight, seed: 1 });
    return classifier;
  });
  const [one, other] = await Promise.all(classifiers);
  expect([...one!.weights]).toEqual([...other!.weights]);
  const { loss, weightSum } = await one!.evaluate(inputs, labels, { weight: byName });
  const evaluation = await one!.evaluate(inputs, labels, { weight: byIndex });
  expect([loss, weightSum]).toEqual([evaluation.loss, evaluation.weightSum]);
  expect((await one!.evaluate(inputs, labels)).loss).not.toBe(loss);
  const { heads } = await fitMany(
    engine,
    inputs,
    labels,
    [byName, byIndex].map((weight) => ({ C: 1, weight })),
  );
  expect([...heads[0]!.classifier!.weights]).toEqual([...heads[1]!.classifier!.weights]);
});

test('classes without names are called by their numbers', async () => {
  const targets = labels.map((label) => NAMES.indexOf(label));
  const trained = [{ 1: 5 }, [1, 5, 1]].map(async (weight) => {
    const classifier = new SoftmaxClassifier(engine);
    await classifier.fit(inputs, targets, { C: 1, weight });
    return [...classifier.weights];
  });
  const [byNumber, byIndex] = await Promise.all(trained);
  expect(byNumber).toEqual(byIndex);
});

test.each<[Training.WeightsByClass, string]>([
  [{ spma: 2 }, "'spma', which is not a class (did you mean spam?): the classes are ham, rare, spam"],
  [{ ham: -1 }, "of the class 'ham' is -1: it must be a finite number of at least 0"],
  [{ ham: Number.NaN }, "of the class 'ham' is NaN"],
  [{ ham: Number.POSITIVE_INFINITY }, "of the class 'ham' is Infinity"],
  [{ ham: '2' as unknown as number }, "of the class 'ham' is '2'"],
])('%j is refused', async (weight, message) => {
  const { code, argument, message: found } = await failure(() => weightsAfter({ C: 1, weight }));
  expect([code, argument]).toEqual(['ERR_OPTION', 'options.weight']);
  expect(found).toContain(message);
});

test.each([
  [
    'balanced',
    "options.weight is 'balanced', which counts the rows that fit trains on: pass a number for each class",
  ],
  ['rare', "options.weight is 'rare': pass a number for each class, or { name: number, … }"],
])('evaluate refuses the text %s', async (weight, message) => {
  const classifier = new SoftmaxClassifier(engine, { classNames: NAMES });
  await classifier.fit(inputs, labels, { C: 1 });
  const error = await failure(() => classifier.evaluate(inputs, labels, { weight: weight as never }));
  expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.weight' });
  expect(error.message).toContain(message);
});

// What fit chooses where C and the scaling are not given.
import { describe, expect, test } from 'vitest';
import { type Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { foldsOf, stratifiedSample } from '#softshard/main/training/rows/folds.js';
import { bitsOf } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { builds } from '../../../kernels/workbench.js';
import { clusters, type Problem } from '../workbench.js';

/** Columns of very different scales. */
function badlyScaled(problem: Problem): Problem {
  const { features } = problem;
  const inputs = problem.inputs.map((value, i) => value * 10 ** (((i % features) % 5) * 2 - 4) + 3);
  return { ...problem, inputs };
}

/** Columns that all deviate by 1. */
function evenlyScaled(problem: Problem): Problem {
  const { inputs, rows, features } = problem;
  const scaled = inputs.slice();
  for (let feature = 0; feature < features; feature++) {
    const column = Array.from({ length: rows }, (_, row) => inputs[row * features + feature]!);
    const mean = column.reduce((sum, value) => sum + value, 0) / rows;
    const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / rows);
    for (let row = 0; row < rows; row++) scaled[row * features + feature]! /= deviation;
  }
  return { ...problem, inputs: scaled };
}

const even = evenlyScaled(clusters(400, 6, 3, 11));
const uneven = badlyScaled(clusters(400, 10, 3, 12));

async function fitted(engine: Engine, problem: Problem, options: Training.FitOptions = {}) {
  const { inputs, targets, features, classes } = problem;
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  const result = await classifier.fit(inputs, targets, options);
  return { classifier, result };
}

describe.each(builds)('choosing C and scaling (%s)', (numerics) => {
  const engineFor = sharedEngines();

  test.each([
    ['even columns', even],
    ['uneven columns', uneven],
    ['more rows than are looked at', clusters(6000, 5, 3, 13)],
  ])('%s: the same choice and the same bits for 1, 2, 3 and 8 threads', async (_, problem) => {
    const bits = new Set<string>();
    for (const threads of [1, 2, 3, 8]) {
      const engine = await engineFor({ threads, numerics });
      const { classifier, result } = await fitted(engine, problem);
      const { C, scale, choice, converged } = result;
      expect(converged).toBe(true);
      const tried = choice!.tried.map((setting) => [
        setting.C,
        setting.loss,
        setting.accuracy,
        setting.standardError,
      ]);
      bits.add(bitsOf(classifier.weights, classifier.bias, Float64Array.from(tried.flat())) + C + scale);
    }
    expect(bits.size).toBe(1);
  });

  test('what is chosen is among what was tried, has the least loss, and is what a fit that is given it finds', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const { classifier, result } = await fitted(engine, uneven);
    const { tried, folds, rows, passes } = result.choice!;
    const least = Math.min(...tried.map(({ loss }) => loss));
    const chosen = tried.find(({ loss }) => loss === least)!;
    expect({ C: result.C, scale: result.scale }).toEqual({ C: chosen.C, scale: chosen.scale });
    expect({ folds, rows }).toEqual({ folds: 3, rows: 400 });
    expect(passes).toBeGreaterThan(0);
    const given = await fitted(engine, uneven, { C: result.C, scale: result.scale });
    expect(given.result.choice).toBeUndefined();
    const [own, theirs] = [result, given.result].map(({ objective, gap }) => ({
      objective: objective!,
      gap: gap!,
    }));
    expect(Math.abs(own!.objective - theirs!.objective)).toBeLessThanOrEqual(own!.gap + theirs!.gap);
    expect(await classifier.predict(uneven.inputs)).toEqual(await given.classifier.predict(uneven.inputs));
  });

  test('columns of very different scales are standardised, and the classifier keeps the scaling', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const { classifier, result } = await fitted(engine, uneven);
    expect(result.scale).toBe('standard');
    const { shift, scale } = classifier.featureScaling! as { shift: Float32Array; scale: Float32Array };
    expect([shift.length, scale.length]).toEqual([10, 10]);
    const { accuracy } = await classifier.evaluate(uneven.inputs, uneven.targets);
    expect(accuracy).toBeGreaterThan(0.9);
  });

  test('two columns are enough for scales to differ', async () => {
    const two = clusters(300, 2, 3, 13);
    const inputs = two.inputs.map((value, i) => value * (i % 2 === 0 ? 1000 : 0.001));
    const { result } = await fitted(await engineFor({ threads: 2, numerics }), { ...two, inputs });
    expect(new Set(result.choice?.tried.map(({ scale }) => scale))).toEqual(new Set(['none', 'standard']));
    expect(result.scale).toBe('standard');
  });

  test('columns of even scales are left as they are, without trying', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const { classifier, result } = await fitted(engine, even);
    expect(new Set(result.choice!.tried.map(({ scale }) => scale))).toEqual(new Set(['none']));
    expect(classifier.featureScaling).toBeUndefined();
  });

  test('the penalty within a standard error is at least as strong; a scaling that is given is not tried against another', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const best = await fitted(engine, uneven, { scale: 'standard' });
    const near = await fitted(engine, uneven, { scale: 'standard', oneStandardError: true });
    expect(near.result.C!).toBeLessThanOrEqual(best.result.C!);
    expect(new Set(near.result.choice!.tried.map(({ scale }) => scale))).toEqual(new Set(['standard']));
  });

  test('a constant column and two that are the same are safe', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const inputs = uneven.inputs.map((value, i) => (i % 10 === 3 ? 7 : value));
    for (let i = 0; i < inputs.length; i += 10) inputs[i + 4] = inputs[i + 5]!;
    const { classifier, result } = await fitted(engine, { ...uneven, inputs });
    expect(result.converged).toBe(true);
    expect(classifier.weights.every(Number.isFinite)).toBe(true);
  });

  test('it can be watched and aborted', async () => {
    const engine = await engineFor({ threads: 2, numerics });
    const { usedBytes } = engine.memoryUsage();
    const tried: Training.TriedSetting[] = [];
    const controller = new AbortController();
    const reason = new Error('enough');
    const onTried = (setting: Training.TriedSetting) => {
      tried.push(setting);
      if (tried.length === 2) controller.abort(reason);
    };
    const error = await failure(() => fitted(engine, uneven, { onTried, signal: controller.signal }));
    expect(error).toBe(reason);
    expect(tried.length).toBeLessThanOrEqual(3);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test.each([
    [{ C: 1, oneStandardError: true }, 'options.oneStandardError'],
    [{ scale: 'minmax' }, 'options.scale'],
    [{ C: 1, l2: 1 }, 'options.l2'],
    [{ C: 0 }, 'options.C'],
  ] as const)('%o is ERR_OPTION', async (options, argument) => {
    const engine = await engineFor({ threads: 2, numerics });
    const error = await failure(() => fitted(engine, even, options as Training.FitOptions));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument });
  });
});

test('folds and samples have each class in its share', () => {
  const classes = Int32Array.from({ length: 1000 }, (_, row) => (row % 10 === 0 ? 1 : row === 1 ? 2 : 0));
  const folds = foldsOf(classes, 3, 5, 0);
  for (let fold = 0; fold < 5; fold++) {
    const own = [...folds.keys()].filter((row) => folds[row] === fold);
    expect(Math.abs(own.length - 200)).toBeLessThanOrEqual(1);
    expect(own.filter((row) => classes[row] === 1)).toHaveLength(20);
  }
  // The only row of its class is always trained on.
  expect(folds[1]).toBe(-1);
  const sample = stratifiedSample(classes, 3, 200, 0);
  expect([0, 1, 2].map((target) => sample.filter((row) => classes[row] === target).length)).toEqual([
    180, 20, 1,
  ]);
  expect(sample).toEqual(sample.slice().sort());
  expect(stratifiedSample(classes, 3, 2000, 0)).toHaveLength(1000);
});

describe('rows that say little', () => {
  const engineFor = sharedEngines();
  const values = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 1.3));

  test.each([
    ['one row', 1, 4, [0], 2],
    ['a class for each row', 30, 2, Array.from({ length: 30 }, (_, row) => row), 30],
  ])('%s: nothing is chosen, and C is 1', async (_, rows, features, targets, classes) => {
    const engine = await engineFor({ threads: 2 });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const { C, choice, converged } = await classifier.fit(values(rows * features), targets);
    expect({ C, choice, converged }).toEqual({ C: 1, choice: undefined, converged: true });
    expect(classifier.weights.every(Number.isFinite)).toBe(true);
  });

  test('classes without rows beside rows that weigh differently: the minimum of the classes that have rows', async () => {
    const engine = await engineFor({ threads: 2 });
    const [rows, features] = [3000, 2];
    const targets = Array.from({ length: rows }, (_, row) => row % 3);
    const sampleWeight = Float32Array.from({ length: rows }, (_, row) => 0.1 + ((row * 7919) % 100) / 100);
    const objectives: number[] = [];
    for (const classes of [3, 8, 20]) {
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const options = { C: 1e4, sampleWeight };
      const { objective, converged } = await classifier.fit(values(rows * features), targets, options);
      expect(converged).toBe(true);
      objectives.push(objective!);
    }
    for (const objective of objectives) expect(objective / objectives[0]!).toBeCloseTo(1, 4);
  });

  test('weights that are sure of the wrong classes are no obstacle to begin from', async () => {
    const engine = await engineFor({ threads: 2 });
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    classifier.weights.set([100, -100]);
    const { objective, converged } = await classifier.fit(Float32Array.of(1, 2, 3, 4), [1, 0, 1, 0], {
      C: 1,
    });
    const cold = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    const wanted = await cold.fit(Float32Array.of(1, 2, 3, 4), [1, 0, 1, 0], { C: 1 });
    expect(converged).toBe(true);
    expect(objective).toBeCloseTo(wanted.objective!, 3);
  });

  test('class weights of 0 for all rows leave nothing to train on', async () => {
    const engine = await engineFor({ threads: 2 });
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    const error = await failure(() =>
      classifier.fit(Float32Array.of(1, 2), [1, 0], { C: 1, weight: [0, 0] }),
    );
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
  });

  test('without a warm start a scaling that an earlier fit chose is chosen anew', async () => {
    const engine = await engineFor({ threads: 2 });
    const { inputs, targets, features, classes } = uneven;
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    await classifier.fit(inputs, targets, { scale: 'standard' });
    expect(classifier.featureScaling).toBeDefined();
    const { scale } = await classifier.fit(inputs, targets, { scale: 'none', warmStart: false });
    expect(scale).toBe('none');
    expect(classifier.featureScaling).toBeUndefined();
  });
});

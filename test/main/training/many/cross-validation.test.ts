// Heads compared on rows that are held out.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { crossValidationSplits, holdoutSplit } from '#softshard/main/training/many/splits.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds, randomTargets, randomValues } from '../../../kernels/workbench.js';
import { clusters, rowsAt } from '../workbench.js';

const clean = clusters(240, 12, 4, 3);
const noise = randomValues(clean.inputs.length, 4, 5);
const problem = { ...clean, inputs: clean.inputs.map((value, i) => value + noise[i]!) };
const shape = { features: 12, classes: 4 };
const cv = 4;
const sampleWeight = Float32Array.from({ length: problem.rows }, (_, row) => 0.5 + (row % 4) / 4);

const partOf = (rows: Uint32Array) => ({
  inputs: Float32Array.from(rowsAt(problem.inputs, 12, rows)),
  targets: Int32Array.from(rows, (row) => problem.targets[row]!),
  sampleWeight: Float32Array.from(rows, (row) => sampleWeight[row]!),
});

describe('the rows that are held out', () => {
  const targets = randomTargets(1000, 3, 4);
  targets.fill(-1, 100, 150);
  targets[7] = 3;
  const counts = (rows: Uint32Array) =>
    [0, 1, 2].map((target) => rows.reduce((sum, row) => sum + (targets[row] === target ? 1 : 0), 0));

  test('are each held out once, ignored rows and the only row of a class never', () => {
    const splits = crossValidationSplits(targets, 4, 5, 0);
    const heldOut = splits.flatMap(({ validation }) => [...validation]).sort((a, b) => a - b);
    expect(heldOut).toEqual(
      Array.from({ length: 1000 }, (_, row) => row).filter((row) => targets[row] !== -1 && row !== 7),
    );
    for (const { training, validation } of splits) {
      expect(training.length + validation.length).toBe(1000);
      expect(validation.every((row) => !training.includes(row))).toBe(true);
    }
  });

  test('have their share of every class, within one row', () => {
    const all = counts(Uint32Array.from(targets.keys()));
    for (const { validation } of crossValidationSplits(targets, 4, 5, 0)) {
      for (const [target, count] of counts(validation).entries()) {
        expect(Math.abs(count - all[target]! / 5)).toBeLessThan(1);
      }
    }
    const { validation } = holdoutSplit(targets, 4, 0.3, 0);
    for (const [target, count] of counts(validation).entries()) {
      expect(Math.abs(count - all[target]! * 0.3)).toBeLessThan(1);
    }
  });

  test('follow the seed', () => {
    const [a, again, b] = [0, 0, 1].map((seed) => crossValidationSplits(targets, 4, 5, seed));
    expect(again).toEqual(a);
    expect(b).not.toEqual(a);
  });
});

describe.each(builds)('cross-validation (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each<[string, Training.HeadOptions]>([
    ['plain', {}],
    ['balanced classes', { weight: 'balanced' }],
    ['weighted rows', { sampleWeight }],
    ['smoothing', { labelSmoothing: 0.1 }],
    [
      'class weights, smoothing and weighted rows',
      { weight: [1, 2, 1, 0.5], labelSmoothing: 0.1, sampleWeight },
    ],
  ])('of full-batch solvers is that of fits on the rows of each part within 3e-5: %s', async (_, more) => {
    const heads = [{ C: 0.1 }, { C: 10 }].map((head) => ({ ...head, ...more, tol: 1e-7 }));
    const { heads: results } = await fitMany(engine, problem.inputs, problem.targets, heads, {
      ...shape,
      cv,
    });
    const splits = crossValidationSplits(problem.targets, 4, cv, 0);
    for (const [index, head] of heads.entries()) {
      for (const [part, split] of splits.entries()) {
        const [training, validation] = [partOf(split.training), partOf(split.validation)];
        const classifier = new SoftmaxClassifier(engine, shape);
        const isWeighted = head.sampleWeight !== undefined;
        const { validationLoss, validationAccuracy } = await classifier.fit(
          training.inputs,
          training.targets,
          {
            ...head,
            ...(isWeighted && { sampleWeight: training.sampleWeight }),
            validation: {
              inputs: validation.inputs,
              targets: validation.targets,
              ...(isWeighted && { sampleWeight: validation.sampleWeight }),
            },
          },
        );
        const { score } = results[index] ?? {};
        expect(Math.abs((score?.losses[part] ?? Number.NaN) - (validationLoss ?? Number.NaN))).toBeLessThan(
          3e-5,
        );
        expect(score?.accuracies[part]).toBe(validationAccuracy);
      }
    }
  });

  test('trains the best on all rows, with the bits of a fit alone', async () => {
    const heads = [1e-6, 0.01, 1, 1000].map((C) => ({ C }));
    for (const options of [
      { cv },
      { cv, path: true },
      { validationSplit: 0.25 },
      { validationSplit: 0.25, path: true },
    ]) {
      const result = await fitMany(engine, problem.inputs, problem.targets, heads, { ...shape, ...options });
      const losses = result.heads.map(({ score }) => score?.loss ?? Number.NaN);
      expect(result.best).toBe(losses.indexOf(Math.min(...losses)));
      const alone = new SoftmaxClassifier(engine, shape);
      const fit = await alone.fit(problem.inputs, problem.targets, heads[result.best ?? -1]);
      const { classifier } = result;
      expectSameBits([
        bitsOf(alone.weights, alone.bias),
        bitsOf(classifier?.weights ?? 0, classifier?.bias ?? 0),
      ]);
      expect(result.fit).toEqual(fit);
    }
  });

  test('has the same bits for 1, 2, 3 and 8 threads, and apart from other heads', async () => {
    const heads = [
      { C: 0.1 },
      { C: 10, weight: 'balanced' },
      { learningRate: 0.5, epochs: 1, batchSize: 60 },
    ] as const;
    const lossesOf = async (own: Engine, chosen: readonly Training.HeadOptions[]) => {
      const { heads: results } = await fitMany(own, problem.inputs, problem.targets, chosen, {
        ...shape,
        cv,
      });
      return results.map(({ score }) => bitsOf(Float64Array.from(score?.losses ?? [])));
    };
    const wanted = await lossesOf(engine, heads);
    for (const threads of [1, 3, 8]) {
      const got = await lossesOf(await engineWith({ threads, numerics }), heads);
      for (const [index, own] of got.entries()) expectSameBits([own, wanted[index] ?? ''], `head ${index}`);
    }
    for (const [index, head] of heads.entries()) {
      expectSameBits([...(await lossesOf(engine, [head])), wanted[index] ?? ''], `head ${index} alone`);
    }
  });

  test('a held-out share: heads are trained on the other rows alone, and by seeds that do not move it', async () => {
    const heads = [
      { C: 1 },
      { learningRate: 0.5, epochs: 2, seed: 1 },
      { learningRate: 0.5, epochs: 2, seed: 2 },
    ];
    const options = { ...shape, validationSplit: 0.25, splitSeed: 3 };
    const { heads: results } = await fitMany(engine, problem.inputs, problem.targets, heads, options);
    const split = holdoutSplit(problem.targets, 4, 0.25, 3);
    const [training, validation] = [partOf(split.training), partOf(split.validation)];
    for (const [index, head] of heads.entries()) {
      const classifier = new SoftmaxClassifier(engine, shape);
      const { inputs, targets } = validation;
      const { validationLoss } = await classifier.fit(training.inputs, training.targets, {
        ...head,
        validation: { inputs, targets },
      });
      expect(results[index]?.score?.loss).toBe(validationLoss);
      if (index === 0)
        expectSameBits([bitsOf(classifier.weights), bitsOf(results[0]?.classifier?.weights ?? 0)]);
    }
  });

  test('rows of their own to evaluate on', async () => {
    const validation = partOf(holdoutSplit(problem.targets, 4, 0.25, 3).validation);
    const heads = [{ C: 1e-6 }, { C: 1 }, { epochs: 1 }];
    const {
      heads: results,
      best,
      classifier,
    } = await fitMany(engine, problem.inputs, problem.targets, heads, {
      ...shape,
      validation: { inputs: validation.inputs, targets: validation.targets },
    });
    expect(best).toBe(1);
    expect(classifier).toBe(results[1]?.classifier);
    for (const { classifier: own, score } of results) {
      const { loss, accuracy } = (await own?.evaluate(validation.inputs, validation.targets)) ?? {};
      expect(score?.loss).toBe(loss);
      expect(score?.accuracy).toBe(accuracy);
    }
  });
});

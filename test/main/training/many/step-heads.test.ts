// Many heads that are trained step by step, those of equal steps in one task: each as if it were alone.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, splitRows, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds, randomValues } from '../../../kernels/workbench.js';
import { clusters, type Problem } from '../workbench.js';

const clean = clusters(200, 9, 4, 3);
const noise = randomValues(clean.inputs.length, 3, 9);
const small = { ...clean, inputs: clean.inputs.map((value, i) => value + noise[i]!) };
const wide = clusters(128, 1100, 250, 4);
const sampleWeight = Float32Array.from({ length: small.rows }, (_, row) => row % 3);

const SHARED = { epochs: 3, batchSize: 48 };
const HEADS: readonly Training.HeadOptions[] = [
  { learningRate: 0.1 },
  { learningRate: 0.3, momentum: 0.9, nesterov: true },
  { learningRate: 0.1, weightDecay: 0.01 },
  { learningRate: 0.1, seed: 1 },
  { learningRate: 0.1, momentum: 0.5, seed: 1 },
  { learningRate: 0.1, shuffle: false },
  { solver: 'adamw', learningRate: 0.01 },
  { solver: 'adamw', learningRate: 0.01, clipNorm: 0.1 },
  { learningRate: 0.5, clipNorm: 0.01 },
  { learningRate: 0.1, schedule: 'cosine', warmup: 2 },
  { learningRate: 0.5, schedule: { kind: 'reduce-on-plateau', patience: 0, threshold: 0.5 } },
  { learningRate: 0.3, earlyStopping: { metric: 'loss', patience: 1, minDelta: 0.2 } },
  { learningRate: 1e38 },
  { learningRate: 0.1, epochs: 5 },
  { learningRate: 0.1, labelSmoothing: 0.1 },
  { learningRate: 0.2, labelSmoothing: 0.1 },
  { learningRate: 0.1, weight: 'balanced' },
  { learningRate: 0.1, sampleWeight },
  { learningRate: 0.2, sampleWeight },
];

const shapeOf = ({ features, classes }: Problem) => ({ features, classes });

async function alone(engine: Engine, problem: Problem, options: Training.FitOptions) {
  const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
  try {
    const { epochs, ...result } = await classifier.fit(problem.inputs, problem.targets, options);
    return { classifier, result, losses: epochs.map(({ loss, validationLoss }) => [loss, validationLoss]) };
  } catch (error) {
    return { error };
  }
}

test('the wide problem is shared by tiles, the small one by partials', () => {
  expect(planTraining({ ...wide, batchSize: 128 }).by).toBe('parameter-sharded');
  expect(planTraining({ ...small, ...SHARED }).by).toBe('data-parallel');
});

describe.each(builds)('heads that take steps (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  async function expectAsAlone(
    own: Engine,
    problem: Problem,
    heads: readonly Training.HeadOptions[],
    shared: object,
  ) {
    const { heads: results } = await fitMany(own, problem.inputs, problem.targets, heads, {
      ...shapeOf(problem),
      ...shared,
    });
    for (const [index, { classifier, fits, error }] of results.entries()) {
      const wanted = await alone(engine, problem, { ...shared, ...heads[index] });
      expect(error, `head ${index}`).toEqual(wanted.error);
      if (wanted.classifier === undefined) continue;
      const { weights, bias } = wanted.classifier;
      expectSameBits(
        [bitsOf(weights, bias), bitsOf(classifier?.weights ?? 0, classifier?.bias ?? 0)],
        `head ${index}, ${own.threads} threads`,
      );
      const [fit] = fits;
      expect(fit?.epochs.map(({ loss, validationLoss }) => [loss, validationLoss])).toEqual(wanted.losses);
      expect({ ...fit, epochs: undefined }).toEqual({ ...wanted.result, epochs: undefined });
    }
  }

  test.each([1, 2, 3, 8])(
    'have the bits and the reports of fit, whatever is beside them: %i threads',
    async (threads) => {
      await expectAsAlone(await engineWith({ threads, numerics }), small, HEADS, SHARED);
    },
  );

  test('the same with many classes, one head after the other', async () => {
    const heads = [{ learningRate: 0.1 }, { learningRate: 0.01, momentum: 0.9 }, { learningRate: 1e38 }];
    await expectAsAlone(engine, wide, heads, { epochs: 2, batchSize: 128 });
  });

  test('the same with validation after each epoch, and early stopping by it, for 1, 2, 3 and 8 threads', async () => {
    const { inputs, targets } = clusters(50, 9, 4, 3);
    const heads: Training.HeadOptions[] = [
      { learningRate: 0.1 },
      { learningRate: 0.5, earlyStopping: { patience: 1 } },
      { learningRate: 1e-6, earlyStopping: { patience: 1, minDelta: 1 } },
      { solver: 'adamw', schedule: 'reduce-on-plateau' },
      { learningRate: 0.1, seed: 4 },
    ];
    for (const threads of [1, 2, 3, 8]) {
      const own = await engineWith({ threads, numerics });
      await expectAsAlone(own, small, heads, { ...SHARED, validation: { inputs, targets } });
    }
  });

  test('stop early by the rows that are held out, as fit does with the same split', async () => {
    const { targets } = small;
    const early = { learningRate: 0.5, epochs: 12, earlyStopping: { patience: 1, minDelta: 0.05 } };
    const held = { validationSplit: 0.2, ...shapeOf(small) };
    const { heads, fit } = await fitMany(engine, small.inputs, targets, [early, { epochs: 2 }], held);
    const split = splitRows(targets, { validation: 0.2 });
    const wanted = await alone(engine, small, { ...early, split });
    expect(heads[0]?.fits[0]).toMatchObject({ stoppedEarly: true, bestEpoch: wanted.result?.bestEpoch });
    expectSameBits(
      [heads[0]?.classifier, wanted.classifier].map((each) => bitsOf(each?.weights ?? 0, each?.bias ?? 0)),
      'head 0',
    );
    expect(fit?.epochs.length).toBe(wanted.result?.bestEpoch);
    const parts = await fitMany(engine, small.inputs, targets, [early], { cv: 3, ...shapeOf(small) });
    expect(parts.heads[0]?.fits.map(({ stoppedEarly }) => stoppedEarly)).toEqual([true, true, true]);
  });

  test('the same where they do not all fit, or not even the rows do', async () => {
    const problem = clusters(2000, 60, 10, 8);
    const heads = Array.from({ length: 12 }, (_, index) => ({
      learningRate: 0.01 * (index + 1),
      momentum: 0.9,
    }));
    for (const arenaBytes of [1.6e6, 1.1e6]) {
      await using tight = await Engine.create({ threads: 2, numerics, arenaBytes });
      const { usedBytes } = tight.memoryUsage();
      await expectAsAlone(tight, problem, heads, { epochs: 1, batchSize: 256 });
      expect(tight.memoryUsage().usedBytes).toBe(usedBytes);
    }
  });

  test('give all memory back', async () => {
    const { usedBytes } = engine.memoryUsage();
    await fitMany(engine, small.inputs, small.targets, HEADS, { ...shapeOf(small), ...SHARED, cv: 3 });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

// Many heads on the same rows: each as if it were alone, whatever is beside it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, fitMany, SoftmaxClassifier, SoftshardError, type Training } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { builds } from '../../../kernels/workbench.js';
import { clusters, type Problem } from '../workbench.js';

const small = clusters(300, 17, 5, 3);
const sharded = clusters(128, 1100, 250, 4);

const weights = Float32Array.from({ length: 5 }, (_, column) => 0.5 + column / 4);
const sampleWeight = Float32Array.from({ length: small.rows }, (_, row) => row % 3);
const softTargets = Float32Array.from({ length: small.rows * 5 }, (_, i) =>
  small.targets[Math.floor(i / 5)] === i % 5 ? 0.8 : 0.05,
);

const HEADS: readonly Training.HeadOptions[] = [
  { C: 0.01 },
  { C: 1 },
  { C: 1, scale: 'standard' },
  { l2: 0.001, scale: 'standard', tol: 1e-6 },
  { C: 10, weight: 'balanced' },
  { C: 10, weight: weights },
  { C: 1, sampleWeight },
  { C: 1, labelSmoothing: 0.1, weight: weights },
  { C: 1, labelSmoothing: 0.1 },
  { C: 100, maxPasses: 5 },
  { C: 1, solver: 'newton-cg' },
  { C: 1, l1: 0.003 },
  { epochs: 2, batchSize: 32, learningRate: 0.1 },
  { epochs: 2, batchSize: 32, learningRate: 0.3, momentum: 0.9 },
  { epochs: 2, batchSize: 32, learningRate: 0.1, seed: 1 },
];

const shapeOf = ({ features, classes }: Problem) => ({ features, classes });
const modelBits = (classifier: SoftmaxClassifier | undefined) => {
  if (classifier === undefined) throw new Error('a head without a classifier');
  return bitsOf(classifier.weights, classifier.bias);
};

async function aloneBits(engine: Engine, problem: Problem, options: Training.HeadOptions) {
  const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
  const result = await classifier.fit(problem.inputs, problem.targets, options);
  return { bits: modelBits(classifier), loss: result.loss };
}

test('the wide problem is shared by tiles, the small one by partials', () => {
  expect(planFullBatch(sharded).by).toBe('parameter-sharded');
  expect(planFullBatch(small).by).toBe('data-parallel');
});

describe.each(builds)('fitMany (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test('gives each head the bits of fit with its options alone, for 1, 2, 3 and 8 threads', async () => {
    const wanted = await Promise.all(HEADS.map((options) => aloneBits(engine, small, options)));
    for (const threads of [1, 2, 3, 8]) {
      const own = await engineWith({ threads, numerics });
      const { heads, best, classifier } = await fitMany(
        own,
        small.inputs,
        small.targets,
        HEADS,
        shapeOf(small),
      );
      for (const [index, head] of heads.entries()) {
        expect(head.error).toBeUndefined();
        expect(head.fits[0]?.loss).toBe(wanted[index]?.loss);
        expectSameBits(
          [modelBits(head.classifier), wanted[index]?.bits ?? ''],
          `head ${index}, ${threads} threads`,
        );
      }
      expect(best).toBeUndefined();
      expect(classifier).toBeUndefined();
    }
  });

  test('the same with many classes, whose gradient is shared by tiles', async () => {
    const options = [{ C: 1e-5 }, { C: 1e-4 }];
    const wanted = await Promise.all(options.map((own) => aloneBits(engine, sharded, own)));
    for (const threads of [3]) {
      const own = await engineWith({ threads, numerics });
      const { heads } = await fitMany(own, sharded.inputs, sharded.targets, options, shapeOf(sharded));
      for (const [index, head] of heads.entries()) {
        expectSameBits(
          [modelBits(head.classifier), wanted[index]?.bits ?? ''],
          `head ${index}, ${threads} threads`,
        );
      }
    }
  });

  test('the same with soft targets, and with options that all heads have', async () => {
    const shared = { C: 3, labelSmoothing: 0.05 };
    const heads = [{}, { C: 0.1 }, { labelSmoothing: 0 }];
    const many = await fitMany(engine, small.inputs, softTargets, heads, { ...shapeOf(small), ...shared });
    for (const [index, own] of heads.entries()) {
      const classifier = new SoftmaxClassifier(engine, shapeOf(small));
      await classifier.fit(small.inputs, softTargets, { ...shared, ...own });
      expectSameBits([modelBits(classifier), modelBits(many.heads[index]?.classifier)], `head ${index}`);
      expect(many.heads[index]?.options).toEqual({ ...shared, ...own });
    }
  });

  test('heads beyond the memory take turns, with the same bits', async () => {
    const rows = clusters(6000, 60, 10, 8);
    const options = [0.001, 0.01, 0.1, 1].map((C) => ({ C, tol: 0.01 }));
    const wanted = await fitMany(engine, rows.inputs, rows.targets, options, shapeOf(rows));
    for (const arenaBytes of [6e6, 4.6e6]) {
      await using tight = await Engine.create({ threads: 2, numerics, arenaBytes });
      const used = tight.memoryUsage().usedBytes;
      const { heads } = await fitMany(tight, rows.inputs, rows.targets, options, shapeOf(rows));
      for (const [index, head] of heads.entries()) {
        const same = [modelBits(head.classifier), modelBits(wanted.heads[index]?.classifier)];
        expectSameBits(same, `head ${index}, ${arenaBytes} bytes`);
      }
      expect(tight.memoryUsage().usedBytes).toBe(used);
    }
  });

  test('a head that fails is reported, and the others go on', async () => {
    const inputs = small.inputs.map((value) => value * 1e15);
    const options = [{ C: 1 }, { learningRate: 1e30, epochs: 3 }, { learningRate: 1e-40, epochs: 3 }];
    const ended: number[] = [];
    const { heads } = await fitMany(engine, inputs, small.targets, options, {
      ...shapeOf(small),
      onHeadEnd: ({ head }) => ended.push(head),
    });
    expect(heads.map(({ error }) => error)).toEqual([
      undefined,
      expect.objectContaining({ code: 'ERR_DIVERGED' }),
      undefined,
    ]);
    expect(heads.map(({ classifier }) => classifier !== undefined)).toEqual([true, false, true]);
    expect(heads[1]?.fits).toEqual([]);
    expect(ended.sort()).toEqual([0, 1, 2]);
  });

  test.each([
    new SoftshardError('ERR_CLOSED', 'the file was closed'),
    new SoftshardError('ERR_FORMAT', 'the file changed'),
    new Error('the database is gone'),
  ])('rows that nobody can read end the call, and no head: %s', async (reason) => {
    const { rows, features } = small;
    const gather = () => {
      throw reason;
    };
    const source = { rows, features, type: 'float32', gather } as const;
    for (const heads of [
      [{ C: 1 }, { C: 2 }],
      [{ epochs: 2 }, { learningRate: 0.1 }, { seed: 3, epochs: 3 }],
    ]) {
      const run = fitMany(engine, source, small.targets, heads, shapeOf(small));
      expect(await failure(() => run)).toBe(reason);
    }
  });

  test('aborting rejects with the reason and gives all memory back', async () => {
    const { usedBytes } = engine.memoryUsage();
    for (const options of [[{ C: 1 }, { C: 100 }], [{ epochs: 1000 }]]) {
      const controller = new AbortController();
      const reason = new Error('that will do');
      const heads = [...options, { C: 1e-9 }];
      const run = fitMany(engine, small.inputs, small.targets, heads, {
        ...shapeOf(small),
        signal: controller.signal,
        onHeadEnd: () => controller.abort(reason),
      });
      expect(await failure(() => run)).toBe(reason);
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    }
  });

  test('onHeadProgress tells of each epoch and iteration, in order, and changes no bit', async () => {
    const heads = [{ C: 1 }, HEADS[12]!, HEADS[13]!];
    const told = new Map<string, number[]>();
    const options = { ...shapeOf(small), cv: 3 };
    const { heads: results, classifier } = await fitMany(engine, small.inputs, small.targets, heads, {
      ...options,
      onHeadProgress: ({ head, part, epoch, solver }) => {
        const key = `${head}/${part}`;
        told.set(key, [...(told.get(key) ?? []), epoch?.epoch ?? solver!.iteration]);
        if (solver === undefined) expect(epoch).toMatchObject({ epochs: 2, loss: expect.any(Number) });
      },
    });
    expect(told.size).toBe(9);
    for (const part of [0, 1, 2]) {
      const iterations = told.get(`0/${part}`)!;
      expect(iterations).toEqual(iterations.map((_, i) => i + iterations[0]!));
      for (const head of [1, 2]) expect(told.get(`${head}/${part}`)).toEqual([1, 2]);
    }
    const silent = await fitMany(engine, small.inputs, small.targets, heads, options);
    expect(results.map(({ score }) => score)).toEqual(silent.heads.map(({ score }) => score));
    expect(modelBits(classifier)).toBe(modelBits(silent.classifier));
  });

  test('what onHeadProgress throws ends the call', async () => {
    const reason = new Error('enough');
    const onHeadProgress = () => {
      throw reason;
    };
    for (const head of [{ C: 1 }, HEADS[12]!]) {
      const options = { ...shapeOf(small), onHeadProgress };
      await expect(fitMany(engine, small.inputs, small.targets, [head], options)).rejects.toBe(reason);
    }
  });

  test('what onHeadEnd throws ends the call', async () => {
    const reason = new Error('no more');
    const run = fitMany(engine, small.inputs, small.targets, [{ C: 1 }, { C: 2 }], {
      ...shapeOf(small),
      onHeadEnd: () => {
        throw reason;
      },
    });
    expect(await failure(() => run)).toBe(reason);
  });
});

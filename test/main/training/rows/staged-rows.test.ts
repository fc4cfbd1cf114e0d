// Training on rows that do not fit into the arena: they have to pass through it, with the bits of a run where all fit.
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { RowsInArena } from '#softshard/main/training/rows/rows-in-arena.js';
import { bitsOf } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { builds, randomValues } from '../../../kernels/workbench.js';
import { clusters, type Problem } from '../workbench.js';

const MIB = 1024 * 1024;

/** 7.6 MB of float32, or 1.9 MB of bytes. */
const byPartials = clusters(6_001, 317, 11, 5);
/** 9.9 MB of float32. */
const byTiles = clusters(4_001, 611, 499, 6);

test.each([
  ['data-parallel', byPartials, 500],
  ['parameter-sharded', byTiles, 300],
] as const)('by %s is how the problems below are trained', (by, problem, batchSize) => {
  expect(planTraining({ ...problem, batchSize }).by).toBe(by);
});

const bytesOf = ({ inputs }: Problem): Uint8Array =>
  Uint8Array.from(inputs, (value) => Math.max(0, Math.min(255, Math.round(value * 40 + 128))));

function softTargetsOf({ rows, classes, targets }: Problem) {
  const data = new Float32Array(rows * classes).fill(0.25 / classes);
  for (const [row, target] of targets.entries()) data[row * classes + target]! += 0.75;
  return { type: 'float32', dims: [rows, classes], data } as const;
}

/** Each fifth class of a row is left out, never its target. */
function maskOf({ rows, classes, targets }: Problem): Uint8Array {
  const mask = Uint8Array.from({ length: rows * classes }, (_, i) => (i % 5 === 3 ? 0 : 1));
  for (const [row, target] of targets.entries()) mask[row * classes + target] = 1;
  return mask;
}

const sampleWeightOf = ({ rows }: Problem): Float32Array =>
  randomValues(rows, 1, 21).map((weight, row) => (row % 9 === 4 ? 0 : Math.abs(weight) + 0.25));

const withIgnoredRows = ({ targets }: Problem): Int32Array =>
  Int32Array.from(targets, (target, row) => (row % 7 === 2 ? -100 : target));

interface Case {
  readonly problem: Problem;
  readonly featureScaling?: Training.FeatureScaling;
  readonly inputs?: Uint8Array;
  readonly targets?: Int32Array | ReturnType<typeof softTargetsOf>;
  readonly options: Training.FitOptions;
  /** For one thread; less than the rows and all else take. */
  readonly arenaBytes: number;
  readonly bytesAThread?: number;
}

const DESCENT = { epochs: 2, learningRate: 0.05, momentum: 0.9, weightDecay: 0.001, seed: 3 };
const PARTIALS = { ...DESCENT, batchSize: 500 };
const TILES = { ...DESCENT, epochs: 1, batchSize: 300 };

const scalingOf = ({ features }: Problem): Training.FeatureScaling => ({
  shift: randomValues(features, 1, 31),
  scale: randomValues(features, 1.5, 32),
});

const CASES: Record<string, Case> = {
  'by partials': { problem: byPartials, options: PARTIALS, arenaBytes: 6 * MIB },
  'by partials, rows in order, rows split off for validation': {
    problem: byPartials,
    options: { ...PARTIALS, shuffle: false, validationSplit: 0.15 },
    arenaBytes: 6 * MIB,
  },
  'by partials, steps so large that one fits at a time': {
    problem: byPartials,
    options: { ...PARTIALS, batchSize: 2000 },
    arenaBytes: 6 * MIB,
  },
  'by partials, single rows': {
    problem: clusters(3_001, 400, 3, 8),
    options: { ...DESCENT, epochs: 1, batchSize: 1, validationSplit: 0.5 },
    arenaBytes: 3 * MIB,
  },
  'by partials, bytes': {
    problem: byPartials,
    inputs: bytesOf(byPartials),
    options: { ...PARTIALS, validationSplit: 0.1 },
    arenaBytes: 1.75 * MIB,
  },
  'by partials, scaled': {
    problem: byPartials,
    featureScaling: scalingOf(byPartials),
    options: { ...PARTIALS, validationSplit: 0.1 },
    arenaBytes: 6 * MIB,
  },
  'by partials, weights, ignored rows and a mask': {
    problem: byPartials,
    targets: withIgnoredRows(byPartials),
    options: {
      ...PARTIALS,
      weight: 'balanced',
      sampleWeight: sampleWeightOf(byPartials),
      mask: maskOf(byPartials),
      labelSmoothing: 0.1,
      validationSplit: 0.2,
    },
    arenaBytes: 6 * MIB,
  },
  'by partials, soft targets, summed': {
    problem: byPartials,
    targets: softTargetsOf(byPartials),
    options: { ...PARTIALS, learningRate: 1e-4, reduction: 'sum', validationSplit: 0.2 },
    arenaBytes: 6 * MIB,
  },
  'by tiles': { problem: byTiles, options: TILES, arenaBytes: 9 * MIB, bytesAThread: 0.5 * MIB },
  'by tiles, bytes': {
    problem: byTiles,
    inputs: bytesOf(byTiles),
    options: { ...TILES, validationSplit: 0.1 },
    arenaBytes: 9 * MIB,
    bytesAThread: 0.5 * MIB,
  },
  'by tiles, scaled': {
    problem: byTiles,
    featureScaling: scalingOf(byTiles),
    options: { ...TILES, validationSplit: 0.1 },
    arenaBytes: 9 * MIB,
    bytesAThread: 0.5 * MIB,
  },
  'by tiles, ignored rows, soft cap and sample weights': {
    problem: byTiles,
    targets: withIgnoredRows(byTiles),
    options: { ...TILES, softcap: 20, sampleWeight: sampleWeightOf(byTiles), validationSplit: 0.2 },
    arenaBytes: 11 * MIB,
    bytesAThread: 0.5 * MIB,
  },
};

const ofBytes: Training.FeatureScaling = { shift: 128, scale: 1 / 64 };

/** The bits of all that comes out of it. */
async function trained(engine: Engine, { problem, inputs = undefined, targets, options, ...rest }: Case) {
  const { features, classes } = problem;
  const featureScaling = inputs === undefined ? rest.featureScaling : ofBytes;
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes,
    ...(featureScaling && { featureScaling }),
  });
  const losses: number[] = [];
  const { epochs } = await classifier.fit(inputs ?? problem.inputs, targets ?? problem.targets, {
    ...options,
    onStep: ({ loss, step }) => {
      expect(step).toBe(losses.length + 1);
      losses.push(loss);
    },
  });
  const reports = epochs.flatMap(({ loss, validationLoss = 0, validationAccuracy = 0 }) => [
    loss,
    validationLoss,
    validationAccuracy,
  ]);
  return bitsOf(classifier.weights, classifier.bias, Float64Array.from(losses), Float64Array.from(reports));
}

describe.each(builds)('rows that do not fit into the arena (%s)', (numerics) => {
  const engineOf = sharedEngines();
  test.each(Object.keys(CASES))(
    '%s: for 1, 2, 3 and 8 threads the bits of a run where they fit',
    async (name) => {
      const chosen = CASES[name]!;
      const large = await engineOf({ threads: 2, numerics, blas: false });
      const wanted = await trained(large, chosen);
      for (const threads of [1, 2, 3, 8]) {
        // Scratch memory of the workers, which is not for rows.
        const arenaBytes = chosen.arenaBytes + (threads - 1) * (chosen.bytesAThread ?? 0.25 * MIB);
        // The sizes are those of the kernels' memory; test/main/machine/blas.test.ts has a BLAS.
        const small = await engineOf({ threads, numerics, arenaBytes, blas: false });
        const { usedBytes } = small.memoryUsage();
        const place = vi.spyOn(RowsInArena, 'place');
        expect(await trained(small, chosen), `${threads} threads`).toBe(wanted);
        expect(place).toHaveReturnedWith(undefined);
        place.mockRestore();
        expect(small.memoryUsage().usedBytes).toBe(usedBytes);
      }
    },
  );
});

describe('rows that do not fit into the arena', () => {
  const chosen = CASES['by partials']!;
  const shape = { features: byPartials.features, classes: byPartials.classes };
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, arenaBytes: chosen.arenaBytes });
  });
  afterAll(() => engine.close());

  test('validation on rows of their own, more than fit as well', async () => {
    const digests = [];
    for (const arenaBytes of [chosen.arenaBytes, 64 * MIB]) {
      await using other = await Engine.create({ threads: 2, arenaBytes });
      const { inputs, targets } = byPartials;
      const options = { ...chosen.options, validation: { inputs, targets } };
      digests.push(await trained(other, { ...chosen, options }));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  test('part of what a run needs may lie in the arena already, and be freed while it runs', async () => {
    const { rows, features, inputs, targets } = byPartials;
    const digests = [];
    for (const arenaBytes of [8.5 * MIB, 64 * MIB]) {
      await using other = await Engine.create({ threads: 2, arenaBytes });
      const inside = other.matrix(rows, features);
      inside.data.set(inputs);
      const classifier = new SoftmaxClassifier(other, shape);
      const running = classifier.fit(inside, targets, {
        ...PARTIALS,
        sampleWeight: sampleWeightOf(byPartials),
        mask: maskOf(byPartials),
      });
      await new Promise(setImmediate);
      inside.free();
      await running;
      digests.push(bitsOf(classifier.weights, classifier.bias));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  test('other calls are let in between steps, with room for them, and change no bits', async () => {
    const alone = await trained(engine, chosen);
    let ended = false;
    let calls = 0;
    const running = trained(engine, chosen).finally(() => {
      ended = true;
    });
    while (!ended) {
      await engine.softmax(new Float32Array(140_000), { columns: 7 });
      calls++;
    }
    expect(await running).toBe(alone);
    expect(calls).toBeGreaterThan(3);
  });

  test('aborting rejects with the reason; the weights are those after a whole step', async () => {
    const { inputs, targets, features } = byPartials;
    const options = { learningRate: 0.05, batchSize: 100, shuffle: false };
    const stepsAnEpoch = 61;
    const classifier = new SoftmaxClassifier(engine, shape);
    const controller = new AbortController();
    let steps = 0;
    const error = await failure(() =>
      classifier.fit(inputs, targets, {
        ...options,
        epochs: 1000,
        signal: controller.signal,
        onStep: ({ step }) => {
          steps = step;
          if (step === 75) controller.abort();
        },
      }),
    );
    expect(error).toBe(controller.signal.reason);
    expect(steps).toBeLessThan(1000 * stepsAnEpoch);
    // As many steps where all rows fit: whole epochs, then the first rows once more.
    await using large = await Engine.create({ threads: 1, numerics: engine.numerics });
    const same = new SoftmaxClassifier(large, shape);
    await same.fit(inputs, targets, { ...options, epochs: Math.floor(steps / stepsAnEpoch) });
    const rows = (steps % stepsAnEpoch) * options.batchSize;
    if (rows > 0) {
      const [first, classes] = [inputs.subarray(0, rows * features), targets.subarray(0, rows)];
      await same.fit(first, classes, { ...options, epochs: 1 });
    }
    expect(bitsOf(classifier.weights, classifier.bias)).toBe(bitsOf(same.weights, same.bias));
    expect((await engine.softmax(Float32Array.of(0, 0), { columns: 2 })).data[0]).toBe(0.5);
  });

  test('an error thrown by onStep ends training and reaches the caller', async () => {
    const thrown = new Error('from onStep');
    const onStep = () => {
      throw thrown;
    };
    const { usedBytes } = engine.memoryUsage();
    const classifier = new SoftmaxClassifier(engine, shape);
    const running = classifier.fit(byPartials.inputs, byPartials.targets, { ...PARTIALS, onStep });
    expect(await failure(() => running)).toBe(thrown);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('a worker that dies: fit rejects with the cause, gives its memory back, and can be called again', async () => {
    const { usedBytes } = engine.memoryUsage();
    const classifier = new SoftmaxClassifier(engine, shape);
    // A thread that dies between two stretches of steps is replaced, and training goes on: until one dies within.
    const run = vi.spyOn(Piscina.prototype, 'run');
    const onStep = ({ step }: { step: number }) => {
      if (step % 20 === 0) void (run.mock.contexts.at(-1) as Piscina).threads[1]?.terminate();
    };
    const options = { ...PARTIALS, epochs: 1000, onStep };
    const error = await failure(() => classifier.fit(byPartials.inputs, byPartials.targets, options));
    run.mockRestore();
    expect(error).toMatchObject({ code: 'ERR_WORKER' });
    expect(error.message).toContain('a worker thread failed');
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    await using other = await Engine.create({ threads: 1, arenaBytes: chosen.arenaBytes });
    expect(await trained(engine, chosen)).toBe(await trained(other, chosen));
  });

  test('a loss that is not finite: ERR_DIVERGED names the step of the whole training', async () => {
    const inputs = byPartials.inputs.slice();
    // In the last of 13 steps.
    inputs.fill(3.4e38, 6000 * byPartials.features, 6001 * byPartials.features);
    const classifier = new SoftmaxClassifier(engine, shape);
    const error = await failure(() =>
      classifier.fit(inputs, byPartials.targets, { ...PARTIALS, shuffle: false }),
    );
    expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
    expect(error.message).toContain('the loss of step 13 is NaN');
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test('a feature that is not finite: ERR_NOT_FINITE names row and feature, of training and of validation', async () => {
    const inputs = byPartials.inputs.slice();
    inputs[6000 * byPartials.features + 5] = Number.NaN;
    for (const options of [{}, { validationSplit: 0.9999 }]) {
      const classifier = new SoftmaxClassifier(engine, shape);
      const error = await failure(() =>
        classifier.fit(inputs, byPartials.targets, { ...PARTIALS, shuffle: false, ...options }),
      );
      expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', argument: 'inputs', row: 6000, feature: 5 });
    }
  });

  test('a step without a row that counts: ERR_EMPTY names it where it must not be', async () => {
    const targets = Int32Array.from(byPartials.targets, (target, row) => (row < 1000 ? target : -100));
    const options = { ...PARTIALS, shuffle: false, onEmpty: 'throw' } as const;
    const classifier = new SoftmaxClassifier(engine, shape);
    const error = await failure(() => classifier.fit(byPartials.inputs, targets, options));
    expect(error).toMatchObject({ code: 'ERR_EMPTY' });
    expect(error.message).toContain('all rows of step 3 ');
  });

  test('inputs that are detached while it runs: ERR_SHAPE says so', async () => {
    const inputs = byPartials.inputs.slice();
    const classifier = new SoftmaxClassifier(engine, shape);
    const { usedBytes } = engine.memoryUsage();
    const onStep = () => {
      if (inputs.length > 0) structuredClone(inputs, { transfer: [inputs.buffer] });
    };
    const error = await failure(() => classifier.fit(inputs, byPartials.targets, { ...PARTIALS, onStep }));
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
    expect(error.message).toContain('detached while the call was running');
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('a step that does not fit: ERR_ARENA_FULL with sizes, and a batchSize that does', async () => {
    const { inputs, targets, rows, features } = byPartials;
    const classifier = new SoftmaxClassifier(engine, shape);
    const { usedBytes } = engine.memoryUsage();
    for (const validationSplit of [0, 0.1]) {
      const options = { epochs: 1, validationSplit, batchSize: 'full' } as const;
      const error = await failure(() => classifier.fit(inputs, targets, options));
      expect(error).toMatchObject({ code: 'ERR_ARENA_FULL', argument: 'options.batchSize' });
      const trainingRows = rows - Math.floor(rows * validationSplit);
      const bytes = trainingRows * (features + 1) * 4;
      expect(error.message).toMatch(
        new RegExp(
          `the ${trainingRows} rows of a step: they take ${bytes} bytes, the rest of training \\d+, used \\d+, free \\d+ \\(largest piece \\d+\\), ` +
            `limit ${chosen.arenaBytes}\\. What helps: lower options.batchSize to at most \\d+, ` +
            'pass inputs as bytes \\(Uint8Array\\), a quarter of the memory, free matrices .* larger arenaBytes ',
        ),
      );
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
      const batchSize = Number(/at most (\d+),/.exec(error.message)![1]);
      await classifier.fit(inputs, targets, { ...options, batchSize });
      const tooLarge = { ...options, batchSize: Math.ceil(batchSize * 1.05) };
      expect(await failure(() => classifier.fit(inputs, targets, tooLarge))).toMatchObject({
        code: 'ERR_ARENA_FULL',
      });
    }
  });
});

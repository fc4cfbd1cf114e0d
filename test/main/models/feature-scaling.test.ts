// A model's scaling of float32 rows: everything a classifier does with raw rows has the bits of rows that were scaled before,
// without a scaling of the model.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  Engine,
  findBlas,
  SoftmaxClassifier,
  scaleFeatures,
  standardScaling,
  type Tensor,
  type Training,
} from '#softshard/main/index.js';
import { writeModelFile } from '#softshard/main/models/model-file.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import {
  byPartials,
  byTiles,
  maskOf,
  TRAINING as SHORT_STEPS,
  softTargetsOf,
  withIgnoredRows,
} from '../training/loss-cases.js';
import type { Problem } from '../training/workbench.js';

const TRAINING = { ...SHORT_STEPS, batchSize: 100 };

const scalingOf = (features: number): Training.FeatureScaling => ({
  shift: randomValues(features, 2, 31),
  scale: randomValues(features, 1.5, 32),
});

const tensorOf = ({ rows, features, inputs }: Problem): Tensor<'float32'> => ({
  type: 'float32',
  dims: [rows, features],
  data: inputs.slice(),
});

function scaledBefore(problem: Problem, scaling: Training.FeatureScaling): Tensor<'float32'> {
  const tensor = tensorOf(problem);
  scaleFeatures(tensor, scaling);
  return tensor;
}

/** The bits of everything a classifier says of rows that it was trained on. */
async function trained(
  engine: Engine,
  { features, classes, targets: classesOfRows }: Problem,
  inputs: Tensor<'float32'>,
  featureScaling: Training.FeatureScaling | undefined,
  { soft, ...options }: Training.FitOptions & { readonly soft?: Float32Array } = {},
) {
  const targets = soft ?? classesOfRows;
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes,
    ...(featureScaling && { featureScaling }),
  });
  const { epochs } = await classifier.fit(inputs, targets, { ...TRAINING, validationSplit: 0.1, ...options });
  const apart = new SoftmaxClassifier(engine, {
    features,
    classes,
    ...(featureScaling && { featureScaling }),
  });
  const validation = { inputs, targets };
  const validated = await apart.fit(inputs, targets, { ...TRAINING, epochs: 1, validation });
  const { data } = await classifier.predictProbabilities(inputs);
  const { loss, accuracy } = await classifier.evaluate(inputs, targets);
  const reports = [...epochs, ...validated.epochs].flatMap((epoch) => [
    epoch.loss,
    epoch.validationLoss!,
    epoch.validationAccuracy!,
  ]);
  const predictions = await classifier.predict(inputs);
  return bitsOf(classifier.weights, classifier.bias, data, predictions, loss, accuracy, ...reports);
}

describe.each(builds)('the scaling of a model (%s)', (numerics) => {
  const engineOf = sharedEngines();
  const LOSSES: Record<string, (problem: Problem) => Training.FitOptions & { readonly soft?: Float32Array }> =
    {
      'plain loss': () => ({}),
      'class weights, smoothing and a mask': (problem) => ({
        weight: 'balanced',
        labelSmoothing: 0.1,
        mask: maskOf(problem),
      }),
      'soft targets': (problem) => ({ soft: softTargetsOf(problem), zLoss: 0.01 }),
    };

  test.each([
    ['data-parallel', byPartials],
    ['parameter-sharded', byTiles],
  ] as const)(
    'by %s: raw float32 rows have the bits of rows scaled before, in the arena and elsewhere, for 1, 2, 3 and 8 threads',
    async (by, problem) => {
      expect(planTraining({ ...problem, batchSize: TRAINING.batchSize }).by).toBe(by);
      const scaling = scalingOf(problem.features);
      const expected: Record<string, string> = {};
      for (const threads of [1, 2, 3, 8]) {
        const engine = await engineOf({ threads, numerics, blas: false });
        const { usedBytes } = engine.memoryUsage();
        for (const [name, lossOf] of Object.entries(LOSSES)) {
          const options = lossOf(problem);
          const raw = tensorOf(problem);
          const what = `${name}, ${threads} threads`;
          expected[name] ??= await trained(
            engine,
            problem,
            scaledBefore(problem, scaling),
            undefined,
            options,
          );
          expect(await trained(engine, problem, raw, scaling, options), what).toBe(expected[name]);
          expect(bitsOf(raw.data), 'inputs are left as they are').toBe(bitsOf(problem.inputs));
          const resident = engine.matrix(problem.rows, problem.features);
          resident.data.set(problem.inputs);
          expect(await trained(engine, problem, resident, scaling, options), `${what}, arena`).toBe(
            expected[name],
          );
          expect(bitsOf(resident.data)).toBe(bitsOf(problem.inputs));
          resident.free();
        }
        expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
      }
    },
  );

  test('ignored rows stay out, whatever is in them', async () => {
    await using engine = await Engine.create({ threads: 2, numerics, blas: false });
    for (const problem of [byPartials, byTiles]) {
      const { targets } = withIgnoredRows(problem, -100);
      const inputs = problem.inputs.map((value, i) =>
        targets[Math.floor(i / problem.features)] === -100 ? Number.NaN : value,
      );
      const ignoring = { ...problem, targets };
      const scaling = scalingOf(problem.features);
      const clean = await trained(engine, ignoring, tensorOf(problem), scaling);
      const classifier = { ...ignoring, inputs };
      const { data: _, ...shape } = tensorOf(problem);
      await expect(
        trained(engine, classifier, { ...shape, data: inputs }, scaling).catch(({ code, row }) => [
          code,
          row,
        ]),
      ).resolves.toEqual(['ERR_NOT_FINITE', targets.indexOf(-100)]);
      const fits = await Promise.all(
        [problem.inputs, inputs].map(async (data) => {
          const { features, classes } = problem;
          const one = new SoftmaxClassifier(engine, { features, classes, featureScaling: scaling });
          await one.fit({ ...shape, data }, targets, TRAINING);
          const { loss, rows, ignored } = await one.evaluate({ ...shape, data }, targets);
          return bitsOf(one.weights, loss, rows, ignored);
        }),
      );
      expect(fits[1]).toBe(fits[0]);
      expect(clean).not.toContain('NaN');
    }
  });

  test('one number for all features scales float32 as one for each does', async () => {
    await using engine = await Engine.create({ threads: 2, numerics });
    const one = { shift: 0.3, scale: 1 / 7 };
    const each = {
      shift: new Float32Array(byPartials.features).fill(0.3),
      scale: new Float32Array(byPartials.features).fill(1 / 7),
    };
    const bits = [];
    for (const scaling of [one, each])
      bits.push(await trained(engine, byPartials, tensorOf(byPartials), scaling));
    expect(bits[1]).toBe(bits[0]);
  });
});

const search = findBlas();
test.skipIf(!('library' in search))('a BLAS multiplies scaled rows as well', async () => {
  await using engine = await Engine.create({ threads: 2, blas: true });
  const scaling = scalingOf(byTiles.features);
  const expected = await trained(engine, byTiles, scaledBefore(byTiles, scaling), undefined);
  expect(await trained(engine, byTiles, tensorOf(byTiles), scaling)).toBe(expected);
});

test('a model of 0.1.0, whose weights are for scaled rows, is right on raw rows once it is loaded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'softshard-scaling-'));
  try {
    await using engine = await Engine.create({ threads: 2 });
    // Features of very different size, which learn nothing unless they are scaled.
    const problem = {
      ...byPartials,
      inputs: byPartials.inputs.map((x, i) => (x + 9) * 10 ** ((i % 19) / 3 - 3)),
    };
    const { features, classes, targets } = problem;
    const featureScaling = standardScaling(tensorOf(problem));
    const scaled = scaledBefore(problem, featureScaling);
    const before = new SoftmaxClassifier(engine, { features, classes });
    await before.fit(scaled, targets, TRAINING);
    const path = join(folder, 'model.safetensors');
    const { weights, bias } = before;
    await writeModelFile(path, {
      features,
      classes,
      weights,
      bias,
      featureScaling,
      softshardVersion: '0.1.0',
    });
    const loaded = await SoftmaxClassifier.load(engine, path);
    const { accuracy } = await loaded.evaluate(tensorOf(problem), targets);
    expect(accuracy).toBe((await before.evaluate(scaled, targets)).accuracy);
    expect(accuracy).toBeGreaterThan(0.9);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the scaling is the model’s own: what was given may change, what it shows cannot', async () => {
  await using engine = await Engine.create({ threads: 1 });
  const shift = Float32Array.of(1, 2);
  const classifier = new SoftmaxClassifier(engine, {
    features: 2,
    classes: 2,
    featureScaling: { shift, scale: 2 },
  });
  shift[0] = 100;
  expect(classifier.featureScaling).toEqual({ shift: [1, 2], scale: 2 });
  const shown = classifier.featureScaling as { shift: number[]; scale: number };
  expect(() => {
    shown.shift[0] = 5;
  }).toThrow(TypeError);
  expect(() => {
    shown.scale = 5;
  }).toThrow(TypeError);
});

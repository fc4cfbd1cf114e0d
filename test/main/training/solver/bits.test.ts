// Full-batch solvers give the same bits for any number of threads and wherever the rows are.
import { describe, expect, test } from 'vitest';
import { type Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds, randomTargets, randomValues } from '../../../kernels/workbench.js';
import { byPartials, byTiles, CASES, type Case } from '../loss-cases.js';
import { clusters } from '../workbench.js';

const MIB = 1024 * 1024;

async function fitBits(
  engine: Engine,
  shape: { features: number; classes: number; featureScaling?: Training.FeatureScaling },
  inputs: Parameters<SoftmaxClassifier['fit']>[0],
  targets: Parameters<SoftmaxClassifier['fit']>[1],
  options: Training.FitOptions,
) {
  const { features, classes, featureScaling } = shape;
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes,
    ...(featureScaling && { featureScaling }),
  });
  const reports: number[] = [];
  const onProgress = ({ iteration, passes, objective, gap = -1 }: Training.SolverReport) => {
    reports.push(iteration, passes, objective, gap);
  };
  const result = await classifier.fit(inputs, targets, { ...options, onProgress });
  const { objective = -1, gap = -1, passes = -1, loss } = result;
  return bitsOf(
    classifier.weights,
    classifier.bias,
    Float64Array.of(objective, gap, passes, loss, ...reports),
  );
}

const SHAPES = [
  ['data-parallel', byPartials, { C: 1, tol: 1e-5 }],
  ['parameter-sharded', byTiles, { C: 0.01, maxPasses: 5 }],
] as const;

describe.each(builds)('full-batch solvers (%s)', (numerics) => {
  const engineFor = sharedEngines();

  test.each(SHAPES)('%s: the same bits for 1, 2, 3 and 8 threads', async (by, problem, options) => {
    expect(planFullBatch(problem).by).toBe(by);
    for (const make of [CASES['weight, sampleWeight and ignored rows'], CASES['soft targets']]) {
      const example: Case = make?.(problem) ?? { problem, options: {}, loss: {} };
      const { inputs, targets, rows, classes } = example.problem;
      const { softTargets } = example.loss;
      const wanted =
        softTargets === undefined
          ? targets
          : { type: 'float32' as const, dims: [rows, classes], data: Float32Array.from(softTargets) };
      const texts: string[] = [];
      for (const threads of [1, 2, 3, 8]) {
        const engine = await engineFor({ threads, numerics });
        texts.push(
          await fitBits(engine, problem, inputs, wanted, { ...options, ...example.options, scale: 'none' }),
        );
      }
      expectSameBits(texts);
    }
  });

  test.each(SHAPES)(
    '%s: the same bits in the arena, outside it, and fetched',
    async (_, problem, options) => {
      const { inputs, targets, rows, features } = problem;
      const engine = await engineFor({ threads: 2, numerics });
      using resident = engine.matrix(rows, features);
      resident.data.set(inputs);
      const source: Training.FeatureSource<'float32'> = {
        rows,
        features,
        type: 'float32',
        async gather(numbers, into) {
          for (const [i, row] of numbers.entries()) {
            into.set(inputs.subarray(row * features, (row + 1) * features), i * features);
          }
        },
      };
      const texts: string[] = [];
      for (const given of [inputs, resident, source]) {
        texts.push(await fitBits(engine, problem, given, targets, options));
      }
      expectSameBits(texts);
    },
  );

  test('bytes with a featureScaling have the bits of the same numbers in float32', async () => {
    const [rows, features, classes] = [300, 19, 5];
    const bytes = Uint8Array.from(randomValues(rows * features, 128, 5), (value) => value + 128);
    const targets = randomTargets(rows, classes, 6);
    const engine = await engineFor({ threads: 2, numerics });
    for (const featureScaling of [
      { shift: 3, scale: 1 / 255 },
      { shift: randomValues(features, 99, 1), scale: randomValues(features, 0.02, 2) },
    ]) {
      const shape = { features, classes, featureScaling };
      expectSameBits([
        await fitBits(engine, shape, bytes, targets, { C: 0.1 }),
        await fitBits(engine, shape, Float32Array.from(bytes), targets, { C: 0.1 }),
      ]);
    }
  });

  test('standardised bytes have the bits of standardised float32', async () => {
    const [rows, features, classes] = [300, 19, 5];
    const bytes = Uint8Array.from(randomValues(rows * features, 128, 5), (value) => value + 128);
    const targets = randomTargets(rows, classes, 6);
    const engine = await engineFor({ threads: 2, numerics });
    const options = { C: 0.1, scale: 'standard' } as const;
    expectSameBits([
      await fitBits(engine, { features, classes }, bytes, targets, options),
      await fitBits(engine, { features, classes }, Float32Array.from(bytes), targets, options),
    ]);
  });

  test('rows that pass through a small arena have the bits of those that fit, in four branches, for 1, 2, 3 and 8 threads', async () => {
    const [rows, features, classes] = [35_001, 1000, 2];
    const { stepsAnEpoch } = planFullBatch({ rows, features, classes });
    expect(stepsAnEpoch).toBe(4);
    const bytes = new Uint8Array(rows * features);
    const pattern = randomValues(65_537, 128, 5);
    for (let i = 0; i < bytes.length; i++) bytes[i] = pattern[i % 65_537]! + 128;
    const targets = randomTargets(rows, classes, 6);
    const shape = { features, classes, featureScaling: { shift: 128, scale: 1 / 64 } };
    const options = { C: 1e-3, maxPasses: 4 };
    const texts: string[] = [];
    for (const [threads, arenaBytes] of [
      [2, 256 * MIB],
      [3, 256 * MIB],
      [8, 256 * MIB],
      [1, 48 * MIB],
      [2, 30 * MIB],
    ] as const) {
      const engine = await engineFor({ threads, numerics, arenaBytes });
      texts.push(await fitBits(engine, shape, bytes, targets, options));
      expect(engine.memoryUsage().usedBytes).toBeLessThan(10 * MIB);
    }
    expectSameBits(texts);
  });

  test('rows of weight 0 and ignored rows change no bit, whatever is in them', async () => {
    const { inputs, targets, rows, features, classes } = clusters(203, 7, 3, 5);
    const engine = await engineFor({ threads: 2, numerics });
    const shape = { features, classes };
    const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => row % 4 !== 1);
    const spoiled = inputs.map((value, i) => (Math.floor(i / features) % 4 === 1 ? Number.NaN : value));
    const few = Float32Array.from(
      kept.flatMap((row) => [...inputs.subarray(row * features, (row + 1) * features)]),
    );
    const fewTargets = Int32Array.from(kept, (row) => targets[row]!);
    const sampleWeight = Float32Array.from(targets, (_, row) => (row % 4 === 1 ? 0 : 1));
    const ignoring = targets.map((target, row) => (row % 4 === 1 ? -100 : target));
    const weighing = { C: 1, sampleWeight: sampleWeight.filter((weight) => weight > 0) };
    expectSameBits([
      await fitBits(engine, shape, few, fewTargets, { C: 1 }),
      await fitBits(engine, shape, spoiled, ignoring, { C: 1 }),
    ]);
    expectSameBits([
      await fitBits(engine, shape, few, fewTargets, weighing),
      await fitBits(engine, shape, spoiled, targets, { C: 1, sampleWeight }),
    ]);
  });
});

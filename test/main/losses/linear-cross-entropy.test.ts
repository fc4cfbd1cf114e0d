// linearCrossEntropy against the float64 formulas, over shapes, options, threads and workspaces.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { type ArenaTensor, Engine, type Losses } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { expectClose, expectedOf, type Layer, layerOf, type ReferenceOptions } from './linear-layers.js';

const SHAPES: readonly (readonly [rows: number, features: number, classes: number])[] = [
  [1, 1, 1],
  [1, 5, 2],
  [3, 1, 7],
  [23, 17, 10],
  [24, 8, 128],
  [25, 9, 129],
  [100, 33, 300],
  [217, 65, 1000],
  [49, 600, 67],
  [5, 1030, 257],
  [1700, 6, 12],
];
const OPTION_SETS: readonly Losses.LinearCrossEntropyOptions[] = [
  {},
  { reduction: 'sum' },
  { gradScale: 3 },
  { labelSmoothing: 0.1, zLoss: 1e-3 },
  { softcap: 2, temperature: 0.7 },
  { focalGamma: 2 },
  { ignoreIndex: 1, labelSmoothing: 0.2, softcap: 5, zLoss: 1e-2, focalGamma: 1.5, temperature: 2 },
];

describe.each(builds)('linearCrossEntropy (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (layer: Layer, options: Losses.LinearCrossEntropyOptions = {}, on = engine) =>
    on.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);

  test.each(SHAPES)(
    '%i × %i inputs, %i classes: loss within 2e-6 and gradients within 4e-6 of the largest element',
    async (rows, features, classes) => {
      const layer = layerOf(rows, features, classes);
      const result = await run(layer);
      const wanted = expectedOf(layer);
      expect(Math.abs(result.loss - wanted.loss)).toBeLessThan(2e-6 * Math.max(1, wanted.loss));
      expect(result.weightSum).toBe(rows);
      expect(result.loss).toBe(result.lossSum / rows);
      expect(result.losses).toBeUndefined();
      expect(result.zLoss).toBeUndefined();
      expect(result.gradInputs!.dims).toEqual([rows, features]);
      expect(result.gradWeights!.dims).toEqual([features, classes]);
      expect(result.gradBias!.dims).toEqual([classes]);
      expectClose(result.gradInputs!.data, wanted.gradInputs, 4e-6, 'gradInputs');
      expectClose(result.gradWeights!.data, wanted.gradWeights, 4e-6, 'gradWeights');
      expectClose(result.gradBias!.data, wanted.gradBias, 4e-6, 'gradBias');
    },
  );

  test.each(OPTION_SETS)('%o: loss and gradients within 1e-5 of the formulas', async (options) => {
    for (const [rows, features, classes] of SHAPES.slice(3, 8)) {
      const layer = layerOf(rows, features, classes);
      const weighted: Losses.LinearCrossEntropyOptions = {
        ...options,
        weight: randomValues(classes, 0.5, 7).map((w) => w + 1),
        sampleWeight: randomValues(rows, 0.5, 8).map((w) => w + 1),
      };
      for (const set of [options, weighted]) {
        const result = await run(layer, set);
        const wanted = expectedOf(layer, set as ReferenceOptions);
        const scale = Math.max(1, Math.abs(wanted.loss));
        expect(Math.abs(result.loss - wanted.loss)).toBeLessThan(1e-5 * scale);
        expect(Math.abs(result.weightSum - wanted.weightSum)).toBeLessThan(1e-12 * rows);
        if (set.zLoss !== undefined) {
          const zLoss = set.reduction === 'sum' ? wanted.zLossSum : wanted.zLossSum / wanted.weightSum;
          expect(Math.abs(result.zLoss! - zLoss)).toBeLessThan(1e-5 * Math.abs(zLoss));
        }
        expectClose(result.gradInputs!.data, wanted.gradInputs, 1e-5, 'gradInputs');
        expectClose(result.gradWeights!.data, wanted.gradWeights, 1e-5, 'gradWeights');
        expectClose(result.gradBias!.data, wanted.gradBias, 1e-5, 'gradBias');
      }
    }
  });

  test("reduction 'none' gives the rows' losses, and gradients of Σ gradOutput · losses", async () => {
    const layer = layerOf(60, 20, 150);
    const gradOutput = randomValues(60, 1, 9);
    const wanted = expectedOf(layer, { reduction: 'none', gradOutput });
    const result = await run(layer, { reduction: 'none', gradOutput });
    expectClose(result.losses!, wanted.losses, 2e-6, 'losses');
    expectClose(result.gradWeights!.data, wanted.gradWeights, 1e-5, 'gradWeights');
    const plain = await run(layer, { reduction: 'none', gradients: false });
    expectClose(plain.losses!, wanted.losses, 2e-6, 'losses of the plain kernels');
    const ones = expectedOf(layer, { reduction: 'none' });
    expectClose(
      (await run(layer, { reduction: 'none' })).gradInputs!.data,
      ones.gradInputs,
      1e-5,
      'gradInputs',
    );
  });

  test('agrees with finite differences of its own loss in float64 within 1e-5', async () => {
    const layer = layerOf(9, 4, 5);
    const options = { labelSmoothing: 0.1, softcap: 3, zLoss: 0.01 };
    const result = await run(layer, options);
    const lossAt = (weights: Float64Array) => {
      const { rows, features, classes, inputs, bias, targets } = layer;
      const logits = reference.linearForward(inputs, weights, bias, rows, features, classes);
      return reference.generalLoss(logits, targets, rows, classes, options).mean;
    };
    const step = 1e-4;
    const differences = Array.from(layer.weights.data, (_, i) => {
      const shifted = (by: number) => Float64Array.from(layer.weights.data, (w, j) => (i === j ? w + by : w));
      return (lossAt(shifted(step)) - lossAt(shifted(-step))) / (2 * step);
    });
    expectClose(result.gradWeights!.data, differences, 1e-5, 'gradWeights');
  });

  test('the same bits for 1, 2, 3 and 8 threads, for any workspace, inside and outside the arena', async () => {
    const layers = [layerOf(331, 70, 700), layerOf(2000, 9, 11), layerOf(50, 600, 3000)];
    const sets: Losses.LinearCrossEntropyOptions[] = [{}, { labelSmoothing: 0.1, zLoss: 1e-3, softcap: 4 }];
    const cases = layers.flatMap((layer) => sets.map((set) => ({ layer, set, seen: new Set<string>() })));
    for (const threads of [1, 2, 3, 8]) {
      const other = await Engine.create({ threads, numerics });
      try {
        for (const { layer, set, seen } of cases) {
          seen.add(bitsOfResult(await run(layer, set, other)));
          // The workspace decides the sizes of a BLAS's products, and these may decide its last bits.
          if (other.blas !== undefined) continue;
          seen.add(bitsOfResult(await run(layer, { ...set, workspaceBytes: 2 * 1024 * 1024 }, other)));
        }
      } finally {
        await other.close();
      }
    }
    for (const { layer, set, seen } of cases) {
      using inputs = engine.matrix(layer.rows, layer.features);
      using weights = engine.matrix(layer.features, layer.classes);
      using bias = engine.vector('float32', layer.classes);
      using targets = engine.vector('int32', layer.rows);
      inputs.data.set(layer.inputs);
      weights.data.set(layer.weights.data);
      bias.data.set(layer.bias);
      targets.data.set(layer.targets);
      const { usedBytes } = engine.memoryUsage();
      const inside = await engine.linearCrossEntropy(inputs, weights, bias, targets, set);
      seen.add(bitsOfResult(inside));
      for (const gradient of [inside.gradInputs, inside.gradWeights, inside.gradBias]) {
        (gradient as ArenaTensor<'float32'>).free();
      }
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    }
    for (const { layer, set, seen } of cases) {
      const { rows, features, classes } = layer;
      expectSameBits(seen, `${rows} × ${features} × ${classes} ${JSON.stringify(set)}`);
    }
  });

  test('what is not asked for is left out and changes no bit of the rest', async () => {
    const layer = layerOf(70, 40, 260);
    const all = await run(layer);
    const lossOnly = await run(layer, { gradients: false });
    expect(Object.keys(lossOnly).sort()).toEqual(['loss', 'lossSum', 'weightSum']);
    expect(Math.abs(lossOnly.loss - all.loss)).toBeLessThan(1e-6 * all.loss);
    const frozen = await run(layer, { gradients: { weights: false, bias: false } });
    expect(frozen.gradWeights).toBeUndefined();
    expect(frozen.gradBias).toBeUndefined();
    expect(bitsOf(frozen.gradInputs!.data)).toBe(bitsOf(all.gradInputs!.data));
    const biasOnly = await run(layer, { gradients: { inputs: false, weights: false } });
    expect(biasOnly.gradInputs).toBeUndefined();
    expect(bitsOf(biasOnly.gradBias!.data)).toBe(bitsOf(all.gradBias!.data));
    const { inputs, weights, targets } = layer;
    const noBias = await engine.linearCrossEntropy(inputs, weights, undefined, targets);
    expect('gradBias' in noBias).toBe(false);
    const wanted = expectedOf(layer, {}, new Float32Array(layer.classes));
    expectClose(noBias.gradWeights!.data, wanted.gradWeights, 4e-6, 'gradWeights without bias');
  });

  test('accumulate adds: micro-batches of multiples of 24 rows give gradWeights and gradBias the bits of the whole', async () => {
    const layer = layerOf(24 * 7 + 5, 50, 300);
    const { rows, features, classes, inputs, weights, bias, targets } = layer;
    const options = { reduction: 'sum', gradScale: 1 / rows } as const;
    const whole = await run(layer, options);
    const into = {
      gradInputs: new Float32Array(rows * features),
      gradWeights: engine.matrix(features, classes),
      gradBias: new Float32Array(classes),
    };
    let lossSum = 0;
    for (const [begin, end] of [
      [0, 48],
      [48, 144],
      [144, rows],
    ] as const) {
      const part = await engine.linearCrossEntropy(
        inputs.subarray(begin * features, end * features),
        weights,
        bias,
        targets.subarray(begin, end),
        {
          ...options,
          into: { ...into, gradInputs: into.gradInputs.subarray(begin * features, end * features) },
          accumulate: begin > 0,
        },
      );
      expect(part.gradWeights).toBe(into.gradWeights);
      lossSum += part.lossSum;
    }
    expect(Math.abs(lossSum - whole.lossSum)).toBeLessThan(1e-12 * whole.lossSum);
    expectClose(into.gradWeights.data, whole.gradWeights!.data, 1e-6, 'gradWeights');
    if (engine.blas === undefined) {
      expect(bitsOf(into.gradWeights.data)).toBe(bitsOf(whole.gradWeights!.data));
      expect(bitsOf(into.gradBias)).toBe(bitsOf(whole.gradBias!.data));
      expect(bitsOf(into.gradInputs)).toBe(bitsOf(whole.gradInputs!.data));
    }

    const before = into.gradInputs.slice();
    await run(layer, { ...options, into, accumulate: true });
    expectClose(
      into.gradInputs,
      before.map((g) => 2 * g),
      1e-6,
      'gradInputs accumulated',
    );
    await run(layer, { ...options, into });
    expect(bitsOf(into.gradInputs), 'without accumulate `into` is overwritten').toBe(bitsOf(before));
    into.gradWeights.free();
  });

  test('ignored rows have no gradient and do not count; with all ignored onEmpty decides, and gradients are 0', async () => {
    const layer = layerOf(50, 12, 200);
    const some = { ...layer, targets: layer.targets.map((t, i) => (i % 3 === 0 ? -100 : t)) };
    const result = await run(some);
    const wanted = expectedOf(some);
    expect(result.weightSum).toBe(33);
    expectClose(result.gradWeights!.data, wanted.gradWeights, 1e-5, 'gradWeights');
    expect(result.gradInputs!.data.subarray(0, 12).every((g) => g === 0)).toBe(true);

    const all = { ...layer, targets: layer.targets.map(() => -100) };
    const nan = await run(all);
    expect(nan.loss).toBeNaN();
    expect(nan.lossSum).toBe(0);
    for (const gradient of [nan.gradInputs, nan.gradWeights, nan.gradBias]) {
      expect(gradient!.data.every((g) => g === 0)).toBe(true);
    }
    expect((await run(all, { onEmpty: 'zero' })).loss).toBe(0);
    expect(await failure(() => run(all, { onEmpty: 'throw' }))).toMatchObject({ code: 'ERR_EMPTY' });
    const invalid = { ...layer, targets: layer.targets.map((t, i) => (i % 3 === 0 ? 999 : t)) };
    const ignoring = await run(invalid, { onInvalidTarget: 'ignore' });
    expect(bitsOf(ignoring.gradWeights!.data)).toBe(bitsOf(result.gradWeights!.data));
  });

  test('rows of no weight that have a loss by smoothing and z-loss: the mean is NaN, gradients are 0', async () => {
    const layer = { ...layerOf(50, 12, 20), targets: new Int32Array(50).fill(3) };
    const weight = Array.from({ length: 20 }, (_, j) => (j === 3 ? 0 : 1));
    const result = await run(layer, { weight, labelSmoothing: 0.1, zLoss: 0.01 });
    expect(result).toMatchObject({ loss: Number.NaN, zLoss: Number.NaN, weightSum: 0 });
    expect(result.lossSum).toBeGreaterThan(0);
    for (const gradient of [result.gradInputs, result.gradWeights, result.gradBias]) {
      expect(gradient!.data.every((g) => g === 0)).toBe(true);
    }
  });

  test('no rows: the mean is NaN, gradients are 0, or untouched with accumulate', async () => {
    const layer = layerOf(0, 3, 4);
    const gradWeights = new Float32Array(12).fill(5);
    const gradients = { inputs: false, bias: false };
    const result = await run(layer, { into: { gradWeights }, gradients, accumulate: true });
    expect([result.loss, result.lossSum, result.weightSum]).toEqual([Number.NaN, 0, 0]);
    expect(gradWeights.every((g) => g === 5)).toBe(true);
    await run(layer, { into: { gradWeights }, gradients });
    expect(gradWeights.every((g) => g === 0)).toBe(true);
  });
});

const bitsOfResult = ({
  loss,
  lossSum,
  gradInputs,
  gradWeights,
  gradBias,
}: Losses.LinearCrossEntropyResult): string =>
  bitsOf(loss, lossSum, gradInputs!.data, gradWeights!.data, gradBias!.data);

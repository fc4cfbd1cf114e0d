// linearCrossEntropy against the float64 formulas, over shapes, options, threads and workspaces, and what it takes of the
// arena.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import {
  type ArenaTensor,
  Engine,
  type LinearCrossEntropyOptions,
  type LinearCrossEntropyResult,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
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
const OPTION_SETS: readonly LinearCrossEntropyOptions[] = [
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

  const run = (layer: Layer, options: LinearCrossEntropyOptions = {}, on = engine) =>
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
      const weighted: LinearCrossEntropyOptions = {
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

  test("reduction 'none' gives the rows' losses, and gradients of Σ gradLosses · losses", async () => {
    const layer = layerOf(60, 20, 150);
    const gradLosses = randomValues(60, 1, 9);
    const wanted = expectedOf(layer, { reduction: 'none', gradLosses });
    const result = await run(layer, { reduction: 'none', gradLosses });
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
    const sets: LinearCrossEntropyOptions[] = [{}, { labelSmoothing: 0.1, zLoss: 1e-3, softcap: 4 }];
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
      using bias = engine.vector(layer.classes, 'float32');
      using targets = engine.vector(layer.rows, 'int32');
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
      expect(seen.size, `${rows} × ${features} × ${classes} ${JSON.stringify(set)}`).toBe(1);
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

  test('takes no more of the arena than workspaceBytes beyond operands and results, and gives all back', async () => {
    // An engine of its own, so that the peak is that of the call.
    const layer = layerOf(500, 64, 4000);
    for (const set of [{}, { labelSmoothing: 0.1 }]) {
      let peakOfSmall = 0;
      for (const workspaceBytes of [2 * 1024 * 1024, 8 * 1024 * 1024, undefined]) {
        const fresh = await Engine.create({ threads: 3, numerics });
        try {
          const { usedBytes } = fresh.memoryUsage();
          await run(layer, { ...set, ...(workspaceBytes && { workspaceBytes }) }, fresh);
          const after = fresh.memoryUsage();
          expect(after.usedBytes).toBe(usedBytes);
          const { rows, features, classes } = layer;
          // Inputs and weights with their gradients, bias with its own, targets; each rounded up to 128 bytes.
          const arrays = 4 * (2 * rows * features + 2 * features * classes + 2 * classes + rows) + 7 * 128;
          const workspace = after.peakBytes - usedBytes - arrays;
          expect(workspace).toBeLessThanOrEqual(workspaceBytes ?? 64 * 1024 * 1024);
          expect(workspace).toBeGreaterThan(peakOfSmall);
          peakOfSmall ||= workspace;
        } finally {
          await fresh.close();
        }
      }
    }
  });

  test('matrices freed while the call runs stay until it ends', async () => {
    const layer = layerOf(200, 30, 500);
    const wanted = await run(layer);
    const { usedBytes } = engine.memoryUsage();
    const inputs = engine.matrix(200, 30);
    const weights = engine.matrix(30, 500);
    const gradWeights = engine.matrix(30, 500);
    inputs.data.set(layer.inputs);
    weights.data.set(layer.weights.data);
    const view = gradWeights.data;
    const call = engine.linearCrossEntropy(inputs, weights, layer.bias, layer.targets, {
      into: { gradWeights },
      gradients: { inputs: false, bias: false },
    });
    for (const matrix of [inputs, weights, gradWeights]) matrix.free();
    // Would be given the memory of the freed ones, zeroed.
    using other = engine.matrix(200, 530);
    other.data.fill(Number.NaN);
    expect((await call).lossSum).toBe(wanted.lossSum);
    expect(bitsOf(view)).toBe(bitsOf(wanted.gradWeights!.data));
    other.free();
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('a workspace too small for 24 rows is refused with the least that would do', async () => {
    const layer = layerOf(2, 3, 5000);
    const error = await failure(() => run(layer, { workspaceBytes: 100_000 }));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.workspaceBytes', value: 100_000 });
    const least = Number(/at least (\d+)/.exec(error.message)![1]);
    await run(layer, { workspaceBytes: least });
    await failure(() => run(layer, { workspaceBytes: least - 1 }));
  });

  test('wrong arguments are refused before any output is touched', async () => {
    const layer = layerOf(10, 4, 6);
    const { inputs, weights, bias, targets } = layer;
    const gradWeights = new Float32Array(24).fill(5);
    const into = { gradWeights };
    const bad = targets.slice();
    bad[7] = 6;
    const { usedBytes } = engine.memoryUsage();
    const cases: [() => Promise<unknown>, object][] = [
      [
        () => engine.linearCrossEntropy(inputs, weights, bias, bad, { into }),
        { code: 'ERR_TARGET_RANGE', row: 7, value: 6 },
      ],
      [
        () => engine.linearCrossEntropy(inputs.subarray(1), weights, bias, targets, { into }),
        { code: 'ERR_SHAPE', argument: 'inputs' },
      ],
      [
        () =>
          engine.linearCrossEntropy({ type: 'float32', dims: [8, 5], data: inputs }, weights, bias, targets, {
            into,
          }),
        { code: 'ERR_SHAPE', argument: 'inputs', value: 5 },
      ],
      [
        () => engine.linearCrossEntropy(inputs, weights, bias.subarray(1), targets, { into }),
        { code: 'ERR_SHAPE', argument: 'bias', value: 5 },
      ],
      [
        () => engine.linearCrossEntropy(inputs, weights.data as never, bias, targets, { into }),
        { code: 'ERR_TYPE', argument: 'weights' },
      ],
      [
        () => engine.linearCrossEntropy(inputs, { ...weights, dims: [24] }, bias, targets, { into }),
        { code: 'ERR_SHAPE', argument: 'weights' },
      ],
      [
        () => run(layer, { into, gradients: { weights: false } }),
        { code: 'ERR_OPTION', argument: 'options.into.gradWeights' },
      ],
      [
        () => run(layer, { into, accumulate: true }),
        { code: 'ERR_OPTION', argument: 'options.into.gradInputs' },
      ],
      [
        () => run(layer, { into: { gradWeights: new Float32Array(23) } }),
        { code: 'ERR_SHAPE', argument: 'options.into.gradWeights' },
      ],
      [
        () => run(layer, { into: { gradWeights, gradBias: gradWeights.subarray(18) } }),
        { code: 'ERR_SHAPE', argument: 'options.into.gradWeights' },
      ],
      [
        () => run(layer, { into: { gradInputs: layer.inputs } }),
        { code: 'ERR_SHAPE', argument: 'options.into.gradInputs' },
      ],
      [
        () => run(layer, { softTargets: [] } as never),
        { code: 'ERR_OPTION', argument: 'options.softTargets' },
      ],
    ];
    for (const [call, expected] of cases) expect(await failure(call)).toMatchObject(expected);
    expect(gradWeights.every((g) => g === 5)).toBe(true);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('no room in the arena: the error names what does not fit, and nothing stays allocated', async () => {
    const small = await Engine.create({ threads: 1, numerics, arenaBytes: 2 * 1024 * 1024 });
    try {
      const { usedBytes } = small.memoryUsage();
      const layer = layerOf(10, 300, 2000);
      const error = await failure(() => run(layer, {}, small));
      expect(error).toMatchObject({ code: 'ERR_ARENA_FULL' });
      expect(error.message).toContain('weights');
      expect(small.memoryUsage().usedBytes).toBe(usedBytes);
    } finally {
      await small.close();
    }
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

  test('onProgress rises to 1; what it throws ends the call; other calls are let in between chunks', async () => {
    const layer = layerOf(4000, 128, 1000);
    const options = { workspaceBytes: 1024 * 1024 };
    const fractions: number[] = [];
    const long = run(layer, { ...options, onProgress: (fraction) => fractions.push(fraction) });
    let isDone = false;
    void long.then(() => {
      isDone = true;
    });
    await engine.softmax(Float32Array.of(1, 2), { columns: 2 });
    expect(isDone).toBe(false);
    const interrupted = await long;
    expect(fractions.length).toBeGreaterThan(0);
    expect(fractions).toEqual([...new Set(fractions)].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    const alone = await run(layer, options);
    expect(bitsOf(interrupted.lossSum, interrupted.gradWeights!.data)).toBe(
      bitsOf(alone.lossSum, alone.gradWeights!.data),
    );
    const onProgress = () => {
      throw new Error('enough');
    };
    await expect(run(layer, { ...options, onProgress })).rejects.toThrow('enough');
  });

  test('aborting rejects with the reason between two chunks, gives the memory back and leaves the engine usable', async () => {
    const layer = layerOf(3000, 256, 3000);
    const { usedBytes } = engine.memoryUsage();
    const controller = new AbortController();
    const fractions: number[] = [];
    const onProgress = (fraction: number) => {
      fractions.push(fraction);
      controller.abort(new Error('stop'));
    };
    const options = { workspaceBytes: 2 * 1024 * 1024, onProgress, signal: controller.signal };
    await expect(run(layer, options)).rejects.toThrow('stop');
    expect(fractions.at(-1)).toBeLessThan(1);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    await expect(run(layer, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(Number.isFinite((await run(layer)).loss)).toBe(true);
  });
});

const bitsOfResult = ({
  loss,
  lossSum,
  gradInputs,
  gradWeights,
  gradBias,
}: LinearCrossEntropyResult): string =>
  bitsOf(loss, lossSum, gradInputs!.data, gradWeights!.data, gradBias!.data);

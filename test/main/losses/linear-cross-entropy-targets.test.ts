// linearCrossEntropy with soft targets, masks and statistics: against the float64 formulas, and bit for bit
// against crossEntropy of the same logits.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArenaTensor, Engine, type Losses, type Tensor } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { expectClose, expectedOf, type Layer, layerOf } from './linear-layers.js';

const STATISTICS: readonly Losses.StatisticName[] = [
  'logSumExp',
  'argMax',
  'correct',
  'topKCorrect',
  'entropy',
  'margin',
  'targetProbability',
];

/** Rows of probabilities, some of them 0. */
function softTargetsOf(rows: number, classes: number, seed: number): Float32Array {
  const values = randomValues(rows * classes, 1, seed).map((value) => Math.max(0, value));
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * classes, (row + 1) * classes);
    part[row % classes] = 1;
    const sum = part.reduce((total, value) => total + value, 0);
    part.forEach((value, i) => {
      part[i] = value / sum;
    });
  }
  return values;
}

/** About one byte in four is 0, never the one at the target. */
function maskOf(rows: number, classes: number, targets: Int32Array, seed: number): Uint8Array {
  const mask = Uint8Array.from(randomValues(rows * classes, 1, seed), (value) => (value < -0.3 ? 0 : 1));
  for (let row = 0; row < rows; row++) mask[row * classes + targets[row]!] = 1;
  return mask;
}

/** Weights that make the inputs the logits: each product is 0 but one. */
function identity(classes: number): Tensor<'float32'> {
  const data = new Float32Array(classes * classes);
  for (let i = 0; i < classes; i++) data[i * classes + i] = 1;
  return { type: 'float32', dims: [classes, classes], data };
}

/** Without negative zeros: sums that begin with 0 have none. */
const plusZero = (values: ArrayLike<number>): Float32Array => Float32Array.from(values, (value) => value + 0);

describe.each(builds)('linearCrossEntropy and its targets (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (layer: Layer, options: Losses.LinearCrossEntropyOptions = {}, on = engine) =>
    on.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);

  test.each([
    [1, 1, 1],
    [23, 17, 10],
    [25, 9, 129],
    [217, 65, 1000],
    [5, 1030, 257],
  ])(
    '%i × %i inputs, %i classes with soft targets and a mask: loss and gradients within 1e-5 of the formulas',
    async (rows, features, classes) => {
      const layer = layerOf(rows, features, classes);
      const softTargets = softTargetsOf(rows, classes, 5);
      const mask = maskOf(rows, classes, layer.targets, 6);
      const sampleWeight = randomValues(rows, 0.5, 8).map((w) => w + 1);
      const options = { labelSmoothing: 0.1, zLoss: 1e-3, temperature: 1.5, sampleWeight };
      const sets = [
        { soft: softTargets, set: {} },
        { soft: softTargets, set: options },
        { soft: undefined, set: { mask } },
        { soft: undefined, set: { ...options, mask, softcap: 4 } },
      ];
      for (const { soft, set } of sets) {
        const { inputs, weights, bias, targets } = layer;
        const result = await engine.linearCrossEntropy(inputs, weights, bias, soft ?? targets, set);
        const wanted = expectedOf(layer, set, bias, soft);
        expect(Math.abs(result.loss - wanted.loss)).toBeLessThan(1e-5 * Math.max(1, Math.abs(wanted.loss)));
        expect(Math.abs(result.weightSum - wanted.weightSum)).toBeLessThan(1e-12 * rows);
        expectClose(result.gradInputs!.data, wanted.gradInputs, 1e-5, 'gradInputs');
        expectClose(result.gradWeights!.data, wanted.gradWeights, 1e-5, 'gradWeights');
        expectClose(result.gradBias!.data, wanted.gradBias, 1e-5, 'gradBias');
      }
    },
  );

  test('every option composes: losses, statistics and gradient have the bits of crossEntropy of the same logits', async () => {
    for (const [rows, classes] of [
      [40, 3],
      [61, 67],
      [33, 300],
    ] as const) {
      const inputs = randomValues(rows * classes, 6, rows);
      const targets = randomTargets(rows, classes, 3);
      const soft = softTargetsOf(rows, classes, 5);
      const common = {
        reduction: 'none',
        weight: randomValues(classes, 0.5, 7).map((w) => w + 1),
        sampleWeight: randomValues(rows, 0.5, 8).map((w) => w + 1),
        gradOutput: randomValues(rows, 1, 9),
        gradScale: 0.3,
        labelSmoothing: 0.2,
        temperature: 0.7,
        softcap: 5,
        zLoss: 1e-2,
        focalGamma: 1.5,
        mask: maskOf(rows, classes, targets, 6),
      } as const;
      const some = targets.map((target, row) => (row % 5 === 2 ? -100 : target));
      const cases = [
        { given: some, options: { ...common, statistics: STATISTICS, topK: 2 } },
        { given: soft, options: { ...common, statistics: ['logSumExp', 'argMax', 'entropy'] } },
        { given: Float64Array.from(soft), options: { reduction: 'none', statistics: [] } },
        { given: targets, options: { reduction: 'none', statistics: STATISTICS } },
        { given: targets, options: { reduction: 'none', mask: common.mask } },
      ] as const;
      for (const { given, options } of cases) {
        const direct = await engine.crossEntropyGradient(inputs, given, { ...options, columns: classes });
        const linear = await engine.linearCrossEntropy(inputs, identity(classes), undefined, given, options);
        expect(bitsOf(linear.losses!)).toBe(bitsOf(direct.losses!));
        expect(linear.statistics).toEqual(direct.statistics);
        expect(Object.keys(linear.statistics ?? {}).length).toBe(
          'statistics' in options ? options.statistics.length : 0,
        );
        expect(bitsOf(plusZero(linear.gradInputs!.data))).toBe(bitsOf(plusZero(direct.gradLogits.data)));
        expect(Math.abs(linear.lossSum - direct.lossSum)).toBeLessThan(1e-11 * Math.abs(direct.lossSum));
      }
    }
  });

  test('statistics do not change a bit of losses and gradients of the general kernels, nor need gradients', async () => {
    const layer = layerOf(70, 12, 200);
    const options = { labelSmoothing: 0.1 };
    const without = await run(layer, options);
    const asked = await run(layer, { ...options, statistics: STATISTICS });
    expect(bitsOf(asked.loss, asked.gradWeights!.data)).toBe(bitsOf(without.loss, without.gradWeights!.data));
    expect('statistics' in without).toBe(false);
    const alone = await run(layer, { ...options, statistics: STATISTICS, gradients: false });
    expect(alone.statistics).toEqual(asked.statistics);
  });

  test('the same bits for 1, 2, 3 and 8 threads, for any workspace, inside and outside the arena', async () => {
    const layer = layerOf(331, 20, 300);
    const { rows, features, classes } = layer;
    const soft = softTargetsOf(rows, classes, 5);
    const maskBytes = maskOf(rows, classes, layer.targets, 6);
    const ignoring = layer.targets.map((target, row) => (row % 7 === 3 ? -100 : target));
    const statistics: Losses.StatisticName[] = ['logSumExp', 'argMax', 'entropy'];
    const sets = [
      { given: soft, options: { mask: maskBytes, statistics, reduction: 'none' } },
      { given: ignoring, options: { mask: maskBytes, statistics, reduction: 'none' } },
      { given: ignoring, options: { reduction: 'none' } },
    ] as const;
    const seen = sets.map(() => new Set<string>());
    const bits = (result: Awaited<ReturnType<typeof run>>) =>
      bitsOf(
        result.lossSum,
        result.losses!,
        result.gradInputs!.data,
        result.gradWeights!.data,
        result.gradBias!.data,
        ...Object.values(result.statistics ?? {}),
      );
    for (const threads of [1, 2, 3, 8]) {
      const other = await Engine.create({ threads, numerics });
      try {
        const { usedBytes } = other.memoryUsage();
        for (const [index, { given, options }] of sets.entries()) {
          for (const workspaceBytes of [64 * 1024 * 1024, 1024 * 1024]) {
            const result = await other.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, given, {
              ...options,
              workspaceBytes,
            });
            seen[index]!.add(bits(result));
          }
        }
        expect(other.memoryUsage().usedBytes).toBe(usedBytes);
      } finally {
        await other.close();
      }
    }
    using inputs = engine.matrix(rows, features);
    using weights = engine.matrix(features, classes);
    using softTargets = engine.matrix(rows, classes);
    using mask = engine.vector('uint8', rows * classes);
    inputs.data.set(layer.inputs);
    weights.data.set(layer.weights.data);
    softTargets.data.set(soft);
    mask.data.set(maskBytes);
    const inside = await engine.linearCrossEntropy(inputs, weights, layer.bias, softTargets, {
      ...sets[0].options,
      mask: mask.data,
    });
    seen[0]!.add(bits(inside));
    for (const gradient of [inside.gradInputs, inside.gradWeights]) {
      (gradient as ArenaTensor<'float32'>).free();
    }
    for (const some of seen) expectSameBits(some);
  });

  test('soft targets in the arena are read where they lie, others are copied in; all is given back', async () => {
    const layer = layerOf(200, 4, 5000);
    const soft = softTargetsOf(200, 5000, 5);
    const taken = async (given: Float32Array | Tensor<'float32'>, fresh: Engine) => {
      const { usedBytes } = fresh.memoryUsage();
      const { inputs, weights, bias } = layer;
      await fresh.linearCrossEntropy(inputs, weights, bias, given, {
        gradients: false,
        workspaceBytes: 2 ** 22,
      });
      expect(fresh.memoryUsage().usedBytes).toBe(usedBytes);
      return fresh.memoryUsage().peakBytes - usedBytes;
    };
    const outside = await Engine.create({ threads: 1, numerics });
    const inside = await Engine.create({ threads: 1, numerics });
    try {
      using softTargets = inside.matrix(200, 5000);
      softTargets.data.set(soft);
      const copied = await taken(soft, outside);
      const inPlace = await taken(softTargets, inside);
      expect(copied - inPlace).toBe(soft.byteLength);
    } finally {
      await outside.close();
      await inside.close();
    }
  });

  test('wrong soft targets, masks and statistics are refused before any output is touched', async () => {
    const layer = layerOf(10, 4, 6);
    const { inputs, weights, bias } = layer;
    const gradWeights = new Float32Array(24).fill(5);
    const soft = engine.matrix(10, 6);
    const { usedBytes } = engine.memoryUsage();
    const refused = (given: unknown, options: Losses.LinearCrossEntropyOptions) => () =>
      engine.linearCrossEntropy(inputs, weights, bias, given as Float32Array, {
        ...options,
        into: { gradWeights, ...options.into },
      });
    const cases: [() => Promise<unknown>, object][] = [
      [refused(new Float32Array(59), {}), { code: 'ERR_SHAPE', argument: 'targets', value: 59 }],
      [
        refused({ type: 'float32', dims: [6, 10], data: new Float32Array(60) }, {}),
        { code: 'ERR_SHAPE', argument: 'targets', value: [6, 10] },
      ],
      [
        refused(layer.targets, { mask: new Uint8Array(10) }),
        { code: 'ERR_SHAPE', argument: 'options.mask', value: 10 },
      ],
      [
        refused(layer.targets, { mask: new Float32Array(60) as never }),
        { code: 'ERR_TYPE', argument: 'options.mask' },
      ],
      [
        refused(soft, { statistics: ['correct'] }),
        { code: 'ERR_OPTION', argument: 'options.statistics', value: 'correct' },
      ],
      [
        refused(layer.targets, { statistics: ['topKCorrect'], topK: 7 }),
        { code: 'ERR_OPTION', argument: 'options.topK', value: 7 },
      ],
      [
        refused(soft, { into: { gradInputs: soft.data.subarray(0, 40) } }),
        { code: 'ERR_SHAPE', argument: 'options.into.gradInputs' },
      ],
    ];
    // As crossEntropyGradient refuses it.
    const into = soft.data.subarray(0, 30);
    const direct = () =>
      engine.crossEntropyGradient(inputs.subarray(0, 30), soft.data.subarray(6, 36), { columns: 6, into });
    cases.push([direct, { code: 'ERR_SHAPE', argument: 'options.into' }]);
    for (const [call, expected] of cases) expect(await failure(call)).toMatchObject(expected);
    expect(gradWeights.every((g) => g === 5)).toBe(true);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    soft.free();
    expect(await failure(refused(soft, {}))).toMatchObject({ code: 'ERR_FREED', argument: 'targets' });
  });
});

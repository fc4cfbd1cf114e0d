// Ignored rows of linearCrossEntropy may hold anything: 0 · NaN must not be seen in the gradient of the weights.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SUM_ROWS } from '#softshard/kernels/layout.js';
import {
  Engine,
  type LinearCrossEntropyOptions,
  type LinearCrossEntropyResult,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { builds } from '../../kernels/workbench.js';
import { expectClose, type Layer, layerOf } from './linear-layers.js';

const GRADIENTS = ['gradInputs', 'gradWeights', 'gradBias'] as const;
const HOSTILE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38];

/** Every third row, and more of them in a row, counts for nothing. */
const isIgnored = (row: number): boolean => row % 3 === 1 || row % 17 < 2 || (row >= 48 && row < 60);

/** The layer with ignored rows, whose inputs are what `inputOf` gives for each of their elements. */
function ignoringLayer(layer: Layer, target: number, inputOf: (element: number) => number): Layer {
  const inputs = layer.inputs.map((value, i) =>
    isIgnored(Math.floor(i / layer.features)) ? inputOf(i) : value,
  );
  const targets = layer.targets.map((own, row) => (isIgnored(row) ? target : own));
  return { ...layer, inputs, targets };
}

const hostileInput = (element: number): number => HOSTILE[element % HOSTILE.length]!;

const bitsOfResult = (result: LinearCrossEntropyResult): object => ({
  sums: [result.loss, result.lossSum, result.weightSum, result.zLoss],
  losses: result.losses && bitsOf(result.losses),
  gradients: GRADIENTS.map((name) => bitsOf(result[name]!.data)),
});

describe.each(builds)('linearCrossEntropy and inputs that are not finite (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (layer: Layer, options: LinearCrossEntropyOptions = {}, on = engine) =>
    on.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);

  test.each([
    [70, 9, 5],
    [100, 1, 13],
    [300, 20, 40],
    [170, 130, 300],
    [110, 5, 3000],
  ])(
    'ignored rows of NaN and ±Infinity equal rows of zeros, bit for bit (%i × %i, %i classes)',
    async (rows, features, classes) => {
      const layer = layerOf(rows, features, classes);
      const sets: readonly [LinearCrossEntropyOptions, number][] = [
        [{}, -100],
        [{ workspaceBytes: 2 ** 20 * 8 }, -100],
        [{ reduction: 'none', labelSmoothing: 0.1, zLoss: 1e-3 }, -100],
        [{ onInvalidTarget: 'ignore' }, classes + 3],
      ];
      for (const [options, target] of sets) {
        const wanted = await run(
          ignoringLayer(layer, target, () => 0),
          options,
        );
        const got = await run(ignoringLayer(layer, target, hostileInput), options);
        expect(got.gradWeights!.data.every(Number.isFinite)).toBe(true);
        expect(bitsOfResult(got)).toEqual(bitsOfResult(wanted));
      }
    },
  );

  test('ignoring whole spans of 48 rows of NaN equals removing them, in gradWeights too', async () => {
    const layer = layerOf(SUM_ROWS * 4 + 5, 14, 90);
    const ignored = (row: number): boolean => row >= SUM_ROWS && row < 3 * SUM_ROWS;
    const inputs = layer.inputs.map((value, i) => (ignored(Math.floor(i / 14)) ? Number.NaN : value));
    const targets = layer.targets.map((target, row) => (ignored(row) ? -100 : target));
    const kept = Array.from(targets.keys()).filter((row) => !ignored(row));
    const removed: Layer = {
      ...layer,
      rows: kept.length,
      inputs: Float32Array.from(kept.flatMap((row) => [...layer.inputs.subarray(row * 14, row * 14 + 14)])),
      targets: Int32Array.from(kept, (row) => layer.targets[row]!),
    };
    const [got, wanted] = [await run({ ...layer, inputs, targets }), await run(removed)];
    if (engine.blas === undefined) expect(got.loss).toBe(wanted.loss);
    else expectClose([got.loss], [wanted.loss], 1e-6, 'loss');
    for (const name of ['gradWeights', 'gradBias'] as const) {
      if (engine.blas === undefined) expect(bitsOf(got[name]!.data)).toBe(bitsOf(wanted[name]!.data));
      else expectClose(got[name]!.data, wanted[name]!.data, 1e-6, name);
    }
  });

  test('the same bits for 1, 2, 3 and 8 threads and any workspace, from the arena too, whose inputs stay as they are', async () => {
    const layer = ignoringLayer(layerOf(400, 30, 500), -100, hostileInput);
    const { inputs, bias, targets, weights } = layer;
    const wanted = bitsOfResult(await run(layer));
    for (const threads of [1, 2, 3, 8]) {
      const other = await Engine.create({ threads, numerics });
      try {
        expect(bitsOfResult(await run(layer, {}, other))).toEqual(wanted);
        using resident = other.matrix(400, 30);
        resident.data.set(inputs);
        const result = await other.linearCrossEntropy(resident, weights, bias, targets);
        expect(bitsOfResult(result)).toEqual(wanted);
        expect(bitsOf(resident.data)).toBe(bitsOf(inputs));
        // The sizes of a BLAS's products, and so its last bits, depend on the workspace.
        if (other.blas !== undefined) continue;
        const little = await run(layer, { workspaceBytes: 840_000 }, other);
        expect(bitsOfResult(little)).toEqual(wanted);
      } finally {
        await other.close();
      }
    }
  });

  test('with accumulate they add nothing; without gradWeights nothing is hidden and the rest is the same', async () => {
    const layer = ignoringLayer(layerOf(100, 12, 200), -100, hostileInput);
    const whole = await run(layer);
    const frozen = await run(layer, { gradients: { weights: false } });
    for (const name of ['gradInputs', 'gradBias'] as const) {
      expect(bitsOf(frozen[name]!.data), name).toBe(bitsOf(whole[name]!.data));
    }
    const gradWeights = new Float32Array(12 * 200).fill(2);
    const nothing = { ...layer, targets: layer.targets.map(() => -100) };
    await run(nothing, {
      gradients: { inputs: false, bias: false },
      into: { gradWeights },
      accumulate: true,
      onEmpty: 'zero',
    });
    expect(gradWeights.every((value) => value === 2)).toBe(true);
  });
});

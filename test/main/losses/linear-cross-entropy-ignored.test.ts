// Ignored rows of linearCrossEntropy count as if they were not there, and may hold anything: 0 · NaN must not be seen in the
// gradient of the weights.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SUM_ROWS } from '#softshard/kernels/layout.js';
import { Engine, type Losses } from '#softshard/main/index.js';
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

const bitsOfResult = (result: Losses.LinearCrossEntropyResult): object => ({
  sums: [result.loss, result.lossSum, result.weightSum, result.zLoss],
  losses: result.losses && bitsOf(result.losses),
  gradients: GRADIENTS.map((name) => bitsOf(result[name]!.data)),
});

const rowsOf = (values: Float32Array, rows: readonly number[], columns: number): Float32Array =>
  Float32Array.from(rows.flatMap((row) => [...values.subarray(row * columns, (row + 1) * columns)]));

describe.each(builds)('linearCrossEntropy and ignored rows (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (layer: Layer, options: Losses.LinearCrossEntropyOptions = {}, on = engine) =>
    on.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);

  /** The rows of a layer that a test keeps. */
  function part(layer: Layer, rows: readonly number[]): Layer {
    const targets = Int32Array.from(rows, (row) => layer.targets[row]!);
    return { ...layer, rows: rows.length, inputs: rowsOf(layer.inputs, rows, layer.features), targets };
  }

  /** The bits of another call; the rows of a call decide the sizes of a BLAS's products, and so their last bits. */
  function expectAlike(got: Float32Array, wanted: Float32Array): void {
    if (engine.blas === undefined) expect(bitsOf(got)).toBe(bitsOf(wanted));
    else expectClose(got, wanted, 1e-6, 'with a BLAS');
  }

  test.each([
    [70, 9, 5],
    [100, 20, 13],
    [130, 6, 40],
    [90, 10, 300],
    [30, 5, 3000],
  ])(
    'ignoring a row equals removing it, bit for bit: losses and gradInputs of the other rows (%i × %i, %i classes)',
    async (rows, features, classes) => {
      const layer = layerOf(rows, features, classes);
      const targets = layer.targets.map((target, row) => (row % 3 === 1 || row % 17 < 2 ? -100 : target));
      const kept = Array.from(targets.keys()).filter((row) => targets[row] !== -100);
      for (const options of [{ reduction: 'none' }, { reduction: 'none', labelSmoothing: 0.1 }] as const) {
        const ignoring = await run({ ...layer, targets }, options);
        const removed = await run(part(layer, kept), options);
        expect(ignoring.weightSum).toBe(removed.weightSum);
        expectAlike(
          Float32Array.from(kept, (row) => ignoring.losses![row]!),
          removed.losses!,
        );
        expectAlike(rowsOf(ignoring.gradInputs!.data, kept, features), removed.gradInputs!.data);
        for (const row of [0, 1, rows - 1].filter((row) => targets[row] === -100)) {
          expect(ignoring.losses![row]).toBe(0);
          expect(
            ignoring.gradInputs!.data.subarray(row * features, (row + 1) * features).every((g) => g === 0),
          ).toBe(true);
        }
      }
    },
  );

  test('ignoring 48 rows from a multiple of 48 on, and the last ones, equals removing them in every bit of the result', async () => {
    const layer = layerOf(SUM_ROWS * 5 + 11, 14, 90);
    const isIgnored = (row: number) => (row >= SUM_ROWS && row < 2 * SUM_ROWS) || row >= SUM_ROWS * 5 + 2;
    const targets = layer.targets.map((target, row) => (isIgnored(row) ? -100 : target));
    const kept = Array.from(targets.keys()).filter((row) => !isIgnored(row));
    for (const options of [{}, { zLoss: 1e-3 }]) {
      const ignoring = await run({ ...layer, targets }, options);
      const removed = await run(part(layer, kept), options);
      expect(ignoring.weightSum).toBe(removed.weightSum);
      if (engine.blas === undefined) {
        expect([ignoring.loss, ignoring.lossSum]).toEqual([removed.loss, removed.lossSum]);
      } else {
        expectClose([ignoring.lossSum], [removed.lossSum], 1e-6, 'with a BLAS');
      }
      expectAlike(ignoring.gradWeights!.data, removed.gradWeights!.data);
      expectAlike(ignoring.gradBias!.data, removed.gradBias!.data);
      expectAlike(rowsOf(ignoring.gradInputs!.data, kept, 14), removed.gradInputs!.data);
    }
  });

  test('a class as ignoreIndex, and targets that are no classes, are ignored by the plain kernels too', async () => {
    const layer = layerOf(60, 8, 7);
    const targets = layer.targets.map((target, row) => (row % 4 === 0 ? 3 : target === 3 ? 2 : target));
    const invalid = targets.map((target, row) => (target === 3 ? 99 + row : target));
    const byClass = await run({ ...layer, targets }, { ignoreIndex: 3, reduction: 'none' });
    const byInvalid = await run(
      { ...layer, targets: invalid },
      { onInvalidTarget: 'ignore', reduction: 'none' },
    );
    expect(byClass.weightSum).toBe(45);
    for (const name of ['gradInputs', 'gradWeights', 'gradBias'] as const) {
      expect(bitsOf(byClass[name]!.data), name).toBe(bitsOf(byInvalid[name]!.data));
    }
    expect(bitsOf(byClass.losses!)).toBe(bitsOf(byInvalid.losses!));
  });

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
      const sets: readonly [Losses.LinearCrossEntropyOptions, number][] = [
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

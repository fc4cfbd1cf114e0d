// Training on more rows than are mixed at a time: blocks of them are shuffled, the same ones wherever the rows are.
import { utimesSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openFeatures, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planShuffleBlocks } from '#softshard/main/plans/row-blocks.js';
import { RowsInArena } from '#softshard/main/training/rows/rows-in-arena.js';
import { WindowedRows } from '#softshard/main/training/rows/windowed-rows.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { builds, randomTargets, randomValues } from '../../../kernels/workbench.js';
import { writeArray } from '../../cli/npy-workbench.js';

const MIB = 1024 * 1024;
/** Blocks of one row, and more of them than are mixed at a time. */
const [rows, features, classes] = [480, 140_000, 2];
const targets = randomTargets(rows, classes, 6);
const pattern = randomValues(65_537, 128, 5);
const inputs = Uint8Array.from({ length: rows * features }, (_, i) => pattern[i % 65_537]! + 128);

describe.each(builds)('SGD by blocks of rows (%s)', (numerics) => {
  const engineWith = sharedEngines();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'softshard-blocks-'));
    writeArray(folder, 'x.npy', '|u1', [rows, features], inputs);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('gives rows of an array and of a file the same bits, for 1, 2, 3 and 8 threads', async () => {
    expect(planShuffleBlocks(rows, features)).toBe(1);
    await using onDisk = await openFeatures(join(folder, 'x.npy'));
    const bitsWith = async (
      threads: number,
      arenaMib: number,
      given: Training.FeatureRows,
      options: Training.FitOptions = {},
    ) => {
      const engine = await engineWith({ threads, numerics, arenaBytes: arenaMib * MIB });
      const featureScaling = { shift: 128, scale: 1 / 64 };
      const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
      const { epochs } = await classifier.fit(given, targets, {
        epochs: 2,
        batchSize: 8,
        learningRate: 1e-5,
        seed: 3,
        ...options,
      });
      return bitsOf(
        classifier.weights,
        classifier.bias,
        Float64Array.from(epochs, ({ loss }) => loss),
      );
    };
    const texts = [await bitsWith(2, 512, inputs)];
    for (const threads of [1, 2, 3, 8]) texts.push(await bitsWith(threads, 512, onDisk));
    const place = vi.spyOn(RowsInArena, 'place');
    const window = vi.spyOn(WindowedRows, 'place');
    texts.push(await bitsWith(1, 20, onDisk));
    expect(window).toHaveReturnedWith(undefined);
    window.mockClear();
    for (const threads of [1, 2]) texts.push(await bitsWith(threads, 58, onDisk));
    expect(window).not.toHaveReturnedWith(undefined);
    expectSameBits(texts);
    const weighted = { sampleWeight: Float32Array.from(targets, (_, row) => row % 3) };
    expectSameBits([
      await bitsWith(2, 512, inputs, weighted),
      await bitsWith(2, 512, onDisk, weighted),
      await bitsWith(2, 58, onDisk, weighted),
    ]);
    expect(window).not.toHaveReturnedWith(undefined);
    expect(place).toHaveReturnedWith(undefined);
    vi.restoreAllMocks();
  });

  test('leaves nothing in the arena where the file changes or the training is cancelled', async () => {
    const engine = await engineWith({ threads: 2, numerics, arenaBytes: 58 * MIB });
    const { usedBytes } = engine.memoryUsage();
    const window = vi.spyOn(WindowedRows, 'place');
    const path = join(folder, 'x.npy');
    await using onDisk = await openFeatures(path);
    const fitUntil = (stop: () => void, signal?: AbortSignal) => {
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const onStep = ({ step }: { step: number }) => {
        if (step > 10) stop();
      };
      return classifier.fit(onDisk, targets, { epochs: 2, batchSize: 8, learningRate: 1e-9, onStep, signal });
    };
    const controller = new AbortController();
    const reason = new Error('enough');
    await expect(fitUntil(() => controller.abort(reason), controller.signal)).rejects.toBe(reason);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    await expect(fitUntil(() => utimesSync(path, 1, 1))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    expect(window).not.toHaveReturnedWith(undefined);
    window.mockRestore();
  });
});

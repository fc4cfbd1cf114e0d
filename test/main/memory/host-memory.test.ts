import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowMemory } from '#softshard/main/cli/dataset.js';
import {
  Engine,
  hostMemory,
  readFeatures,
  readNpyMatrix,
  SoftmaxClassifier,
  SoftshardError,
  writeNpy,
} from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { clusters } from '../training/workbench.js';

const MIB = 1024 * 1024;
const problem = clusters(20_000, 60, 5, 3);
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'softshard-'));
  path = join(folder, 'inputs.npy');
  await writeNpy(path, { dims: [problem.rows, problem.features], data: problem.inputs });
});
afterAll(() => rm(folder, { recursive: true }));

describe('hostMemory', () => {
  test('readers fill it with what they fill an engine’s memory with', async () => {
    const { matrix, elementType, featureDims } = await readNpyMatrix(hostMemory, path);
    expect(matrix).toMatchObject({ type: 'float32', dims: [problem.rows, problem.features] });
    expect([elementType, featureDims]).toEqual(['float32', [60]]);
    expect(matrix.data.buffer).toBeInstanceOf(ArrayBuffer);
    expect(bitsOf(matrix.data)).toBe(bitsOf(problem.inputs));
    expect(hostMemory.vector('int32', 3)).toMatchObject({ dims: [3], data: new Int32Array(3) });
    matrix.free();
    expect(matrix.data).toHaveLength(problem.inputs.length);
  });

  test('more than there is: an error with type, dims and remedy', () => {
    let error: unknown;
    try {
      hostMemory.matrix(2 ** 40, 2 ** 10);
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(SoftshardError);
    expect((error as SoftshardError).code).toBe('ERR_ARENA_FULL');
    expect((error as Error).message).toMatch(/no memory for float32 \[1099511627776 × 1024\].*fewer rows/);
  });
});

describe('a file that does not fit into the arena', () => {
  test('is refused by the engine with sizes and the way out, which gives the bits of a large arena', async () => {
    await using small = await Engine.create({ threads: 2, arenaBytes: 2 * MIB });
    const error = await failure(() => readFeatures(small, path));
    expect(error).toMatchObject({ code: 'ERR_ARENA_FULL' });
    expect(error.message).toContain(`${path} is too large: `);
    const { usedBytes, freeBytes } = small.memoryUsage();
    expect(error.message).toContain(`asked for 4800000 bytes, used ${usedBytes}, free ${freeBytes} `);
    expect(error.message).toMatch(/hostMemory/);

    await using large = await Engine.create({ threads: 2 });
    const digests = [];
    for (const [engine, memory] of [
      [small, hostMemory],
      [small, rowMemory(small)],
      [large, rowMemory(large)],
      [large, large],
    ] as const) {
      const { matrix } = await readFeatures(memory, path);
      const classifier = new SoftmaxClassifier(engine, { features: 60, classes: 5 });
      await classifier.fit(matrix, problem.targets, { epochs: 2, validationSplit: 0.1 });
      const { loss } = await classifier.evaluate(matrix, problem.targets);
      digests.push(bitsOf(classifier.weights, loss, await classifier.predict(matrix)));
    }
    expectSameBits(digests);
  });

  test('commands keep it in ordinary memory, smaller ones in the arena', async () => {
    await using engine = await Engine.create({ threads: 1, arenaBytes: 2 * MIB });
    const memory = rowMemory(engine);
    const before = engine.memoryUsage().usedBytes;
    const outside = [
      memory.matrix(1000, 400),
      memory.tensor('uint8', [1000, 1600]),
      memory.vector('int32', 400_000),
    ];
    expect(engine.memoryUsage().usedBytes).toBe(before);
    for (const { data } of outside) expect(data.buffer).toBeInstanceOf(ArrayBuffer);
    const inside = [
      memory.matrix(1000, 100),
      memory.tensor('uint8', [1000, 400]),
      memory.vector('int32', 1000),
    ];
    for (const { data } of inside) expect(data.buffer).toBeInstanceOf(SharedArrayBuffer);
    for (const tensor of inside) tensor.free();
    expect(engine.memoryUsage().usedBytes).toBe(before);
  });
});

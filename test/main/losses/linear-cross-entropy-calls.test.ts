// How linearCrossEntropy goes as a call: what it takes of the arena, what it refuses, how it is watched and stopped.
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, type Losses, type SoftshardError } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds } from '../../kernels/workbench.js';
import { type Layer, layerOf } from './linear-layers.js';

describe.each(builds)('a call of linearCrossEntropy (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const run = (layer: Layer, options: Losses.LinearCrossEntropyOptions = {}, on = engine) =>
    on.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);

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

  test('no room for the workspace: what `into` holds is as it was', async () => {
    await using small = await Engine.create({ threads: 1, numerics, arenaBytes: 2 * 1024 * 1024 });
    const layer = layerOf(10, 300, 1650);
    const gradBias = small.vector('float32', 1650);
    gradBias.data.fill(7);
    const options = { gradients: { inputs: false, weights: false }, into: { gradBias } };
    const error = await failure(() => run(layer, options, small));
    expect(error.message).toContain('no room for the workspace');
    expect(gradBias.data.every((g) => g === 7)).toBe(true);
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

describe('a worker that dies inside linearCrossEntropy', () => {
  test('the call rejects at once with the cause, its memory is given back, and the next call has the right bits', async () => {
    const spy = vi.spyOn(Piscina.prototype, 'run');
    const engine = await Engine.create({ threads: 2 });
    try {
      // Several seconds of work, so that who waited for it to end would not pass.
      const long = layerOf(20_000, 256, 16_384);
      const short = layerOf(40, 9, 30);
      const call = (layer: Layer, options: Losses.LinearCrossEntropyOptions = {}) =>
        engine.linearCrossEntropy(layer.inputs, layer.weights, layer.bias, layer.targets, options);
      const before = await call(short);
      const piscina = spy.mock.contexts[0] as Piscina;
      const { usedBytes } = engine.memoryUsage();
      let killedAt = 0;
      // Called while both members are within the call, between two chunks at the earliest.
      const onProgress = () => {
        if (killedAt > 0) return;
        killedAt = performance.now();
        void piscina.threads[1]!.terminate();
      };
      const error: SoftshardError = await failure(() => call(long, { onProgress, workspaceBytes: 2 ** 23 }));
      expect(killedAt).toBeGreaterThan(0);
      expect(performance.now() - killedAt).toBeLessThan(1500);
      expect(error.code).toBe('ERR_WORKER');
      expect(error.cause).toBeInstanceOf(Error);
      expect(error.message).toContain('worker exited');
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
      const after = await call(short);
      expect(bitsOf(after.loss, after.gradWeights!.data)).toBe(bitsOf(before.loss, before.gradWeights!.data));
    } finally {
      spy.mockRestore();
      await engine.close();
    }
  });
});

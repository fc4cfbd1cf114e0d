// How training ends before it is done: aborted, failed, diverged; and what it leaves behind.
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, SoftmaxClassifier, SoftshardError } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds } from '../../kernels/workbench.js';
import { clusters, fitReference, largestDifference } from './workbench.js';

// Few parameters are trained by partials, many by tiles (plans/training.test.ts says when).
const byPartials = clusters(500, 19, 7, 5);

describe.each(builds)('training that stops (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  function byPartialsShape() {
    return { features: byPartials.features, classes: byPartials.classes };
  }

  test('aborting rejects with the reason; the weights are those after a whole step', async () => {
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const controller = new AbortController();
    const reason = new Error('that will do');
    const losses: number[] = [];
    const error = await failure(() =>
      classifier.fit(byPartials.inputs, byPartials.targets, {
        epochs: 1_000_000,
        batchSize: 50,
        seed: 2,
        signal: controller.signal,
        onStep: ({ loss }) => {
          losses.push(loss);
          if (losses.length === 30) controller.abort(reason);
        },
      }),
    );
    expect(error).toBe(reason);
    expect(losses.length).toBeGreaterThanOrEqual(30);
    expect(classifier.weights.some((weight) => weight !== 0)).toBe(true);
    // The same number of steps, without aborting: the same bits.
    const epochs = Math.ceil(losses.length / 10);
    const same = fitReference(byPartials, {
      epochs,
      batchSize: 50,
      learningRate: 0.1,
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      shuffle: true,
      seed: 2,
    });
    expect(largestDifference(losses, same.losses.slice(0, losses.length))).toBeLessThan(1e-3);
    expect((await engine.softmax(Float32Array.of(0, 0), { columns: 2 })).data[0]).toBe(0.5);
  });

  test('aborting within a step leaves the step at once and undoes it', async () => {
    for (const [rows, features, classes] of [
      [60_000, 200, 10],
      [20_000, 64, 2000],
    ] as const) {
      expect(planTraining({ rows, batchSize: rows, features, classes }).by).toBe(
        classes === 10 ? 'data-parallel' : 'parameter-sharded',
      );
      using inputs = engine.matrix(rows, features);
      inputs.data.fill(1);
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const controller = new AbortController();
      const running = failure(() =>
        classifier.fit(inputs, new Uint8Array(rows), { batchSize: 'full', signal: controller.signal }),
      );
      setImmediate(() => controller.abort());
      expect(await running).toBe(controller.signal.reason);
      expect(classifier.bias.every((bias) => bias === 0)).toBe(true);
      expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
    }
  });

  test('a worker that dies: fit rejects with the cause, the weights are those after the last whole epoch', async () => {
    const { usedBytes } = engine.memoryUsage();
    const [rows, features, classes] = [60_000, 200, 10];
    const inputs = engine.matrix(rows, features);
    inputs.data.fill(1);
    const targets = new Uint8Array(rows);
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const run = vi.spyOn(Piscina.prototype, 'run');
    let lastEpoch: unknown;
    // A thread that dies between two epochs is replaced, and training goes on: until one dies within.
    const onEpochEnd = ({ epoch }: { epoch: number }) => {
      lastEpoch = bitsOf(classifier.weights, classifier.bias);
      if (epoch > 1) setTimeout(() => (run.mock.contexts.at(-1) as Piscina).threads[1]?.terminate(), 2);
    };
    const options = { epochs: 1000, batchSize: 1024, onEpochEnd };
    const error = await failure(() => classifier.fit(inputs, targets, options));
    run.mockRestore();
    expect(error).toMatchObject({ code: 'ERR_WORKER', cause: expect.any(Error) });
    expect(bitsOf(classifier.weights, classifier.bias)).toEqual(lastEpoch);
    expect(classifier.bias.some((bias) => bias !== 0)).toBe(true);
    const { steps } = await classifier.fit(inputs, targets, { epochs: 1, batchSize: 1024 });
    expect(steps).toBe(59);
    inputs.free();
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('an error thrown by a callback ends training and reaches the caller', async () => {
    for (const name of ['onStep', 'onEpochEnd'] as const) {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const thrown = new Error(`from ${name}`);
      const error = await failure(() =>
        classifier.fit(byPartials.inputs, byPartials.targets, {
          epochs: 1000,
          [name]: () => {
            throw thrown;
          },
        }),
      );
      expect(error).toBe(thrown);
    }
  });

  test('a SoftshardError of the caller ends it like any other error: the weights are those after a whole step', async () => {
    const reason = new SoftshardError('ERR_WORKER', 'as if a worker were lost');
    for (const ends of ['by aborting', 'by throwing']) {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const controller = new AbortController();
      const error = await failure(() =>
        classifier.fit(byPartials.inputs, byPartials.targets, {
          epochs: 1_000_000,
          batchSize: 50,
          signal: controller.signal,
          onStep: ({ step }) => {
            if (step !== 30) return;
            if (ends === 'by throwing') throw reason;
            controller.abort(reason);
          },
        }),
      );
      expect(error).toBe(reason);
      expect(
        classifier.weights.some((weight) => weight !== 0),
        ends,
      ).toBe(true);
    }
  });

  test('a worker that dies, its error then being the reason of an abort: the weights are still those before', async () => {
    const [rows, features, classes] = [60_000, 200, 10];
    using inputs = engine.matrix(rows, features);
    inputs.data.fill(1);
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const controller = new AbortController();
    const run = vi.spyOn(Piscina.prototype, 'run');
    const fitting = failure(() =>
      classifier.fit(inputs, new Uint8Array(rows), {
        epochs: 100_000,
        batchSize: 50_000,
        signal: controller.signal,
      }),
    );
    await vi.waitFor(() => expect(run).toHaveBeenCalled());
    // Waits for its turn while the worker dies, and so hears of it first.
    const waiting = failure(() => engine.softmax(new Float32Array(80_000), { columns: 2 })).then((error) => {
      controller.abort(error);
    });
    await (run.mock.contexts[0] as Piscina).threads[1]!.terminate();
    run.mockRestore();
    await waiting;
    expect(await fitting).toMatchObject({ code: 'ERR_WORKER' });
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test('a loss that is not finite: ERR_DIVERGED names the step and the remedy, the model keeps its weights', async () => {
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const options = { batchSize: 100, learningRate: 1e37 };
    const inputs = byPartials.inputs.map((value) => value * 100);
    const error = await failure(() => classifier.fit(inputs, byPartials.targets, options));
    expect(error).toMatchObject({ code: 'ERR_DIVERGED', argument: 'options.learningRate', value: 1e37 });
    expect(error.message).toMatch(/the loss of step 2 is NaN: lower options\.learningRate/);
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test('weights that are not finite after the last step: ERR_DIVERGED, though no loss told of it', async () => {
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const options = { epochs: 1, batchSize: 'full', learningRate: 3e38 } as const;
    const inputs = byPartials.inputs.map((value) => value * 100);
    const error = await failure(() => classifier.fit(inputs, byPartials.targets, options));
    expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
    expect(error.message).toMatch(
      /^the loss of step 1 is 1\.945\d*, but the weights after it are not finite: lower/,
    );
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test('two runs that diverge at the same time, each making way for the other: ERR_DIVERGED for both', async () => {
    const classifiers = [1, 2].map(() => new SoftmaxClassifier(engine, byPartialsShape()));
    const errors = await Promise.all(
      classifiers.map((classifier) =>
        failure(() =>
          classifier.fit(byPartials.inputs, byPartials.targets, {
            batchSize: 20,
            epochs: 3,
            learningRate: 1e38,
          }),
        ),
      ),
    );
    for (const error of errors) {
      expect(error.code).toBe('ERR_DIVERGED');
      expect(error.message).toContain('weights from before epoch 1');
    }
    for (const { weights } of classifiers) expect(weights.every((weight) => weight === 0)).toBe(true);
  });

  test('aborting in the very step that diverges does not give the model weights of NaN', async () => {
    // One step of some 10 ms, aborted at different times.
    using inputs = engine.matrix(20_000, 200);
    inputs.data.fill(Number.NaN);
    const targets = new Uint8Array(20_000);
    for (let delayMs = 0; delayMs < 10; delayMs++) {
      const classifier = new SoftmaxClassifier(engine, { features: 200, classes: 10 });
      const controller = new AbortController();
      const running = failure(() =>
        classifier.fit(inputs, targets, { batchSize: 'full', signal: controller.signal }),
      );
      setTimeout(() => controller.abort(), delayMs);
      await running;
      expect(classifier.weights.every(Number.isFinite)).toBe(true);
    }
  });

  test('inputs that are freed during training are kept until it has ended', async () => {
    const trained = async (free: boolean) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const inputs = engine.matrix(byPartials.rows, byPartials.features);
      inputs.data.set(byPartials.inputs);
      const validation = { inputs: engine.matrix(10, byPartials.features), targets: new Uint8Array(10) };
      const running = classifier.fit(inputs, byPartials.targets, { epochs: 5, validation });
      if (free) for (const matrix of [inputs, validation.inputs]) matrix.free();
      const others = [
        engine.matrix(byPartials.rows, byPartials.features),
        engine.matrix(10, byPartials.features),
      ];
      for (const other of others) other.data.fill(Number.NaN);
      const { epochs } = await running;
      for (const matrix of [inputs, validation.inputs, ...others]) matrix.free();
      return bitsOf(
        classifier.weights,
        ...epochs.flatMap(({ loss, validationLoss }) => [loss, validationLoss!]),
      );
    };
    const { usedBytes } = engine.memoryUsage();
    expect(await trained(true)).toBe(await trained(false));
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('training gives back all the memory it took, also when it fails', async () => {
    const { usedBytes } = engine.memoryUsage();
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    await classifier.fit(byPartials.inputs, byPartials.targets, { validationSplit: 0.1, epochs: 2 });
    await failure(() =>
      classifier.fit(byPartials.inputs, byPartials.targets, { signal: AbortSignal.abort() }),
    );
    await classifier.evaluate(byPartials.inputs, byPartials.targets);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

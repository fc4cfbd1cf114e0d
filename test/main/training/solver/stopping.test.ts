// How a full-batch solver begins, ends before it is done, and what it leaves behind.
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../../bits.js';
import { failure } from '../../../failure.js';
import { builds } from '../../../kernels/workbench.js';
import { clusters, largestDifference } from '../workbench.js';

const problem = clusters(500, 19, 7, 5);
const { inputs, targets, features, classes } = problem;

describe.each(builds)('full-batch solvers (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const fresh = () => new SoftmaxClassifier(engine, { features, classes });

  test('begun at the optimum it is done at once; begun elsewhere it ends at the same', async () => {
    const [first, second] = [fresh(), fresh()];
    const cold = await first.fit(inputs, targets, { C: 1, tol: 1e-5 });
    const again = await first.fit(inputs, targets, { C: 1, tol: 1e-4 });
    expect(again.passes).toBeLessThan(cold.passes! / 3);
    expect(again.converged).toBe(true);
    second.weights.fill(0.3);
    second.bias.set([5, -5, 3, -3, 0, 1, 2]);
    const elsewhere = await second.fit(inputs, targets, { C: 1, tol: 1e-5 });
    expect(elsewhere.objective! / cold.objective! - 1).toBeLessThan(2e-5);
    expect(largestDifference(second.weights, first.weights)).toBeLessThan(2e-2);
    // From a weaker penalty's solution, where all rows are sure of their class.
    await second.fit(inputs, targets, { C: 1e6, tol: 1e-2 });
    const back = await second.fit(inputs, targets, { C: 1, tol: 1e-5 });
    expect(back.converged).toBe(true);
    expect(back.objective! / cold.objective! - 1).toBeLessThan(2e-5);
  });

  test('a class may be missing in one fit and there in the next', async () => {
    const fewer = targets.map((target) => (target === 3 ? 2 : target));
    for (const options of [{ C: 1 }, { C: 100 }, { l1: 0.01 }, { C: 1, solver: 'newton-cg' }] as const) {
      const classifier = fresh();
      for (const wanted of [targets, fewer, targets]) {
        const result = await classifier.fit(inputs, wanted, { ...options, scale: 'none' });
        expect(result).toMatchObject({ converged: true, stopReason: 'converged' });
        expect(Math.max(...classifier.bias)).toBeLessThan(30);
      }
    }
  });

  test('maxPasses ends it, saying what is certain by then', async () => {
    for (const maxPasses of [1, 4]) {
      const result = await fresh().fit(inputs, targets, { C: 1, tol: 1e-9, maxPasses });
      expect(result).toMatchObject({ converged: false, stopReason: 'maxPasses', epochs: [], steps: 0 });
      // The last iteration is finished, and another look taken at what it leaves.
      expect(result.passes).toBeLessThanOrEqual(maxPasses + 3);
      expect(result.gap).toBeGreaterThan(0);
    }
  });

  test('the objective never rises, and the bound never loosens, as far as float32 shows', async () => {
    const reports: Training.SolverReport[] = [];
    const onProgress = (report: Training.SolverReport) => {
      reports.push(report);
    };
    const result = await fresh().fit(inputs, targets, { C: 10, tol: 1e-4, onProgress });
    expect(reports.length).toBeGreaterThan(3);
    for (const [
      i,
      { objective, gap, gapRelative, loss, passes, iteration, maxPasses },
    ] of reports.entries()) {
      expect(iteration).toBe(i);
      expect(maxPasses).toBe(1000);
      expect(gapRelative).toBeCloseTo(gap! / objective, 12);
      expect(loss * 500).toBeLessThanOrEqual(objective);
      const former = reports[i - 1];
      if (former === undefined) continue;
      expect(passes).toBeGreaterThan(former.passes);
      expect(objective).toBeLessThan(former.objective * (1 + 1e-7));
      expect(objective - gap!).toBeGreaterThan((former.objective - former.gap!) * (1 - 1e-7));
    }
    expect(result.gapRelative).toBeLessThanOrEqual(1e-4);
    const { loss } = await engineLoss(result);
    expect(loss).toBeCloseTo(result.loss, 6);
  });

  async function engineLoss({ loss }: Training.FitResult) {
    const classifier = fresh();
    await classifier.fit(inputs, targets, { C: 10, tol: 1e-4 });
    const evaluation = await classifier.evaluate(inputs, targets);
    return { loss: evaluation.loss, of: loss };
  }

  test('rows that are split off are validated, and not trained on', async () => {
    const options = { C: 1, validationSplit: 0.2, seed: 3 };
    const split = await fresh().fit(inputs, targets, options);
    const whole = await fresh().fit(inputs, targets, { C: 1 });
    expect(split.validationLoss).toBeGreaterThan(0);
    expect(split.validationAccuracy).toBeGreaterThan(0.5);
    expect(split.objective).toBeLessThan(whole.objective!);
    expect(whole.validationLoss).toBeUndefined();
  });

  test('aborting rejects with the reason, leaves the weights of the last iteration, and gives memory back', async () => {
    const { usedBytes } = engine.memoryUsage();
    const reason = new Error('that will do');
    const losses: number[] = [];
    for (const at of [0, 1, 5]) {
      const classifier = fresh();
      const controller = new AbortController();
      const begun: number[] = [];
      const error = await failure(() =>
        classifier.fit(inputs, targets, {
          C: 1e4,
          tol: 0,
          signal: controller.signal,
          onProgress: ({ iteration }) => {
            if (iteration !== at) return;
            begun.push(performance.now());
            controller.abort(reason);
          },
        }),
      );
      expect(error).toBe(reason);
      expect(performance.now() - begun[0]!).toBeLessThan(1000);
      expect(classifier.weights.every((weight) => weight === 0)).toBe(at === 0);
      const { loss } = await classifier.evaluate(inputs, targets);
      expect(loss).toBeLessThan(losses.at(-1) ?? Number.POSITIVE_INFINITY);
      losses.push(loss);
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    }
    const error = await failure(() =>
      fresh().fit(inputs, targets, { C: 1, signal: AbortSignal.abort(reason) }),
    );
    expect(error).toBe(reason);
  });

  test('aborting while a pass runs leaves it', async () => {
    const [rows, many] = [60_000, 300];
    using resident = engine.matrix(rows, many);
    for (let i = 0; i < resident.data.length; i++) resident.data[i] = ((i * 7919) % 1009) / 1009;
    const labels = Uint8Array.from({ length: rows }, (_, row) => (row * 31) % 10);
    const classifier = new SoftmaxClassifier(engine, { features: many, classes: 10 });
    const { usedBytes } = engine.memoryUsage();
    const running = failure(() =>
      classifier.fit(resident, labels, { C: 1, tol: 0, signal: AbortSignal.timeout(300) }),
    );
    expect(await running).toMatchObject({ name: 'TimeoutError' });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('an error that onProgress throws, or rejects with, ends it', async () => {
    const { usedBytes } = engine.memoryUsage();
    const thrown = new Error('from onProgress');
    for (const onProgress of [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ]) {
      expect(await failure(() => fresh().fit(inputs, targets, { C: 1, onProgress }))).toBe(thrown);
    }
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('a worker that dies: fit rejects with the cause, and the next fit works', async () => {
    const [rows, many] = [40_000, 300];
    using resident = engine.matrix(rows, many);
    for (let i = 0; i < resident.data.length; i++) resident.data[i] = ((i * 7919) % 1009) / 1009;
    const labels = Uint8Array.from({ length: rows }, (_, row) => (row * 31) % 10);
    const classifier = new SoftmaxClassifier(engine, { features: many, classes: 10 });
    const { usedBytes } = engine.memoryUsage();
    const run = vi.spyOn(Piscina.prototype, 'run');
    const onProgress = () => {
      setTimeout(() => (run.mock.contexts.at(-1) as Piscina).threads[1]?.terminate(), 2);
    };
    const error = await failure(() => classifier.fit(resident, labels, { C: 1, tol: 0, onProgress }));
    run.mockRestore();
    expect(error).toMatchObject({ code: 'ERR_WORKER', cause: expect.any(Error) });
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
    const text = async () => {
      const again = fresh();
      await again.fit(inputs, targets, { C: 1 });
      return bitsOf(again.weights, again.bias);
    };
    expect(await text()).toBe(await text());
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('other calls go on beside it', async () => {
    const running = fresh().fit(inputs, targets, { C: 100, tol: 0 });
    const { data } = await engine.softmax(Float32Array.of(0, 0), { columns: 2 });
    expect([...data]).toEqual([0.5, 0.5]);
    const others = [fresh(), fresh()].map((classifier) => classifier.fit(inputs, targets, { C: 1 }));
    const [first, second] = await Promise.all(others);
    expect(first).toEqual(second);
    await running;
  });

  test.each([
    [{ C: 0 }, 'options.C'],
    [{ C: -1 }, 'options.C'],
    [{ C: Number.NaN }, 'options.C'],
    [{ l2: -1 }, 'options.l2'],
    [{ C: 1, l2: 1 }, 'options.l2'],
    [{ tol: -1 }, 'options.tol'],
    [{ tol: 2 }, 'options.tol'],
    [{ maxPasses: 0 }, 'options.maxPasses'],
    [{ maxPasses: 1.5 }, 'options.maxPasses'],
    [{ scale: 'minmax' }, 'options.scale'],
    [{ solver: 'newton' }, 'options.solver'],
    [{ solver: 'lbfgs', epochs: 3 }, 'options.epochs'],
    [{ solver: 'sgd', C: 1 }, 'options.C'],
    [{ learningRate: 0.1, tol: 1e-3 }, 'options.tol'],
    [{ C: 1, onProgress: 3 }, 'options.onProgress'],
  ])('%j is refused', async (options, argument) => {
    const error = await failure(() => fresh().fit(inputs, targets, options as Training.FitOptions));
    expect(error.argument ?? error.message).toContain(argument);
    expect(error.message).toContain(argument);
  });

  test('standardising leaves a featureScaling, and a classifier that has one is refused it', async () => {
    const classifier = fresh();
    const { scale } = await classifier.fit(inputs, targets, { C: 1, scale: 'standard' });
    expect(scale).toBe('standard');
    expect(classifier.featureScaling).toBeDefined();
    const error = await failure(() => classifier.fit(inputs, targets, { C: 1, scale: 'standard' }));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.scale' });
    expect((await classifier.fit(inputs, targets, { C: 1 })).converged).toBe(true);
  });

  test('a feature that is not finite is named by row and column', async () => {
    const spoiled = inputs.slice();
    spoiled[17 * features + 4] = Number.NaN;
    const error = await failure(() => fresh().fit(spoiled, targets, { C: 1 }));
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE' });
    expect(error.message).toMatch(/17.*4/);
  });
});

// partialFit goes on where the last call ended: with fit's bits on the same rows, and as float64 training on rows in parts.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { failure } from '../../failure.js';
import { builds } from '../../kernels/workbench.js';
import { beginReference, goOn, type Optimizer } from './reference-fit.js';
import { clusters, largestDifference, type Problem } from './workbench.js';

const PROBLEMS = [
  { by: 'data-parallel', problem: clusters(500, 19, 7, 5), batchSize: 64, learningRate: 0.05 },
  { by: 'parameter-sharded', problem: clusters(128, 611, 499, 6), batchSize: 100, learningRate: 0.01 },
] as const;

const SOLVERS: readonly [string, Training.PartialFitOptions & Training.FitOptions, Optimizer][] = [
  ['SGD', {}, { solver: 'sgd' }],
  ['Nesterov', { momentum: 0.9, nesterov: true }, { solver: 'sgd', momentum: 0.9, nesterov: true }],
  [
    'AdamW, warm-up, clipped',
    { solver: 'adamw', warmup: 3, clipNorm: 0.5 },
    { solver: 'adamw', weightDecay: 0.01 },
  ],
];

const shapeOf = ({ features, classes }: Problem) => ({ features, classes });

/** Rows [begin, end). */
function rowsOf(problem: Problem, begin: number, end: number): Problem {
  const { features, inputs, targets } = problem;
  return {
    ...problem,
    rows: end - begin,
    inputs: inputs.slice(begin * features, end * features),
    targets: targets.slice(begin, end),
  };
}

describe.each(builds)('partialFit (%s)', (numerics) => {
  const engineOf = sharedEngines();

  describe.each(PROBLEMS)('$by', ({ by, problem, batchSize, learningRate }) => {
    test.each(SOLVERS)(
      '%s: three calls on the same rows are three epochs of fit, bit for bit, for 1, 2, 3 and 8 threads',
      async (_, options) => {
        expect(planTraining({ ...problem, batchSize }).by).toBe(by);
        const digests = [];
        for (const threads of [1, 2, 3, 8]) {
          const engine = await engineOf({ threads, numerics });
          const { inputs, targets } = problem;
          const all = { batchSize, learningRate, seed: 5, ...options };
          const whole = new SoftmaxClassifier(engine, shapeOf(problem));
          const fitted = await whole.fit(inputs, targets, { ...all, epochs: 3 });
          const parts = new SoftmaxClassifier(engine, shapeOf(problem));
          const stepsAnEpoch = Math.ceil(problem.rows / batchSize);
          for (const [i, epoch] of fitted.epochs.entries()) {
            const numbers: number[][] = [];
            const result = await parts.partialFit(inputs, targets, {
              ...all,
              onStep: ({ step, steps }) => numbers.push([step, steps]),
            });
            expect(result).toMatchObject({
              passes: i + 1,
              steps: (i + 1) * stepsAnEpoch,
              loss: epoch.loss,
              learningRate: epoch.learningRate,
            });
            const last = (i + 1) * stepsAnEpoch;
            expect(numbers).toEqual(
              Array.from({ length: stepsAnEpoch }, (_, step) => [i * stepsAnEpoch + step + 1, last]),
            );
          }
          expect(bitsOf(parts.weights, parts.bias)).toBe(bitsOf(whole.weights, whole.bias));
          digests.push(bitsOf(parts.weights, parts.bias));
        }
        expectSameBits(digests);
      },
    );

    test.each(SOLVERS)(
      '%s: rows in parts are within 5e-5 of float64 training on them',
      async (_, options, optimizer) => {
        const engine = await engineOf({ threads: 2, numerics });
        const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
        const state = beginReference(problem);
        const { warmup = 0, clipNorm } = options;
        const fit = {
          ...{ epochs: 1, batchSize, seed: 5, optimizer },
          ...(clipNorm !== undefined && { clipNorm }),
          rateAt: (step: number) => learningRate * Math.min(1, (step + 1) / (warmup + 1)),
        };
        const third = Math.floor(problem.rows / 3);
        for (const [i, [begin, end]] of [
          [0, 1],
          [1, third],
          [third, 2 * third],
          [0, problem.rows],
        ].entries()) {
          const part = rowsOf(problem, begin!, end!);
          const losses: number[] = [];
          await classifier.partialFit(part.inputs, part.targets, {
            ...{ batchSize, learningRate, seed: 5, ...options },
            onStep: ({ loss }) => losses.push(loss),
          });
          expect(largestDifference(losses, goOn(state, part, fit, i + 1))).toBeLessThan(5e-5);
        }
        const split = problem.features * problem.classes;
        expect(largestDifference(classifier.weights, state.parameters.subarray(0, split))).toBeLessThan(5e-5);
        expect(largestDifference(classifier.bias, state.parameters.subarray(split))).toBeLessThan(5e-5);
      },
    );
  });

  test('batches of another size, and so another way to share the gradient, take the moments over', async () => {
    const problem = clusters(150, 611, 499, 6);
    const sizes = [7, 128] as const;
    expect(sizes.map((batchSize) => planTraining({ ...problem, batchSize }).by)).toEqual([
      'data-parallel',
      'parameter-sharded',
    ]);
    const classifier = new SoftmaxClassifier(await engineOf({ threads: 2, numerics }), shapeOf(problem));
    const state = beginReference(problem);
    const options = { solver: 'adamw', learningRate: 0.01 } as const;
    const optimizer = { solver: 'adamw', weightDecay: 0.01 } as const;
    for (const [i, batchSize] of [...sizes, ...sizes].entries()) {
      await classifier.partialFit(problem.inputs, problem.targets, { ...options, batchSize });
      goOn(state, problem, { epochs: 1, batchSize, seed: 0, optimizer, rateAt: () => 0.01 }, i + 1);
    }
    const split = problem.features * problem.classes;
    expect(largestDifference(classifier.weights, state.parameters.subarray(0, split))).toBeLessThan(1e-4);
  });

  test('fit, or another solver, begins anew', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const { problem } = PROBLEMS[0];
    const { inputs, targets } = problem;
    const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
    const call = (options: Training.PartialFitOptions) => classifier.partialFit(inputs, targets, options);
    const adamw = { solver: 'adamw' } as const;
    expect(await call(adamw)).toMatchObject({ passes: 1, steps: 2 });
    expect(await call(adamw)).toMatchObject({ passes: 2, steps: 4 });
    expect(await call({ momentum: 0.9 })).toMatchObject({ passes: 1, steps: 2 });
    expect(await call({ momentum: 0.9, batchSize: 100 })).toMatchObject({ passes: 2, steps: 7 });
    await classifier.fit(inputs, targets, { epochs: 1, warmStart: false });
    const first = bitsOf(classifier.weights);
    expect(await call(adamw)).toMatchObject({ passes: 1, steps: 2 });
    const second = bitsOf(classifier.weights);
    await classifier.fit(inputs, targets, { epochs: 1, warmStart: false });
    expect(bitsOf(classifier.weights)).toBe(first);
    await call(adamw);
    expect(bitsOf(classifier.weights)).toBe(second);
  });

  test('a momentum that comes later starts with a velocity of zero', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const { problem, batchSize } = PROBLEMS[0];
    const { inputs, targets } = problem;
    const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
    await classifier.partialFit(inputs, targets, { batchSize });
    const other = new SoftmaxClassifier(engine, shapeOf(problem));
    other.weights.set(classifier.weights);
    other.bias.set(classifier.bias);
    await classifier.partialFit(inputs, targets, { batchSize, momentum: 0.9, shuffle: false });
    await other.partialFit(inputs, targets, { batchSize, momentum: 0.9, shuffle: false });
    expect(bitsOf(classifier.weights)).toBe(bitsOf(other.weights));
  });

  test('a call that diverges leaves weights and moments as they were', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const { problem } = PROBLEMS[0];
    const { inputs, targets } = problem;
    const trained = async (fails: boolean) => {
      const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
      const options = { momentum: 0.9, batchSize: 64 };
      await classifier.partialFit(inputs, targets, options);
      if (fails) {
        const error = await failure(() =>
          classifier.partialFit(inputs, targets, { ...options, learningRate: 1e38 }),
        );
        expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
        expect(error.message).toMatch(/the loss of step \d+ is .* its weights from before this call/);
      }
      const { passes } = await classifier.partialFit(inputs, targets, options);
      expect(passes).toBe(2);
      return bitsOf(classifier.weights, classifier.bias);
    };
    expect(await trained(true)).toBe(await trained(false));
  });

  test('an aborted call keeps the steps that it took', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const problem = clusters(60_000, 19, 7, 5);
    const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
    const stopping = new AbortController();
    let last = 0;
    const error = await failure(() =>
      classifier.partialFit(problem.inputs, problem.targets, {
        ...{ solver: 'adamw', batchSize: 4, signal: stopping.signal },
        onStep: ({ step }) => {
          last = step;
          stopping.abort(new Error('enough'));
        },
      }),
    );
    expect(error.message).toBe('enough');
    expect(last).toBeGreaterThan(0);
    expect(last).toBeLessThan(15_000);
    const some = rowsOf(problem, 0, 40);
    expect(
      await classifier.partialFit(some.inputs, some.targets, { solver: 'adamw', batchSize: 40 }),
    ).toMatchObject({
      passes: 2,
      steps: last + 1,
    });
  });

  test('rows that pass through a small arena are trained on with the same bits', async () => {
    const problem = clusters(6000, 100, 5, 8);
    const digests = [];
    for (const arenaBytes of [2 ** 28, 2 ** 20]) {
      const classifier = new SoftmaxClassifier(
        await engineOf({ threads: 2, numerics, arenaBytes }),
        shapeOf(problem),
      );
      for (let call = 0; call < 2; call++) {
        await classifier.partialFit(problem.inputs, problem.targets, {
          solver: 'adamw',
          labelSmoothing: 0.1,
        });
      }
      digests.push(bitsOf(classifier.weights, classifier.bias));
    }
    expectSameBits(digests);
  });
});

describe('partialFit with wrong options', () => {
  const engineOf = sharedEngines();
  test.each<[object, string, RegExp]>([
    [{ epochs: 2 }, 'options.epochs', /one pass over its rows: call again/],
    [{ split: { training: [0] } }, 'options.split', /pass those to train on, selectRows/],
    [{ l1: 1 }, 'options.l1', /call fit, or take weightDecay/],
    [{ schedule: 'cosine' }, 'options.schedule', /the number of all steps and epochs is not known/],
    [{ schedule: { kind: 'step', everyEpochs: 1 } }, 'options.schedule', /give each call its learningRate/],
    [{ warmup: 0.5 }, 'options.warmup', /give a number of steps/],
    [{ warmup: 2.5 }, 'options.warmup', /whole number of steps/],
    [{ validationSplit: 0.5 }, 'options.validationSplit', /evaluate the classifier between calls/],
    [{ validation: {} }, 'options.validation', /between calls/],
    [{ earlyStopping: true }, 'options.earlyStopping', /between calls/],
    [{ onEpochEnd: () => {} }, 'options.onEpochEnd', /resolves at its end/],
    [{ warmStart: false }, 'options.warmStart', /begin anew/],
    [{ solver: 'lbfgs' }, 'options.solver', /'lbfgs': it must be one of 'sgd', 'adamw'/],
    [{ C: 1 }, 'options.C', /need all rows at once: call fit, or take weightDecay/],
    [{ weight: 'balanced' }, 'options.weight', /a number for each class/],
    [{ rate: 1 }, 'options.rate', /no option 'rate': it takes solver, batchSize/],
    [{ solver: 'adamw', momentum: 0.5 }, 'options.momentum', /'adamw' has no momentum/],
    [null as never, 'options', /null/],
  ])('%o: ERR_OPTION names %s', async (options, argument, message) => {
    const classifier = new SoftmaxClassifier(await engineOf({ threads: 1 }), { features: 2, classes: 2 });
    const error = await failure(() => classifier.partialFit(new Float32Array(4), [0, 1], options));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument });
    expect(error.message).toMatch(message);
  });

  test('options that are undefined are left out; a second call at the same time is ERR_BUSY', async () => {
    const classifier = new SoftmaxClassifier(await engineOf({ threads: 1 }), { features: 2, classes: 2 });
    const call = (options: object) => classifier.partialFit(Float32Array.of(1, 2, 3, 4), [0, 1], options);
    const running = call({ solver: undefined, batchSize: undefined, warmup: undefined, weight: undefined });
    const others = [() => call({}), () => classifier.fit(new Float32Array(4), [0, 1])];
    for (const other of others) expect(await failure(other)).toMatchObject({ code: 'ERR_BUSY' });
    expect(await running).toMatchObject({ passes: 1, steps: 1 });
  });
});

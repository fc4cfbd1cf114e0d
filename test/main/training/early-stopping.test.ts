import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { EarlyStopping } from '#softshard/main/training/early-stopping.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { failure } from '../../failure.js';
import { builds, randomTargets } from '../../kernels/workbench.js';
import { clusters, type Problem } from './workbench.js';

const OPTIONS = { metric: 'validationLoss', patience: 2, minDelta: 0, restoreBest: true } as const;

/** After each value: the best epoch, and whether training is over. The weights restored at last are of the epoch in brackets. */
function watched(values: readonly number[], options: Partial<Training.EarlyStoppingOptions> = {}) {
  const checked = { ...OPTIONS, ...options } as typeof OPTIONS;
  const watch = new EarlyStopping(checked);
  const model = { features: 1, classes: 1, weights: new Float32Array(1), bias: new Float32Array(1) };
  const seen = values.map((value, i) => {
    model.weights.fill(i + 1);
    watch.observe({ epoch: i + 1, [checked.metric]: value }, model);
    return `${watch.bestEpoch}${watch.isOver ? ' over' : ''}`;
  });
  watch.restoreBest(model);
  return [...seen, `[${model.weights[0]}]`];
}

describe('EarlyStopping', () => {
  test('is over after `patience` epochs that are no better than the best, whose weights it restores', () => {
    expect(watched([3, 2, 2.5, 1, 1, 2])).toEqual(['1', '2', '2', '4', '4', '4 over', '[4]']);
    expect(watched([1, 1], { patience: 1 })).toEqual(['1', '1 over', '[1]']);
    expect(watched([1, 2], { restoreBest: false })).toEqual(['1', '1', '[2]']);
  });

  test('better is better by more than minDelta, and accuracies are better when larger', () => {
    expect(watched([1, 0.75, 0.5, 0.4], { minDelta: 0.25 })).toEqual(['1', '1', '3', '3', '[3]']);
    expect(watched([0.5, 0.75, 0.75, 0.7], { metric: 'validationAccuracy' })).toEqual([
      ...['1', '2', '2', '2 over', '[2]'],
    ]);
  });

  test('NaN is no better than anything; without any number the last epoch counts as best, and stays', () => {
    expect(watched([Number.NaN, 1, Number.NaN], { metric: 'loss' })).toEqual(['1', '2', '2', '[2]']);
    expect(watched([Number.NaN, Number.NaN])).toEqual(['1', '2 over', '[2]']);
  });
});

/** Every third class is any: there is a point from which on training learns these by heart. */
function noisy(problem: Problem): Problem {
  const { targets, classes } = problem;
  const others = randomTargets(targets.length, classes, 99);
  for (let row = 0; row < targets.length; row += 3) targets[row] = others[row]!;
  return problem;
}

const problem = noisy(clusters(400, 19, 7, 5));
const shape = { features: problem.features, classes: problem.classes };
const ROUGH = { epochs: 60, learningRate: 0.5, batchSize: 32, validationSplit: 0.25, seed: 4 } as const;

describe.each(builds)('early stopping (%s)', (numerics) => {
  const engineOf = sharedEngines();

  test.each([
    ['validationLoss', {}],
    ['validationAccuracy', { metric: 'validationAccuracy', patience: 3 }],
    ['loss', { metric: 'loss', patience: 1, minDelta: 1e-3 }],
  ] as const)(
    'by %s: the best epoch’s weights and the same bits for 1, 2, 3 and 8 threads',
    async (metric, options) => {
      const digests = [];
      for (const threads of [1, 2, 3, 8]) {
        const classifier = new SoftmaxClassifier(await engineOf({ threads, numerics }), shape);
        const weights: Float32Array[] = [];
        const result = await classifier.fit(problem.inputs, problem.targets, {
          ...ROUGH,
          earlyStopping: metric === 'validationLoss' ? true : options,
          onEpochEnd: () => {
            weights.push(Float32Array.of(...classifier.weights, ...classifier.bias));
          },
        });
        const { bestEpoch, stoppedEarly, epochs, steps } = result;
        const patience = 'patience' in options ? options.patience : 5;
        expect(stoppedEarly).toBe(true);
        expect(epochs.length).toBe(bestEpoch! + patience);
        expect(epochs.length).toBeLessThan(ROUGH.epochs);
        expect(steps).toBe(epochs.length * Math.ceil((problem.rows * 0.75) / ROUGH.batchSize));
        const sign = metric === 'validationAccuracy' ? -1 : 1;
        const costs = epochs.map((epoch) => sign * epoch[metric]!);
        const delta = 'minDelta' in options ? options.minDelta : 0;
        for (const cost of costs.slice(bestEpoch))
          expect(cost).toBeGreaterThanOrEqual(costs[bestEpoch! - 1]! - delta);
        const got = Float32Array.of(...classifier.weights, ...classifier.bias);
        expect(bitsOf(got)).toBe(bitsOf(weights[bestEpoch! - 1]!));
        digests.push(bitsOf(got, ...costs));
      }
      expectSameBits(digests);
    },
  );

  test('epochs that are never good enough are all trained, and the best is restored or not', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const trained = async (options: Training.FitOptions) => {
      const classifier = new SoftmaxClassifier(engine, shape);
      const result = await classifier.fit(problem.inputs, problem.targets, {
        ...ROUGH,
        epochs: 6,
        ...options,
      });
      return { ...result, bits: bitsOf(classifier.weights, classifier.bias) };
    };
    const plain = await trained({});
    expect(plain).not.toHaveProperty('bestEpoch');
    const kept = await trained({ earlyStopping: { restoreBest: false, patience: 6 } });
    expect(kept).toMatchObject({ stoppedEarly: false, bits: plain.bits });
    const best = await trained({ earlyStopping: { patience: 6 } });
    expect(best.bestEpoch).toBe(kept.bestEpoch);
    expect(best.bestEpoch).toBeLessThan(6);
    const { loss, validationLoss } = best.epochs[best.bestEpoch! - 1]!;
    expect(best).toMatchObject({ loss, validationLoss });
    expect(best.bits).toBe((await trained({ epochs: best.bestEpoch })).bits);
  });

  test('with rows that pass through a small arena: the same weights', async () => {
    const large = noisy(clusters(6000, 100, 5, 8));
    const digests = [];
    for (const arenaBytes of [2 ** 28, 2 ** 20]) {
      const engine = await engineOf({ threads: 2, numerics, arenaBytes });
      const classifier = new SoftmaxClassifier(engine, { features: 100, classes: 5 });
      const { bestEpoch, stoppedEarly } = await classifier.fit(large.inputs, large.targets, {
        ...ROUGH,
        earlyStopping: { patience: 1 },
      });
      expect(stoppedEarly).toBe(true);
      digests.push(bitsOf(classifier.weights, classifier.bias, bestEpoch!));
    }
    expectSameBits(digests);
  });

  test('warmStart false begins at zero, with the bits of a new classifier; a refused call leaves the weights', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const options = { epochs: 2, seed: 4 };
    const classifier = new SoftmaxClassifier(engine, shape);
    await classifier.fit(problem.inputs, problem.targets, options);
    const first = bitsOf(classifier.weights, classifier.bias);
    await classifier.fit(problem.inputs, problem.targets, { ...options, warmStart: true });
    const second = bitsOf(classifier.weights, classifier.bias);
    expect(second).not.toBe(first);
    await failure(() =>
      classifier.fit(problem.inputs, problem.targets, { ...options, warmStart: false, batchSize: 0 }),
    );
    expect(bitsOf(classifier.weights, classifier.bias)).toBe(second);
    classifier.bias[0] = Number.NEGATIVE_INFINITY;
    await classifier.fit(problem.inputs, problem.targets, { ...options, warmStart: false });
    expect(bitsOf(classifier.weights, classifier.bias)).toBe(first);
  });

  test('warmStart false begins a full-batch solver at zero', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const options = { C: 1, scale: 'none', tol: 0.3 } as const;
    const trained = async (classifier: SoftmaxClassifier) => {
      await classifier.fit(problem.inputs, problem.targets, { ...options, warmStart: false });
      return bitsOf(classifier.weights, classifier.bias);
    };
    const used = new SoftmaxClassifier(engine, shape);
    used.weights.fill(1);
    expect(await trained(used)).toBe(await trained(new SoftmaxClassifier(engine, shape)));
  });

  test('a run that starts cold and is stopped by an error of its first step keeps the weights', async () => {
    const engine = await engineOf({ threads: 2, numerics });
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    classifier.weights.set([1, 2]);
    const error = await failure(() =>
      classifier.fit(Float32Array.of(Number.NaN, 1), [0, 1], { warmStart: false }),
    );
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE' });
    expect([...classifier.weights]).toEqual([1, 2]);
  });
});

describe('wrong options', () => {
  const engineOf = sharedEngines();
  test.each<[object, string, RegExp]>([
    [
      { earlyStopping: true },
      'options.earlyStopping',
      /watches validationLoss, .*validationSplit.*metric 'loss'/,
    ],
    [
      { earlyStopping: { metric: 'validationAccuracy' } },
      'options.earlyStopping',
      /watches validationAccuracy/,
    ],
    [
      { earlyStopping: { metric: 'accuracy' } },
      'options.earlyStopping.metric',
      /'accuracy'.*'validationLoss'/,
    ],
    [{ earlyStopping: { patience: 0 } }, 'options.earlyStopping.patience', /at least 1/],
    [{ earlyStopping: { minDelta: -1 } }, 'options.earlyStopping.minDelta', /at least 0/],
    [{ earlyStopping: { restoreBest: 1 } }, 'options.earlyStopping.restoreBest', /true or false/],
    [{ earlyStopping: { delta: 1 } }, 'options.earlyStopping.delta', /no option 'delta'/],
    [{ earlyStopping: 3 }, 'options.earlyStopping', /3/],
    [{ warmStart: 'yes' }, 'options.warmStart', /true or false/],
  ])('%o: ERR_OPTION names %s', async (options, argument, message) => {
    const classifier = new SoftmaxClassifier(await engineOf({ threads: 1 }), { features: 2, classes: 2 });
    const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], options));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument });
    expect(error.message).toMatch(message);
  });
});

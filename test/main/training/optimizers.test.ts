// AdamW, schedules and clipping, by partials and by tiles of the gradient: against float64, and bits of any threads.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { builds } from '../../kernels/workbench.js';
import { fitBy, type Optimizer } from './reference-fit.js';
import { clusters, largestDifference, type Problem } from './workbench.js';

const PROBLEMS = [
  { by: 'data-parallel', problem: clusters(500, 19, 7, 5), epochs: 3, batchSize: 64, learningRate: 0.05 },
  {
    by: 'parameter-sharded',
    problem: clusters(128, 611, 499, 6),
    epochs: 2,
    batchSize: 100,
    learningRate: 0.01,
  },
] as const;

interface Variant {
  readonly options: Training.FitOptions;
  readonly optimizer: Optimizer;
  readonly clipNorm?: number;
  /** Of a step's place in the whole, as a part of the learning rate. */
  factorAt?(step: number, steps: number, stepsAnEpoch: number): number;
}

const adamw = { solver: 'adamw', weightDecay: 0.01 } as const;
const halfWave = (from: number, to: number, t: number) =>
  to + ((from - to) / 2) * (1 + Math.cos(Math.PI * t));

const VARIANTS: Readonly<Record<string, Variant>> = {
  'AdamW by default': { options: { solver: 'adamw' }, optimizer: adamw },
  'AdamW with its own betas, epsilon and decay': {
    options: { solver: 'adamw', betas: [0.7, 0.95], epsilon: 1e-4, weightDecay: 0.3 },
    optimizer: { solver: 'adamw', betas: [0.7, 0.95], epsilon: 1e-4, weightDecay: 0.3 },
  },
  'AdamW, warm-up and cosine': {
    options: { solver: 'adamw', warmup: 2, schedule: 'cosine' },
    optimizer: adamw,
    factorAt: (step, steps) => (step < 2 ? (step + 1) / 3 : halfWave(1, 0, (step - 2) / (steps - 2))),
  },
  'AdamW clipped': {
    options: { solver: 'adamw', clipNorm: 0.4 },
    optimizer: adamw,
    clipNorm: 0.4,
  },
  'SGD clipped': {
    options: { clipNorm: 0.3, momentum: 0.9, weightDecay: 0.01 },
    optimizer: { solver: 'sgd', momentum: 0.9, weightDecay: 0.01 },
    clipNorm: 0.3,
  },
  'SGD, a tenth of the steps to warm up, then linear': {
    options: { warmup: 0.1, schedule: { kind: 'linear' } },
    optimizer: { solver: 'sgd' },
    factorAt: (step, steps) => {
      const warmup = Math.ceil(0.1 * steps);
      return step < warmup ? (step + 1) / (warmup + 1) : 1 - (step - warmup) / (steps - warmup);
    },
  },
  'SGD, a rate that falls by the epoch': {
    options: { schedule: { kind: 'step', everyEpochs: 1, factor: 0.25 } },
    optimizer: { solver: 'sgd' },
    factorAt: (step, _, stepsAnEpoch) => 0.25 ** Math.floor(step / stepsAnEpoch),
  },
  'SGD, one cycle': {
    options: { schedule: 'one-cycle', momentum: 0.5 },
    optimizer: { solver: 'sgd', momentum: 0.5 },
    factorAt: (step, steps) => {
      const peak = Math.ceil(0.3 * steps) - 1;
      if (step < peak) return halfWave(0.04, 1, step / peak);
      return halfWave(1, 0.04 / 1e4, (step - peak) / (steps - 1 - peak));
    },
  },
};

const shapeOf = ({ features, classes }: Problem) => ({ features, classes });

describe.each(builds)('training (%s)', (numerics) => {
  const engineOf = sharedEngines();

  describe.each(PROBLEMS)('$by', ({ by, problem, ...size }) => {
    test.each(Object.entries(VARIANTS))(
      '%s: within 5e-5 of float64 training, with the same bits for 1, 2, 3 and 8 threads',
      async (_, { options, optimizer, clipNorm, factorAt = () => 1 }) => {
        const { epochs, batchSize, learningRate } = size;
        const plan = planTraining({ ...problem, batchSize });
        expect(plan.by).toBe(by);
        const { stepsAnEpoch } = plan;
        const rateAt = (step: number) => learningRate * factorAt(step, epochs * stepsAnEpoch, stepsAnEpoch);
        const wanted = fitBy(problem, {
          ...{ epochs, batchSize, seed: 3, optimizer, rateAt },
          ...(clipNorm !== undefined && { clipNorm }),
        });
        const digests = [];
        for (const threads of [1, 2, 3, 8]) {
          const classifier = new SoftmaxClassifier(await engineOf({ threads, numerics }), shapeOf(problem));
          const losses: number[] = [];
          const result = await classifier.fit(problem.inputs, problem.targets, {
            ...{ epochs, batchSize, learningRate, seed: 3, ...options },
            onStep: ({ loss }) => losses.push(loss),
          });
          expect(largestDifference(losses, wanted.losses)).toBeLessThan(5e-5);
          expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(5e-5);
          expect(largestDifference(classifier.bias, wanted.bias)).toBeLessThan(5e-5);
          for (const { epoch, learningRate: rate } of result.epochs) {
            expect(Math.abs(rate - rateAt(epoch * stepsAnEpoch - 1))).toBeLessThan(1e-9);
          }
          digests.push(bitsOf(classifier.weights, classifier.bias, ...losses));
        }
        expectSameBits(digests);
      },
    );
  });

  test('clipping changes no bits where no gradient is longer, and makes every step short where all are', async () => {
    const { problem, batchSize } = PROBLEMS[0];
    const engine = await engineOf({ threads: 2, numerics });
    const trained = async (options: Training.FitOptions) => {
      const classifier = new SoftmaxClassifier(engine, shapeOf(problem));
      await classifier.fit(problem.inputs, problem.targets, { batchSize, epochs: 2, seed: 3, ...options });
      return classifier;
    };
    const plain = await trained({});
    const loose = await trained({ clipNorm: 1e6 });
    expect(bitsOf(loose.weights, loose.bias)).toBe(bitsOf(plain.weights, plain.bias));
    const { weights, bias } = await trained({
      clipNorm: 1e-3,
      learningRate: 1,
      epochs: 1,
      batchSize: 'full',
    });
    const moved = Math.hypot(...weights, ...bias);
    // 1e-6 is added to the norm.
    expect(Math.abs(moved - 1e-3)).toBeLessThan(1e-8);
  });

  test('rows that pass through a small arena are trained on with the bits of those that lie in it', async () => {
    const problem = clusters(9000, 100, 5, 8);
    const digests = [];
    for (const arenaBytes of [2 ** 28, 2 ** 20]) {
      const classifier = new SoftmaxClassifier(
        await engineOf({ threads: 2, numerics, arenaBytes }),
        shapeOf(problem),
      );
      const { epochs } = await classifier.fit(problem.inputs, problem.targets, {
        ...{ solver: 'adamw', epochs: 3, warmup: 5, clipNorm: 0.5, validationSplit: 0.2 },
        schedule: { kind: 'reduce-on-plateau', patience: 0, threshold: 0.9 },
      });
      expect(epochs.map(({ learningRate }) => learningRate)).not.toEqual([1e-3, 1e-3, 1e-3]);
      digests.push(
        bitsOf(classifier.weights, classifier.bias, ...epochs.map(({ learningRate }) => learningRate)),
      );
    }
    expectSameBits(digests);
  });
});

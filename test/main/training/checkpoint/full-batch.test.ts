// Full-batch solvers that are cut off and go on end with the bits of ones that are not.
import { beforeAll, describe, expect, test } from 'vitest';
import { type Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { sharedEngines } from '../../../engines.js';
import { randomTargets, randomValues } from '../../../kernels/workbench.js';
import { clusters } from '../workbench.js';
import { expectSameEnd, expectStopLosesNothing, resultText, type Train } from './resume.js';

const engineFor = sharedEngines();
const THREADS = [1, 2, 3, 8];
let engines: Engine[];
beforeAll(async () => {
  engines = await Promise.all(THREADS.map((threads) => engineFor({ threads, numerics: 'portable' })));
});

/** Columns of different scales and means, classes that overlap. */
function noisy(rows: number, features: number, classes: number, seed: number) {
  const problem = clusters(rows, features, classes, seed);
  const noise = randomValues(problem.inputs.length, 4, seed + 9);
  const inputs = problem.inputs.map(
    (value, i) => (value + noise[i]!) * (1 + (i % features)) + (i % features === 1 ? 5 : 0),
  );
  return { ...problem, inputs };
}
const small = noisy(301, 9, 4, 3);
const many = noisy(400, 6, 70, 4);
const large = noisy(2100, 7, 3, 5);

const training =
  ({ features, classes, inputs, targets }: typeof small, options: Training.FitOptions): Train =>
  async (engine, told, resume) => {
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const isChosen = [options.C, options.l2, options.l1].every((given) => given === undefined);
    const result = await classifier.fit(inputs, targets, {
      ...options,
      ...resume,
      onProgress: (report) => {
        told.push(JSON.stringify(report));
      },
      ...(isChosen && {
        onTried: (setting) => {
          told.push(JSON.stringify(setting));
        },
      }),
    });
    return resultText(result, classifier.weights, classifier.bias);
  };

const CASES: readonly [name: string, problem: typeof small, options: Training.FitOptions][] = [
  ['L-BFGS', small, { C: 10, tol: 1e-6 }],
  ['L-BFGS, standardised', small, { C: 1, scale: 'standard', validationSplit: 0.2 }],
  ['L1', small, { l1: 0.01, tol: 1e-5 }],
  ['the elastic net', small, { l1: 0.005, l2: 0.01, tol: 1e-5 }],
  ['Newton-CG', small, { solver: 'newton-cg', C: 100, tol: 1e-6 }],
  ['Newton-CG without much of a penalty', large, { solver: 'newton-cg', C: 1e4, tol: 1e-7 }],
  ['70 classes, whose bias is found by conjugate gradients', many, { C: 1 }],
  ['70 classes by Newton-CG', many, { C: 1, solver: 'newton-cg' }],
  ['a loss without a certificate', small, { l2: 0.01, softcap: 5, tol: 1e-4 }],
  ['no penalty', small, { l2: 0, maxPasses: 20 }],
];

test.each(CASES)('%s: goes on from any iteration on 1, 2, 3 and 8 threads', async (_, problem, options) => {
  await expectSameEnd(training(problem, options), { engines, everySteps: 1, most: 8 });
});

test('Newton-CG goes on from the middle of a direction', async () => {
  const train = training(large, { solver: 'newton-cg', C: 1e4, tol: 1e-7 });
  const checkpoints = await expectSameEnd(train, { engines, everySeconds: 0, most: 16 });
  const iterations = new Set(checkpoints.map(({ position }) => position.iteration));
  expect(checkpoints.length).toBeGreaterThan(2 * iterations.size);
});

test.each([
  ['L-BFGS', small, { C: 10, tol: 1e-6 }, [1, 2, 5]],
  ['Newton-CG', large, { solver: 'newton-cg', C: 1e4, tol: 1e-7 }, [1, 3]],
] satisfies [string, typeof small, Training.FitOptions, number[]][])(
  '%s: loses nothing where it is stopped',
  async (_, problem, options, stops) => {
    await expectStopLosesNothing(training(problem, options), engines, stops);
  },
);

describe('the choice of C and scaling', () => {
  test.each([
    ['three folds of few rows', small, {}],
    ['a part of the rows, held out once', large, { validationSplit: 0.1, oneStandardError: true }],
  ] satisfies [string, typeof small, Training.FitOptions][])(
    '%s: goes on from any round, and from what was chosen',
    async (_, problem, options) => {
      const train = training(problem, options);
      const checkpoints = await expectSameEnd(train, { engines, everySteps: 1, most: 8 });
      const stages = new Set(checkpoints.map(({ position }) => position.stage));
      expect([...stages]).toEqual(['choice', 'solver']);
      await expectStopLosesNothing(train, engines, [1, 4]);
    },
  );
});

test('rows that pass through a small arena go on where all are in memory, and the reverse', async () => {
  const [rows, features, classes] = [18_000, 1000, 2];
  expect(planFullBatch({ rows, features, classes, blas: false }).stepsAnEpoch).toBe(2);
  const pattern = randomValues(65_537, 128, 5);
  const inputs = Uint8Array.from({ length: rows * features }, (_, i) => pattern[i % 65_537]! + 128);
  const targets = randomTargets(rows, classes, 6);
  const featureScaling = { shift: 128, scale: 1 / 64 };
  const train: Train = async (engine, told, resume) => {
    const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
    const onProgress = (report: Training.SolverReport) => {
      told.push(JSON.stringify(report));
    };
    const options = { C: 1e-3, maxPasses: 4, ...resume, onProgress };
    const result = await classifier.fit(inputs, targets, options);
    return resultText(result, classifier.weights, classifier.bias);
  };
  const narrow = await engineFor({ threads: 2, numerics: 'portable', arenaBytes: 30 << 20 });
  await expectSameEnd(train, { engines: [engines[1]!, narrow], everySteps: 2, most: 2 });
});

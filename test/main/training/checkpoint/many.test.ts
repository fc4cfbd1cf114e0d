// Many heads that are cut off together and go on end with the bits of ones that are not.
import { beforeAll, expect, test } from 'vitest';
import { type Engine, fitMany, type Training } from '#softshard/main/index.js';
import { sharedEngines } from '../../../engines.js';
import { randomValues } from '../../../kernels/workbench.js';
import { clusters } from '../workbench.js';
import { expectSameEnd, expectStopLosesNothing, resultText, type Train } from './resume.js';

const engineFor = sharedEngines();
const THREADS = [1, 2, 3, 8];
let engines: Engine[];
beforeAll(async () => {
  engines = await Promise.all(THREADS.map((threads) => engineFor({ threads, numerics: 'portable' })));
});

const clean = clusters(240, 9, 4, 3);
const noise = randomValues(clean.inputs.length, 4, 9);
const inputs = clean.inputs.map((value, i) => value + noise[i]!);

const SOLVERS: readonly Training.HeadOptions[] = [
  { C: 0.1 },
  { C: 10, solver: 'newton-cg' },
  { C: 1, l1: 0.001 },
  { C: 3, weight: 'balanced' },
];
/** One diverges. */
const STEPS: readonly Training.HeadOptions[] = [
  { learningRate: 0.1 },
  { learningRate: 0.05, momentum: 0.9 },
  { learningRate: 1e38, weightDecay: 1000 },
  { solver: 'adamw', learningRate: 0.03, schedule: 'cosine' },
  { learningRate: 0.2, seed: 3 },
  { learningRate: 0.01, batchSize: 64 },
];
const ofSteps = (epochs: number) => STEPS.map((head) => ({ epochs, batchSize: 40, ...head }));
const stopping = { earlyStopping: { patience: 2 } };
const path = [0.01, 0.1, 1, 10, 100].map((C) => ({ C }));

type Heads = readonly Training.HeadOptions[];
const CASES: readonly [name: string, heads: Heads, options: Training.FitManyOptions][] = [
  ['full-batch heads', SOLVERS, {}],
  ['full-batch heads in parts', SOLVERS, { cv: 3 }],
  ['a path of penalties', path, { path: true, cv: 3, oneStandardError: true }],
  ['steps and solvers', [...SOLVERS.slice(0, 2), ...ofSteps(2)], {}],
  ['steps in parts', ofSteps(3), { cv: 2 }],
  ['early stopping', ofSteps(6).map((head) => ({ ...head, ...stopping })), { validationSplit: 0.2 }],
  ['halving', ofSteps(8), { halving: 2, validationSplit: 0.2 }],
  ['halving in parts', ofSteps(4), { halving: 2, cv: 2 }],
];

const training =
  (heads: Heads, options: Training.FitManyOptions): Train =>
  async (engine, told, resume) => {
    const result = await fitMany(engine, inputs, clean.targets, heads, {
      features: 9,
      classes: 4,
      ...options,
      ...resume,
      onHeadEnd: (report) => {
        told.push(resultText(report));
      },
    });
    const classifiers = [...result.heads, result].map(({ classifier }) => classifier);
    return resultText(
      result,
      ...classifiers.flatMap((classifier) => [classifier?.weights, classifier?.bias]),
    );
  };

test.each(CASES)('%s go on from any point on 1, 2, 3 and 8 threads', async (_, heads, options) => {
  const checkpoints = await expectSameEnd(training(heads, options), { engines, everySteps: 2, most: 8 });
  expect(new Set(checkpoints.map(({ position }) => position.stage))).toEqual(new Set(['heads']));
});

test.each(CASES)('%s lose nothing where they are stopped', async (_, heads, options) => {
  await expectStopLosesNothing(training(heads, options), engines, [1, 2]);
});

test('heads in an arena with room for few at a time go on where all have room', async () => {
  const narrow = await engineFor({ threads: 2, numerics: 'portable', arenaBytes: 1 << 20 });
  const train = training(path, { cv: 3 });
  await expectSameEnd(train, { engines: [engines[0]!, narrow], everySteps: 3, most: 4 });
  await expectStopLosesNothing(train, [narrow, engines[1]!], [1, 3]);
});

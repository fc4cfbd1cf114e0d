// Training step by step that is cut off and goes on ends with the bits of one that is not.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Engine,
  type Files,
  openFeatures,
  SoftmaxClassifier,
  type Training,
  writeNpy,
} from '#softshard/main/index.js';
import { sharedEngines } from '../../../engines.js';
import { randomValues } from '../../../kernels/workbench.js';
import { byTiles } from '../loss-cases.js';
import { clusters } from '../workbench.js';
import { expectSameEnd, expectStopLosesNothing, resultText, type Train } from './resume.js';

const engineFor = sharedEngines();
const THREADS = [1, 2, 3, 8];
let engines: Engine[];
beforeAll(async () => {
  engines = await Promise.all(THREADS.map((threads) => engineFor({ threads, numerics: 'portable' })));
});

const small = clusters(301, 9, 4, 3);
const sampleWeight = Float32Array.from({ length: small.rows }, (_, row) => row % 3);

const CASES: readonly [name: string, options: Training.FitOptions][] = [
  ['SGD', { epochs: 3, batchSize: 40 }],
  [
    'momentum, nesterov and clipping',
    { epochs: 3, batchSize: 40, momentum: 0.9, nesterov: true, clipNorm: 1 },
  ],
  [
    'AdamW with a schedule, validation and early stopping',
    {
      solver: 'adamw',
      epochs: 9,
      batchSize: 64,
      learningRate: 0.05,
      schedule: 'cosine',
      warmup: 3,
      validationSplit: 0.2,
      earlyStopping: { patience: 2 },
    },
  ],
  ['a plateau', { epochs: 6, batchSize: 64, schedule: { kind: 'reduce-on-plateau', patience: 0 } }],
  [
    'sample weights and a sum',
    { epochs: 3, batchSize: 40, sampleWeight, reduction: 'sum', learningRate: 1e-3 },
  ],
  ['all rows a step', { epochs: 6, batchSize: 'full' }],
];

const training =
  (inputs: Training.AnyRows, options: Training.FitOptions, problem = small): Train =>
  async (engine, told, resume) => {
    const { features, classes, targets } = problem;
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const onStep = (report: Training.StepReport) => {
      told.push(`step ${JSON.stringify(report)}`);
    };
    const onEpochEnd = ({ epoch, loss, validationLoss }: Training.EpochReport) => {
      told.push(`epoch ${epoch} ${loss} ${validationLoss}`);
    };
    // Several epochs go to the workers at a time where nobody asks for their ends.
    const isAsked = options.earlyStopping !== undefined;
    const result = await classifier.fit(inputs, targets, {
      ...options,
      ...resume,
      onStep,
      ...(isAsked && { onEpochEnd }),
    });
    return resultText(result, classifier.weights, classifier.bias);
  };

describe.each(CASES)('%s', (_, options) => {
  test('goes on from any step on 1, 2, 3 and 8 threads', async () => {
    const checkpoints = await expectSameEnd(training(small.inputs, options), { engines, everySteps: 3 });
    const steps = checkpoints.map(({ position }) => position.step);
    expect(steps.slice(0, 3)).toEqual([3, 6, 9].slice(0, steps.length));
  });

  test('loses nothing where it is stopped', async () => {
    await expectStopLosesNothing(training(small.inputs, options), engines, [1, 2, 5]);
  });
});

test('parameter-sharded steps go on from any step', async () => {
  const options = { epochs: 2, batchSize: 100, momentum: 0.9 };
  const train = training(byTiles.inputs, options, byTiles);
  await expectSameEnd(train, { engines: engines.slice(0, 3), everySteps: 1, most: 3 });
});

describe('rows on disk, which pass through a small arena', () => {
  const large = { ...clusters(4001, 70, 5, 5) };
  let folder: string;
  let onDisk: Files.OpenFeatures;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'softshard-resume-'));
    await writeNpy(join(folder, 'x.npy'), { dims: [large.rows, large.features], data: large.inputs });
    onDisk = await openFeatures(join(folder, 'x.npy'));
  });
  afterAll(async () => {
    await onDisk.close();
    await rm(folder, { recursive: true });
  });

  test('go on where they are in memory, and the reverse', async () => {
    const options = { epochs: 2, batchSize: 200, momentum: 0.9, validationSplit: 0.1, seed: 4 };
    const narrow = await engineFor({ threads: 2, numerics: 'portable', arenaBytes: 1 << 20 });
    const train: Train = (engine, told, resume) =>
      training(engine === narrow ? onDisk : large.inputs, options, large)(engine, told, resume);
    await expectSameEnd(train, { engines: [engines[2]!, narrow], everySteps: 5, most: 8 });
    await expectSameEnd(train, { engines: [narrow, engines[2]!], everySteps: 7, most: 4 });
    await expectStopLosesNothing(train, [narrow, engines[0]!], [3, 25]);
  });
});

test('several epochs that are with the workers at a time are kept apart where they are stopped', async () => {
  const abort = new AbortController();
  const checkpoints: Training.Checkpoint[] = [];
  const options = { epochs: 10, batchSize: 40 };
  const { features, classes, targets, inputs } = small;
  const stopped = new SoftmaxClassifier(engines[0]!, { features, classes }).fit(inputs, targets, {
    ...options,
    signal: abort.signal,
    onStep: ({ step }) => {
      if (step === 30) abort.abort(new Error('stopped'));
    },
    checkpoint: {
      everySteps: 37,
      onCheckpoint: (checkpoint) => {
        checkpoints.push(checkpoint);
      },
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  const { position } = checkpoints[0]!;
  expect(position).toEqual({ stage: 'steps', step: 37, epoch: 4 });
  // Epoch by epoch.
  const wanted: number[] = [];
  const found: number[] = [];
  const train = async (losses: number[], resumeFrom?: Training.Checkpoint) => {
    const classifier = new SoftmaxClassifier(engines[1]!, { features, classes });
    const onEpochEnd = ({ loss }: Training.EpochReport) => {
      losses.push(loss);
    };
    const result = await classifier.fit(inputs, targets, { ...options, onEpochEnd, resumeFrom });
    return resultText(result, classifier.weights, classifier.bias);
  };
  expect(await train(found, checkpoints[0])).toBe(await train(wanted));
  expect(found).toEqual(wanted.slice(4));
});

test('checkpoints by time are made at any step, and change no bit', async () => {
  const long = clusters(20_000, 40, 10, 6);
  const options = { epochs: 3, batchSize: 32 };
  const told: string[] = [];
  const train = training(long.inputs, options, long);
  const wanted = await train(engines[1]!, told, {});
  const checkpoints: Training.Checkpoint[] = [];
  const onCheckpoint = (checkpoint: Training.Checkpoint) => {
    checkpoints.push(checkpoint);
  };
  expect(await train(engines[1]!, [], { checkpoint: { everySeconds: 0, onCheckpoint } })).toBe(wanted);
  const [resumeFrom] = checkpoints;
  expect(await train(engines[0]!, [], { resumeFrom: resumeFrom! })).toBe(wanted);
});

test('a stop in a callback of an epoch keeps that epoch', async () => {
  const noise = randomValues(small.inputs.length, 1, 8);
  const inputs = small.inputs.map((value, i) => value + noise[i]!);
  const train: Train = async (engine, told, resume) => {
    const { features, classes, targets } = small;
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const onEpochEnd = ({ epoch, loss }: Training.EpochReport) => {
      told.push(`${epoch} ${loss}`);
    };
    const options = { epochs: 5, batchSize: 64, ...resume, onEpochEnd };
    const result = await classifier.fit(inputs, targets, options);
    return resultText(result, classifier.weights, classifier.bias);
  };
  await expectStopLosesNothing(train, engines, [1, 3, 4]);
});

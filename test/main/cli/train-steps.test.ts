// softshard train with the options of solvers, schedules and early stopping: what the API gives with the same ones.
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { inOptionNames } from '#softshard/main/cli/failures.js';
import { Engine, readModelFile, SoftmaxClassifier, splitRows, type Training } from '#softshard/main/index.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(120, 5, 3, 5);

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
});

const trainArgs = (flags: string): string[] => {
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
  return ['train', ...files, '--quiet', ...(flags === '' ? [] : flags.split(' '))];
};

test.each<[string, Training.FitOptions, object]>([
  [
    '--solver sgd',
    { solver: 'sgd' },
    { solver: 'sgd', learningRate: 0.1, schedule: 'constant', momentum: 0, nesterov: false, weightDecay: 0 },
  ],
  [
    '--solver sgd --momentum 0.9 --nesterov',
    { momentum: 0.9, nesterov: true },
    { momentum: 0.9, nesterov: true },
  ],
  ['--solver adamw', { solver: 'adamw' }, { solver: 'adamw', learningRate: 1e-3, weightDecay: 0.01 }],
  [
    '--solver adamw --betas 0.8,0.99 --epsilon 1e-4 --weight-decay 0.1 --learning-rate 0.05',
    { solver: 'adamw', betas: [0.8, 0.99], epsilon: 1e-4, weightDecay: 0.1, learningRate: 0.05 },
    { solver: 'adamw', betas: [0.8, 0.99], epsilon: 1e-4, weightDecay: 0.1, learningRate: 0.05 },
  ],
  [
    '--warmup 0.25 --schedule cosine',
    { warmup: 0.25, schedule: 'cosine' },
    { warmup: 0.25, schedule: 'cosine' },
  ],
  ['--warmup 3 --clip-norm 0.5', { warmup: 3, clipNorm: 0.5 }, { warmup: 3, clipNorm: 0.5 }],
  ['--schedule one-cycle', { schedule: 'one-cycle' }, { schedule: 'one-cycle' }],
  [
    '--schedule step --step-epochs 2 --schedule-factor 0.5',
    { schedule: { kind: 'step', everyEpochs: 2, factor: 0.5 } },
    { schedule: { kind: 'step', everyEpochs: 2, factor: 0.5 } },
  ],
  [
    '--schedule reduce-on-plateau --plateau-patience 0 --validation-split 0.25',
    { schedule: { kind: 'reduce-on-plateau', patience: 0 }, split: splitRows(targets, { validation: 0.25 }) },
    { schedule: { kind: 'reduce-on-plateau', patience: 0 } },
  ],
  [
    '--early-stopping --patience 2 --min-delta 0.05 --validation-split 0.25',
    { earlyStopping: { patience: 2, minDelta: 0.05 }, split: splitRows(targets, { validation: 0.25 }) },
    { earlyStopping: { metric: 'validationLoss', patience: 2, minDelta: 0.05 } },
  ],
  [
    '--early-stopping validation-accuracy --validation-split 0.25',
    { earlyStopping: { metric: 'validationAccuracy' }, split: splitRows(targets, { validation: 0.25 }) },
    { earlyStopping: { metric: 'validationAccuracy' } },
  ],
  [
    '--early-stopping loss --patience 1 --min-delta 0.2',
    { earlyStopping: { metric: 'loss', patience: 1, minDelta: 0.2 } },
    { earlyStopping: { metric: 'loss', patience: 1, minDelta: 0.2 } },
  ],
])(
  'train %s gives, to the last bit, what fit gives, and keeps the options',
  async (flags, options, saved) => {
    const out = inFolder('model.safetensors');
    const { code, stderr, stdout } = await softshard([...trainArgs(flags), '--output', out, '--json']);
    const model = await readModelFile(out);
    await using engine = await Engine.create({ threads: 2 });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const fitted = await classifier.fit(inputs, targets, options);
    const told = fitted.warnings.map(({ message }) => `warning: ${inOptionNames(message)}\n`).join('');
    expect({ code, stderr }).toEqual({ code: 0, stderr: told });
    expect(model.weights).toEqual(classifier.weights);
    expect(model.bias).toEqual(classifier.bias);
    expect(model.trainingOptions).toMatchObject({
      epochs: 10,
      batchSize: 256,
      shuffle: true,
      seed: 0,
      ...saved,
    });
    const { bestEpoch, stoppedEarly, epochs, steps } = fitted;
    const printed = JSON.parse(stdout);
    expect(printed.steps).toBe(steps);
    expect(printed.epochs.map(({ learningRate }: Training.EpochReport) => learningRate)).toEqual(
      epochs.map(({ learningRate }) => learningRate),
    );
    expect(printed.loss).toBe(epochs[(bestEpoch ?? epochs.length) - 1]!.loss);
    if (options.earlyStopping === undefined) {
      expect(printed).not.toHaveProperty('bestEpoch');
    } else {
      expect(printed).toMatchObject({ bestEpoch, stoppedEarly });
      expect(model.trainingOptions).toMatchObject({ bestEpoch });
    }
  },
);

test('the text names the best epoch, whose numbers it shows', async () => {
  const flags = '--early-stopping loss --patience 1 --min-delta 10 --epochs 7';
  const { stdout } = await softshard([...trainArgs(flags), '--output', inFolder('text.safetensors')]);
  expect(stdout).toMatch(
    /^training loss .*\nTrained 2 epochs \(2 steps\) .*\sEpoch\s1\swas\sbest\.\nThe model is in /s,
  );
});

describe('wrong usage exits with 2 before any file is read, and names the option', () => {
  test.each<[string, RegExp]>([
    ['--solver adam', /'--solver <kind>' argument 'adam' is invalid.*sgd, adamw/],
    ['--solver adamw --momentum 0.9', /^softshard: --momentum is of --solver sgd/],
    ['--solver adamw --nesterov', /^softshard: --nesterov is of --solver sgd/],
    ['--betas 0.9,0.99', /^softshard: --betas is of --solver adamw/],
    ['--solver sgd --epsilon 1e-8', /^softshard: --epsilon is of --solver adamw/],
    ['--solver adamw --betas 0.9', /'--betas <two>' .*two numbers from 0 to less than 1/],
    ['--solver adamw --betas 0.9,1', /two numbers from 0 to less than 1/],
    ['--solver adamw --betas 0.9,0.9,0.9', /two numbers/],
    ['--schedule wave', /'--schedule <kind>' argument 'wave'/],
    ['--schedule step', /^softshard: --schedule step needs --step-epochs/],
    ['--step-epochs 3', /^softshard: --step-epochs needs --schedule step/],
    ['--schedule cosine --schedule-factor 0.5', /^softshard: --schedule-factor needs --schedule step or/],
    ['--schedule step --step-epochs 1 --plateau-patience 3', /^softshard: --plateau-patience needs/],
    ['--warmup 1.5', /'--warmup <steps>' .*whole number of steps, or a fraction/],
    ['--clip-norm 0', /'--clip-norm <norm>' .*greater than 0/],
    ['--patience 3', /^softshard: --patience needs --early-stopping/],
    ['--min-delta 3', /^softshard: --min-delta needs --early-stopping/],
    ['--early-stopping', /^softshard: --early-stopping has no rows to validate on: add --validation-split/],
    ['--early-stopping accuracy', /'--early-stopping \[metric\]' argument 'accuracy'/],
  ])('%s', async (flags, message) => {
    const args = ['train', '--data', 'nowhere.npy', '--labels', 'nowhere.npy', ...flags.split(' ')];
    const { code, stdout, stderr } = await softshard(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('a warm-up that is longer than training, in the words of the command line', async () => {
    const { code, stderr } = await softshard([...trainArgs('--warmup 10'), '--output', inFolder('never')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^softshard: ERR_OPTION: --warmup is 10 steps, and training has 10: lower it/);
  });
});

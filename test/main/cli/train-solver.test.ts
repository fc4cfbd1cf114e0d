// softshard train by a full-batch solver: what the API gives with the same options, and what is wrong usage.
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, splitRows, type Training } from '#softshard/main/index.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(150, 5, 3, 15);

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
});

const trainArgs = (flags: string, out = inFolder('model.safetensors')): string[] => {
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy'), '--output', out];
  return ['train', ...files, ...(flags === '' ? [] : flags.split(' '))];
};

test.each<[string, Training.FitOptions]>([
  ['', {}],
  ['--C auto --one-standard-error', { oneStandardError: true }],
  ['--scale none', { scale: 'none' }],
  ['--C 1', { C: 1 }],
  ['--l2 0.01 --tol 1e-3 --solver newton-cg', { l2: 0.01, tol: 1e-3, solver: 'newton-cg' }],
  [
    '--C 10 --max-passes 3 --validation-split 0.2 --seed 4',
    { C: 10, maxPasses: 3, split: splitRows(targets, { validation: 0.2 }), seed: 4 },
  ],
  [
    '--C 10 --max-passes 3 --validation-split 0.2 --no-stratify --split-seed 4',
    { C: 10, maxPasses: 3, validationSplit: 0.2, seed: 4 },
  ],
  ['--l1 0.02', { l1: 0.02 }],
  ['--C 2 --l1 0.01', { C: 2, l1: 0.01 }],
  ['--C 1 --label-smoothing 0.1 --class-weight balanced', { C: 1, labelSmoothing: 0.1, weight: 'balanced' }],
])('train %s gives, to the last bit, what fit gives, and says how good it is', async (flags, options) => {
  const { code, stdout } = await softshard([...trainArgs(flags), '--json', '--quiet']);
  expect(code).toBe(0);
  const model = await readModelFile(inFolder('model.safetensors'));
  await using engine = await Engine.create({ threads: 2 });
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  const result = await classifier.fit(inputs, targets, options);
  expect(model.weights).toEqual(classifier.weights);
  expect(model.bias).toEqual(classifier.bias);
  expect(model.featureScaling === undefined).toBe(classifier.featureScaling === undefined);
  const { solver, loss, objective, gap, gapRelative, passes, converged, stopReason, C, l2, scale } = result;
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ solver, loss, objective, gap, gapRelative, passes, converged, stopReason, C: C ?? null, l2, scale },
    validationLoss: result.validationLoss ?? null,
    interrupted: false,
  });
  const { l1, zeroWeights } = result;
  expect(JSON.parse(stdout)).toMatchObject({ l1, zeroWeights });
  const penalties = { ...(C !== undefined && { C }), l2, ...(l1 && { l1 }) };
  expect(model.trainingOptions).toMatchObject({ solver, ...penalties, gapRelative });
});

test('the text shows what was tried, what was chosen, and the bound, within 80 columns but for the last line', async () => {
  const { code, stdout } = await softshard(trainArgs('--quiet'));
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(stdout).toMatch(/^Features, C, and what they gave on 3 folds of 150 rows held out:$/m);
  expect(lines.filter((line) => line.endsWith('<- chosen'))).toHaveLength(1);
  expect(stdout).toMatch(/^above its minimum +at most 0\.\d+ %$/m);
  expect(stdout).toMatch(
    /Trained by lbfgs with C [\d.]+( on standardised features)?:\n\d+ passes over 150 rows and \d+ to choose/,
  );
  for (const line of lines.slice(0, -1)) expect(line.length).toBeLessThanOrEqual(80);
});

test('with an L1 penalty the text says how many weights are 0', async () => {
  const { code, stdout } = await softshard(trainArgs('--l1 0.05 --quiet'));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^weights of 0 +\d+$/m);
  expect(stdout).toMatch(/^Trained by lbfgs with L1 0.05:\n\d+ passes/m);
});

test.each([
  ['--C 1 --epochs 3', /--C is given, but --epochs asks for --solver sgd/],
  ['--solver adamw --tol 1e-3', /--tol is given, but --solver adamw does not know it/],
  ['--solver lbfgs --momentum 0.9', /--momentum is given, but --solver lbfgs does not know it/],
  ['--solver lbfgs --no-shuffle', /--no-shuffle is given/],
  ['--C auto --l1 0.1', /--C auto does not choose beside --l1/],
  ['--l1 0.1 --solver newton-cg', /--solver newton-cg does not know it/],
  ['--l1 0.1 --epochs 3', /--l1 is given, but --epochs asks/],
  ['--C 1 --l2 1', /--C and --l2 are the same penalty/],
  ['--C 1 --one-standard-error', /says how C is chosen/],
  ['--C 0', /greater than 0/],
  ['--tol 1', /less than 1/],
])('%s is wrong usage', async (flags, message) => {
  const { code, stderr } = await softshard(trainArgs(flags));
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

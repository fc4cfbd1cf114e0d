// Rows that train holds out: fractions and files for validation and test, and what it says of them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, selectRows, splitRows } from '#softshard/main/index.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(150, 5, 3, 15);
const matrix = { type: 'float32', dims: [rows, features], data: inputs } as const;
const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
const mask = Uint8Array.from({ length: rows * classes }, (_, i) =>
  i % classes === targets[Math.floor(i / classes)] || i % 2 === 0 ? 1 : 0,
);

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
  writeArray(folder, 'mask.npy', '|u1', [rows, classes], mask);
});

const train = (flags: string) =>
  softshard(['train', ...files, '--output', inFolder('model'), '--quiet', ...flags.split(' ')]);

test.each(['--C 1', '--epochs 3'])(
  'the test rows are kept apart, and evaluated at the end (%s)',
  async (how) => {
    const flags = `${how} --validation-split 0.2 --test-split 0.1 --split-seed 3`;
    const { stdout } = await train(`${flags} --json`);
    const split = splitRows(targets, { validation: 0.2, test: 0.1, seed: 3 });
    await using engine = await Engine.create({ threads: 2 });
    const model = await SoftmaxClassifier.load(engine, inFolder('model'));
    const held = Int32Array.from(split.test, (row) => targets[row]!);
    const { loss, accuracy, majority } = await model.evaluate(selectRows(matrix, split.test), held);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ testLoss: loss, testAccuracy: accuracy, testMajority: majority },
      ...{ rows, trainingRows: 105, validationRows: 30, testRows: 15, splitSeed: 3 },
    });
    const { trainingOptions } = await readModelFile(inFolder('model'));
    const saved = { validationSplit: 0.2, testSplit: 0.1, splitSeed: 3, stratify: true, trainingRows: 105 };
    expect(trainingOptions).toMatchObject(saved);
    const text = (await train(flags)).stdout;
    expect(text).toMatch(/^test loss +\d\.\d{4}$/m);
    expect(text).toMatch(/^test accuracy +[\d.]+ % \(largest class: 66\.67 %\)$/m);
  },
);

test('a mask holds for the test rows too, and test files need no split', async () => {
  const masked = JSON.parse(
    (await train(`--C 1 --test-split 0.2 --json --mask ${inFolder('mask.npy')}`)).stdout,
  );
  const plain = JSON.parse((await train('--C 1 --test-split 0.2 --json')).stdout);
  expect(masked.testLoss).toBeLessThan(plain.testLoss);
  const apart = `--C 1 --json --test-data ${inFolder('x.npy')} --test-labels ${inFolder('y.npy')}`;
  const { loss, testLoss, testRows, splitSeed } = JSON.parse((await train(apart)).stdout);
  expect([testRows, splitSeed]).toEqual([rows, null]);
  expect(testLoss).toBeCloseTo(loss, 5);
  const { trainingOptions } = await readModelFile(inFolder('model'));
  const facts = trainingOptions!.data as Record<string, object>;
  expect([facts.testRows, facts.testLabels]).toEqual([facts.rows, facts.labels]);
});

test('standard scaling is that of the rows trained on', async () => {
  const flags = '--epochs 1 --scale standard --test-split 0.5';
  await train(flags);
  const first = await readModelFile(inFolder('model'));
  await train(`${flags} --split-seed 1`);
  expect((await readModelFile(inFolder('model'))).featureScaling).not.toEqual(first.featureScaling);
});

test.each([
  ['--split-seed 1', /^softshard: --split-seed needs --validation-split or --test-split/],
  ['--no-stratify', /^softshard: --no-stratify needs --validation-split or --test-split/],
  ['--test-labels y.npy', /^softshard: --test-labels needs --test-data/],
  ['--test-split 0.5 --test-data x.npy', /'--test-split <fraction>' cannot be used with option '--test-data/],
  ['--test-split 0.001', /ERR_OPTION: --test-split is 0\.001, which keeps none of 150 rows for test: take/],
  [
    '--test-split 0.5 --validation-split 0.5',
    /ERR_OPTION: --validation-split is 0\.5 and --test-split is 0\.5/,
  ],
])('%s is wrong usage', async (flags, message) => {
  const { code, stdout, stderr } = await train(flags);
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('a test row that is not finite is named by its row in the file, before training begins', async () => {
  const { test: held } = splitRows(targets, { test: 0.2 });
  const broken = inputs.slice();
  broken[held[4]! * features + 2] = Number.NaN;
  writeArray(folder, 'broken.npy', '<f4', [rows, features], broken);
  const out = inFolder('never');
  const data = ['--data', inFolder('broken.npy'), '--labels', inFolder('y.npy'), '--output', out];
  for (const flags of [
    ['--test-split', '0.2'],
    ['--test-data', inFolder('broken.npy'), '--test-labels', inFolder('y.npy')],
  ]) {
    const own = flags[0] === '--test-data' ? ['--data', inFolder('x.npy')] : [];
    const { code, stderr } = await softshard(['train', ...data, ...own, '--C', '1', '--quiet', ...flags]);
    expect(stderr).toMatch(
      new RegExp(`^softshard: ERR_NOT_FINITE: .*broken\\.npy: row ${held[4]}, feature 2 is NaN`),
    );
    expect([code, existsSync(out)]).toEqual([1, false]);
  }
});

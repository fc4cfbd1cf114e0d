// Files of several arrays, SVMlight, words in .npy and folders on the command line: train, evaluate and predict.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixture } from '../data/dense-fixtures.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const TRAIN = ['train', '--epochs', '1', '--seed', '1', '--force', '--threads', '1'];

async function modelOf(name: string, ...args: string[]): Promise<string> {
  const out = join(folder, name);
  const { code, stderr } = await softshard([...TRAIN, '--output', out, ...args]);
  expect(code, stderr).toBe(0);
  return out;
}

async function evaluated(model: string, ...args: string[]) {
  const { code, stdout, stderr } = await softshard(['evaluate', '--json', '--model', model, ...args]);
  expect(code, stderr).toBe(0);
  const { loss, accuracy, rows } = JSON.parse(stdout);
  return { loss, accuracy, rows };
}

test('the same rows and labels give the same results in every format', async () => {
  const npy = ['--data', fixture('X.npy'), '--labels', fixture('y.npy')];
  const model = await modelOf('npy.model', ...npy);
  const result = await evaluated(model, ...npy);
  expect(result.rows).toBe(12);
  for (const data of ['X-y.npz', 'unnamed.npz', 'X-y.safetensors', 'one-based.svm', 'queries.svm']) {
    expect(await evaluated(model, '--data', fixture(data)), data).toEqual(result);
    const trained = await modelOf('other.model', '--data', fixture(data));
    expect(await evaluated(trained, ...npy), data).toEqual(result);
  }
  const named = ['--features', 'a', '--data', fixture('odd-names.npz'), '--labels', fixture('y.npy')];
  expect(await evaluated(model, ...named.slice(0, 4), '--labels', fixture('X-y.npz'))).toEqual(result);
  expect(await evaluated(model, '--data', fixture('X-float16.npy'), '--labels', fixture('y.npy'))).toEqual(
    result,
  );
});

test('words in .npy and .npz are the classes of the model', async () => {
  const model = await modelOf('w.model', '--data', fixture('X.npy'), '--labels', fixture('words.npy'));
  const result = await evaluated(model, '--data', fixture('words.npz'));
  expect(
    await evaluated(model, '--data', fixture('X.npy'), '--labels', fixture('words-big-endian.npy')),
  ).toEqual(result);
  const { stdout } = await softshard(['predict', '--quiet', '--model', model, '--data', fixture('X-y.npz')]);
  expect(stdout).toMatch(/^row,class,name,probability\n0,\d,(setosa|größer|猫😀),/);
});

test('a folder and a pattern are the rows of their files, one after the other', async () => {
  mkdirSync(join(folder, 'shards'));
  for (const name of ['1.npz', '2.npz']) copyFileSync(fixture('X-y.npz'), join(folder, 'shards', name));
  const model = await modelOf('f.model', '--data', join(folder, 'shards'));
  const all = await evaluated(model, '--data', join(folder, 'shards', '*.npz'));
  const one = await evaluated(model, '--data', fixture('X-y.npz'));
  expect(all).toMatchObject({ rows: 24, accuracy: one.accuracy });
  const out = join(folder, 'shards', '2.npz');
  const { stderr, code } = await softshard([...TRAIN, '--data', join(folder, 'shards'), '--output', out]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/2\.npz: would replace .*2\.npz, which is read/);
});

test('SVMlight rows take the number of features of the model', async () => {
  const model = await modelOf('s.model', '--data', fixture('one-based.svm'));
  const { stdout } = await softshard([
    'predict',
    '--quiet',
    '--model',
    model,
    '--data',
    fixture('queries.svm'),
  ]);
  expect(stdout.trim().split('\n')).toHaveLength(13);
});

test.each<[what: string, args: string[], code: number, message: RegExp]>([
  [
    'labels under unusual names',
    ['--data', fixture('odd-names.npz'), '--features', 'a'],
    2,
    /odd-names\.npz: none of its arrays is known to be labels: name one with --label, .*"ids" int64 \[12\]/,
  ],
  [
    'features under unusual names',
    ['--data', fixture('odd-names.npz')],
    1,
    /found "a" float32 \[12, 5\].*--features\./,
  ],
  [
    'an array that is not there',
    ['--data', fixture('X-y.npz'), '--label', 'z'],
    2,
    /--label: .*got "z".*"X"/,
  ],
  ['no labels', ['--data', fixture('X.npy')], 2, /labels are missing: give --labels/],
])('%s: the message says what there is', async (_, args, code, message) => {
  const result = await softshard([...TRAIN, ...args, '--output', join(folder, 'none.model')]);
  expect(result.stderr).toMatch(message);
  expect(result.code).toBe(code);
});

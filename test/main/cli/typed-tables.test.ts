// Parquet, Arrow and JSON Lines on the command line: the same model as from .npy.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readModelFile } from '#softshard/main/index.js';
import { fixture } from '../data/table/fixtures.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();

const run = (...args: string[]) => softshard([...args, '--threads', '1'], { cwd: folder });
const parquet = fixture('list.parquet');
const numbers = fixture('numbers.jsonl');

/** The model and what was noted. */
async function trained(name: string, ...args: string[]) {
  const { code, stderr } = await run('train', ...args, '--C', '1', '--output', name, '--json');
  expect(code, stderr).toBe(0);
  return { model: await readModelFile(join(folder, name)), stderr };
}

test('a model has the same bits from any of them, and is used with any of them', async () => {
  const { model } = await trained('npy', '--data', fixture('x.npy'), '--labels', fixture('labels.txt'));
  for (const [name, ...args] of [
    ['parquet', '--data', parquet, '--label', 'genre'],
    ['arrow', '--data', fixture('list.arrow'), '--label-column', 'genre', '--feature-columns', 'embedding'],
    ['jsonl', '--data', fixture('list.jsonl'), '--features', 'embedding', '--label', 'genre'],
    ['both', '--data', fixture('x.npy'), '--labels', parquet, '--label', 'genre'],
  ] as const) {
    const other = (await trained(name, ...args)).model;
    expect(other.weights, name).toEqual(model.weights);
    expect(other.bias, name).toEqual(model.bias);
    expect(other.classNames, name).toEqual(model.classNames);
  }
  const predicted = await run('predict', '--model', 'npy', '--data', fixture('x.npy'));
  for (const data of [parquet, fixture('list.jsonl'), fixture('x.npy')]) {
    const { stdout } = await run('predict', '--model', 'parquet', '--data', data);
    expect(stdout).toBe(predicted.stdout);
  }
  const evaluated = await run(
    ...['evaluate', '--model', 'jsonl', '--data', fixture('list.arrow'), '--label', 'genre', '--json'],
  );
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: 60 });
});

test('a table that is named for rows and for labels has one label column, which is no feature', async () => {
  const twice = await trained('twice', '--data', numbers, '--labels', numbers, '--label', 'big');
  const once = await trained('once', '--data', numbers, '--label', 'big');
  expect(twice.model.featureNames).toEqual(['price', 'small', 'flag']);
  expect(twice.model.weights).toEqual(once.model.weights);
});

test('--label is a column of --data; labels of validation rows may be alone in a file', async () => {
  const rows = ['--data', parquet, '--label', 'genre', '--validation-data', fixture('x.npy')];
  const args = ['train', ...rows, '--C', '1', '--output', 'apart', '--json', '--validation-labels'];
  const { code, stdout, stderr } = await run(...args, fixture('labels.txt'));
  expect(code, stderr).toBe(0);
  const { accuracy, validationAccuracy } = JSON.parse(stdout);
  expect(validationAccuracy).toBe(accuracy);
  const refused = await run(...args, numbers.replace('.jsonl', '.csv'), '--label', 'kind', '--force');
  expect(refused.stderr).toMatch(/--label: expected a column of .*got "kind"/);
});

test('columns that are left out are told, and line 1 is no matter', async () => {
  const { stderr } = await trained('noted', '--data', parquet, '--label', 'genre');
  expect(stderr).toMatch(/list\.parquet: 2 columns are left out: "code", "when"\n/);
  expect(stderr).not.toMatch(/line 1|--header/);
});

test('errors are told in the words of the command line', async () => {
  const failed = async (expected: RegExp, ...args: string[]) => {
    const { code, stderr } = await run('train', ...args, '--output', 'none');
    expect(code, stderr).not.toBe(0);
    expect(stderr).toMatch(expected);
  };
  await failed(/--labels, or --label for a table or a file of several arrays/, '--data', parquet);
  await failed(/ERR_OPTION: --label: expected a column of .*"genre"/, '--data', parquet, '--label', 'kind');
  await failed(
    /"genre": expected numbers.* chosen with --label; leave other text out of --features\./,
    ...['--data', parquet, '--label', 'code', '--features', 'genre'],
  );
  const labels = ['--labels', parquet];
  await failed(/one column of labels, found 4.*--label\./, '--data', fixture('x.npy'), ...labels);
});

test('a null is an error with its row, or a row that is ignored', async () => {
  await trained('nulls', '--data', parquet, '--label', 'genre');
  const args = ['predict', '--model', 'nulls', '--data', fixture('nulls.parquet')];
  const refused = await run(...args);
  expect(refused.stderr).toMatch(
    /row 7, column "embedding".*found null.*--on-invalid-input ignore takes it as NaN/,
  );
  const { stdout } = await run(...args, '--on-invalid-input', 'ignore');
  expect(stdout.split('\n')[8]).toBe('7,-1,,NaN');
});

// Features of NaN and Infinity in files: exit code 1 with file, row and feature, or rows without a class on request.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Engine, readNpyMatrix, SoftmaxClassifier } from '#softshard/main/index.js';
import { randomNumbers, writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const [ROWS, FEATURES, ROW, FEATURE] = [40, 3, 17, 2];
const run = (command: string, ...args: string[]) => softshard([command, ...args], { cwd: folder });
const onModel = (command: string, data: string, ...args: string[]) =>
  run(command, '--model', 'model.safetensors', '--data', data, ...args);

beforeAll(async () => {
  const values = randomNumbers(ROWS * FEATURES, 3);
  const targets = Array.from({ length: ROWS }, (_, row) => (values[row * FEATURES]! > 0 ? 1 : 0));
  const spoiled = (value: number) => {
    const changed = Float64Array.from(values);
    changed[ROW * FEATURES + FEATURE] = value;
    return changed;
  };
  writeArray(folder, 'x.npy', '<f4', [ROWS, FEATURES], values);
  writeArray(folder, 'nan.npy', '<f4', [ROWS, FEATURES], spoiled(Number.NaN));
  writeArray(folder, 'infinite.npy', '<f4', [ROWS, FEATURES], spoiled(Number.POSITIVE_INFINITY));
  writeArray(folder, 'y.npy', '<i4', [ROWS], targets);
  writeFileSync(join(folder, 'names.txt'), 'minus\nplus\n');
  const lines = Array.from({ length: ROWS }, (_, row) =>
    values.slice(row * FEATURES, (row + 1) * FEATURES).join(),
  );
  writeFileSync(join(folder, 'x.csv'), `a,b,c\n${lines.join('\n')}\n`);
  const files = ['--data', 'x.npy', '--labels', 'y.npy', '--class-names', 'names.txt'];
  const { code, stderr } = await run('train', ...files, '--scale', 'standard', '--quiet');
  expect(code, stderr).toBe(0);
});

describe('a feature that is not finite', () => {
  const place = `row ${ROW}, feature ${FEATURE} is`;
  const train = ['--labels', 'y.npy', '--output', 'other.safetensors', '--quiet'];
  test.each([
    [
      'predict',
      () => onModel('predict', 'nan.npy'),
      `nan.npy: ${place} NaN`,
      /or set --on-invalid-input to 'ignore'/,
    ],
    [
      'predict to .npy',
      () => onModel('predict', 'infinite.npy', '--output', 'p.npy'),
      `infinite.npy: ${place} Infinity`,
      /impute it/,
    ],
    [
      'predict to .npy, probabilities',
      () => onModel('predict', 'nan.npy', '--output', 'p.npy', '--probabilities'),
      `nan.npy: ${place} NaN`,
      /drop the row/,
    ],
    [
      'predict to .csv',
      () => onModel('predict', 'infinite.npy', '--output', 'p.csv'),
      `infinite.npy: ${place} Infinity`,
      /drop the row/,
    ],
    [
      'evaluate',
      () => onModel('evaluate', 'infinite.npy', '--labels', 'y.npy'),
      `infinite.npy: ${place} Infinity`,
      /--on-invalid-input/,
    ],
    [
      'train',
      () => run('train', '--data', 'nan.npy', ...train),
      `nan.npy: ${place} NaN`,
      /or have it ignored \(--ignore-index/,
    ],
    [
      'train --scale standard (F12)',
      () => run('train', '--data', 'infinite.npy', ...train, '--scale', 'standard'),
      `infinite.npy: ${place} Infinity`,
      /features must be finite numbers: impute it, drop the row$/m,
    ],
    [
      'train with validation data',
      () =>
        run(
          'train',
          '--data',
          'x.npy',
          ...train,
          '--validation-data',
          'nan.npy',
          '--validation-labels',
          'y.npy',
        ),
      `nan.npy: ${place} NaN`,
      /impute it/,
    ],
  ])('%s exits with 1 and names file, row and feature, before any output', async (_, call, where, remedy) => {
    const { code, stdout, stderr } = await call();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.startsWith(`softshard: ERR_NOT_FINITE: ${where}`), stderr).toBe(true);
    expect(stderr).toMatch(remedy);
    expect(readdirSync(folder).filter((name) => /^(p|other)\./.test(name))).toEqual([]);
  });

  const ignore = ['--on-invalid-input', 'ignore'];
  test('predict --on-invalid-input ignore writes class -1, no name and NaN, and the other rows as they are', async () => {
    const good = (await onModel('predict', 'x.npy', '--probabilities')).stdout.split('\n');
    const { code, stdout } = await onModel('predict', 'nan.npy', '--probabilities', ...ignore);
    expect(code).toBe(0);
    const wanted = good.with(ROW + 1, `${ROW},-1,,NaN,NaN,NaN`);
    expect(stdout.split('\n')).toEqual(wanted);
    const top = await onModel('predict', 'nan.npy', '--top-k', '2', ...ignore);
    expect(top.stdout.split('\n').filter((line) => line.startsWith(`${ROW},`))).toEqual([`${ROW},1,-1,,NaN`]);
    await onModel('predict', 'nan.npy', '--output', 'classes.npy', ...ignore);
    const bytes = readFileSync(join(folder, 'classes.npy'));
    expect(bytes.readInt32LE(bytes.length - 4 * (ROWS - ROW))).toBe(-1);
  });

  test('evaluate --on-invalid-input ignore leaves the row out and says how many', async () => {
    const json = await onModel('evaluate', 'nan.npy', '--labels', 'y.npy', '--json', ...ignore);
    expect(JSON.parse(json.stdout)).toMatchObject({ rows: ROWS - 1, ignored: 0, invalid: 1 });
    const text = await onModel('evaluate', 'nan.npy', '--labels', 'y.npy', ...ignore);
    expect(text.stdout).toMatch(/^invalid rows +1$/m);
  });
});

test.each(['', 'NaN', 'NA', '-inf'])(
  'a CSV cell %j is a failure, or its row is ignored as one of .npy is',
  async (cell) => {
    const lines = readFileSync(join(folder, 'x.csv'), 'utf8').split('\n');
    const cells = lines[ROW + 1]!.split(',').with(FEATURE, cell);
    writeFileSync(join(folder, 'missing.csv'), lines.with(ROW + 1, cells.join()).join('\n'));
    const failed = await onModel('predict', 'missing.csv');
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(/ERR_FORMAT: missing\.csv: line \d+, column \d+/);
    expect(failed.stderr).toMatch(/ --on-invalid-input ignore takes it as NaN\.$/m);
    const trained = await run(
      'train',
      '--data',
      'missing.csv',
      '--labels',
      'y.npy',
      '--output',
      'p.safetensors',
    );
    expect(trained.stderr).toContain('ERR_FORMAT: missing.csv');
    expect(trained.stderr).not.toMatch(/missingCells|invalid-input/);
    const ignore = ['--on-invalid-input', 'ignore'];
    const predicted = await onModel('predict', 'missing.csv', '--probabilities', ...ignore);
    expect(predicted.stdout).toBe((await onModel('predict', 'nan.npy', '--probabilities', ...ignore)).stdout);
    const evaluated = await onModel('evaluate', 'missing.csv', '--labels', 'y.npy', '--json', ...ignore);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: ROWS - 1, invalid: 1 });
    writeFileSync(join(folder, 'words.csv'), lines.with(ROW + 1, '1,two,3').join('\n'));
    expect((await onModel('predict', 'words.csv', ...ignore)).code).toBe(1);
  },
);

test('a class that is never predicted has precision 0, as in the API: in JSON and on the screen (F21)', async () => {
  writeArray(
    folder,
    'three.npy',
    '<i4',
    [ROWS],
    Array.from({ length: ROWS }, (_, row) => (row === 0 ? 2 : row % 2)),
  );
  writeArray(folder, 'zeros.npy', '<f4', [ROWS, FEATURES], new Float32Array(ROWS * FEATURES));
  const files = ['--labels', 'three.npy', '--data'];
  const out = 'three.safetensors';
  const trained = await run('train', ...files, 'zeros.npy', '--epochs', '1', '--output', out, '--quiet');
  expect(trained.code).toBe(0);
  const { stdout } = await run('evaluate', '--model', out, ...files, 'zeros.npy', '--json');
  const { perClass } = JSON.parse(stdout);
  expect(perClass[2]).toEqual({ class: 2, name: '2', rows: 1, recall: 0, precision: 0, f1: 0 });
  expect(perClass.filter(({ precision }: { precision: number }) => precision === 0)).toHaveLength(2);
  const text = await run('evaluate', '--model', out, ...files, 'zeros.npy');
  expect(text.stdout).toMatch(/^2 +1 +0\.00 % +0\.00 %$/m);
});

test('train --scale standard and then predict is right for .npy and CSV, and in the API on raw rows', async () => {
  const { stdout } = await onModel('predict', 'x.npy');
  expect((await onModel('predict', 'x.csv')).stdout).toBe(stdout);
  const evaluated = await onModel('evaluate', 'x.npy', '--labels', 'y.npy', '--json');
  expect(JSON.parse(evaluated.stdout).accuracy).toBeGreaterThan(0.9);
  const lines = stdout.trimEnd().split('\n').slice(1);

  await using engine = await Engine.create({ threads: 1 });
  const classifier = await SoftmaxClassifier.load(engine, join(folder, 'model.safetensors'));
  const { matrix } = await readNpyMatrix(engine, join(folder, 'x.npy'));
  expect([...(await classifier.predict(matrix))]).toEqual(lines.map((line) => Number(line.split(',')[1])));
});

// The label column that a model keeps, so that evaluate, calibrate and predict find it in other tables.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { readModelFile, writeTable } from '#softshard/main/index.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(at(name), text);
const run = (...args: string[]) => softshard([...args, '--threads', '1'], { cwd: folder });

const ROWS = [
  [0, 3, 'x'],
  [3, 0, 'y'],
  [0, 2, 'x'],
  [2, 0, 'y'],
] as const;
const csv = (header: string, rows: readonly (readonly unknown[])[] = ROWS) =>
  `${header}\n${rows.map((row) => `${row.join()}\n`).join('')}`;

const train = (data: string, model: string, ...args: string[]) =>
  run('train', '--data', data, '--C', '1', '--scale', 'none', '--output', model, '--quiet', ...args);
const savedIn = async (model: string) => (await readModelFile(at(model))).trainingOptions?.labelColumn;

async function evaluated(model: string, data: string, ...args: string[]) {
  const { code, stdout, stderr } = await run('evaluate', '--model', model, '--data', data, '--json', ...args);
  expect(code, stderr).toBe(0);
  return { accuracy: JSON.parse(stdout).accuracy as number, stderr };
}

beforeAll(async () => {
  write('k.csv', csv('a,b,k'));
  write(
    'none.csv',
    csv('a,b', [
      [0, 3],
      [3, 0],
    ]),
  );
  write(
    'other.csv',
    csv(
      'a,b,k,wrong',
      ROWS.map(([a, b, k]) => [a, b, k, k === 'x' ? 'y' : 'x']),
    ),
  );
  write('nameless.csv', csv('0,3,x'));
  write(
    'labels.csv',
    csv(
      'k',
      ROWS.map(([, , k]) => [k]),
    ),
  );
  const columns = [
    { name: 'k', type: 'string' },
    { name: 'b', type: 'float32' },
    { name: 'a', type: 'float32' },
  ] as const;
  const records = (async function* () {
    for (const [a, b, k] of ROWS) yield [k, b, a];
  })();
  await writeTable(at('k.parquet'), { columns, records });
  expect(await train('k.csv', 'k.model', '--label', 'k')).toMatchObject({ code: 0 });
});

test('evaluate and calibrate take it from tables of any format; options take precedence', async () => {
  expect(await savedIn('k.model')).toBe('k');
  for (const table of ['k.csv', 'k.parquet']) {
    const { accuracy, stderr } = await evaluated('k.model', table);
    expect(accuracy).toBe(1);
    expect(stderr).toContain(`${table}: the labels are in "k", as they were in training\n`);
  }
  expect((await evaluated('k.model', 'other.csv', '--label', 'wrong')).accuracy).toBe(0);
  expect((await evaluated('k.model', 'k.csv', '--labels', 'labels.csv')).accuracy).toBe(1);
  const calibrated = await run(
    ...['calibrate', '--model', 'k.model', '--data', 'k.csv', '--output', 'c.model'],
  );
  expect(calibrated).toMatchObject({ code: 0 });
  expect(await savedIn('c.model')).toBe('k');
});

test('a table without it, and one without names, ask for the labels', async () => {
  for (const [data, ...args] of [['none.csv'], ['nameless.csv'], ['k.csv', '--no-header']] as const) {
    const { code, stderr } = await run('evaluate', '--model', 'k.model', '--data', data, ...args);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/^softshard: labels are missing.*--label/m);
  }
});

test('sweep saves it; an index, labels in another file and former versions leave none', async () => {
  const sweep = ['sweep', '--data', 'k.csv', '--label', 'k', '--C', '1,10', '--cv', '2', '--scale', 'none'];
  expect(await run(...sweep, '--output', 's.model')).toMatchObject({ code: 0 });
  expect(await savedIn('s.model')).toBe('k');
  const others: [string, string, ...string[]][] = [
    ['k.csv', 'i.model', '--label', '-1'],
    ['none.csv', 'l.model', '--labels', 'two.csv', '--label', 'k'],
  ];
  for (const args of others) {
    write(
      'two.csv',
      csv('k,z', [
        ['x', 1],
        ['y', 2],
      ]),
    );
    expect(await train(...args)).toMatchObject({ code: 0 });
    expect(await savedIn(args[1])).toBeUndefined();
    const { code, stderr } = await run('evaluate', '--model', args[1], '--data', 'k.csv');
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/labels are missing: give --labels, or --label/);
  }
});

test('predict takes it for no feature, also where columns go by place', async () => {
  write(
    'same.csv',
    csv(
      'a,a,n',
      ROWS.map(([a, b, k]) => [a, b, k === 'x' ? 0 : 1]),
    ),
  );
  write(
    'same-none.csv',
    csv('a,a', [
      [0, 3],
      [3, 0],
    ]),
  );
  expect(await train('same.csv', 'same.model', '--label', 'n')).toMatchObject({ code: 0 });
  for (const [model, data] of [
    ['k.model', 'k.csv'],
    ['k.model', 'none.csv'],
    ['same.model', 'same.csv'],
    ['same.model', 'same-none.csv'],
  ] as const) {
    const { code, stdout, stderr } = await run('predict', '--model', model, '--data', data);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/^0,0,/),
      expect.stringMatching(/^1,1,/),
    ]);
  }
});

test('predict leaves it out where names count 0, 1, … on either side; a column of features stays one', async () => {
  const numeric = ROWS.map(([a, b, k]) => [a, b, k === 'x' ? 0 : 1]);
  write('counted.csv', csv('0,1,n', numeric));
  write('named.csv', csv('a,b,n', numeric));
  write(
    'twice.csv',
    csv(
      'n,0,1,n',
      numeric.map(([a, b, n]) => [n, a, b, n]),
    ),
  );
  expect(await train('counted.csv', 'counted.model', '--label', 'n')).toMatchObject({ code: 0 });
  expect(await train('named.csv', 'named.model', '--label', 'n')).toMatchObject({ code: 0 });
  expect(await train('named.csv', 'leak.model', '--label', 'n', '--features', 'b,n')).toMatchObject({
    code: 0,
  });
  for (const [model, data] of [
    ['counted.model', 'named.csv'],
    ['counted.model', 'counted.csv'],
    ['counted.model', 'twice.csv'],
    ['named.model', 'counted.csv'],
    ['leak.model', 'named.csv'],
  ] as const) {
    const { code, stdout, stderr } = await run('predict', '--model', model, '--data', data);
    expect(code, `${model} ${data}: ${stderr}`).toBe(0);
    expect(stdout.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/^0,0,/),
      expect.stringMatching(/^1,1,/),
    ]);
  }
});

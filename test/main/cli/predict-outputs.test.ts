// softshard predict: the same predictions in every format, with ids, logits and the most probable classes.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fixture as denseFixture } from '../data/dense-fixtures.js';
import { fixture as tableFixture } from '../data/table/fixtures.js';
import { readArray } from './npy-workbench.js';
import { SOFTSHARD, softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const ROWS = 40;
const names = ['ant', 'bee', 'cat'];
const inputs = Float32Array.from({ length: 2 * ROWS }, (_, i) => Math.fround(Math.sin(i * 1.7) * 3));
let logits: Float32Array;
let probabilities: Float32Array;
let predictions: Int32Array;

beforeAll(async () => {
  await using engine = await Engine.create({ threads: 1 });
  const options = { features: 2, classes: 3, classNames: names, featureNames: ['width', 'height'] };
  const classifier = new SoftmaxClassifier(engine, options);
  classifier.weights.set([1, -1, 0.5, 0.25, 1, -0.5]);
  await classifier.save(at('m.safetensors'));
  logits = (await classifier.predictLogits(inputs)).data;
  probabilities = (await classifier.predictProbabilities(inputs)).data;
  predictions = await classifier.predict(inputs);
  // The columns in another order, and the id between them.
  const lines = Array.from({ length: ROWS }, (_, row) => `${inputs[2 * row + 1]},0${row},${inputs[2 * row]}`);
  writeFileSync(at('x.csv'), `height,name,width\n${lines.join('\n')}\n`);
});

async function predict(...flags: string[]): Promise<string> {
  const args = ['predict', '--model', 'm.safetensors', '--data', 'x.csv', '--quiet', '--threads', '1'];
  const { code, stdout, stderr } = await softshard([...args, ...flags], { cwd: folder });
  expect(code, stderr).toBe(0);
  return stdout;
}

const ID = ['--id-column', 'name'];
const rowsOf = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/[,\t]/));
const ofRow = (values: Float32Array, row: number): number[] => [...values.subarray(3 * row, 3 * row + 3)];
const asFloats = (cells: readonly (string | number)[]): number[] =>
  cells.map((cell) => Math.fround(Number(cell)));

test('CSV has the id in the place of the row, then all that is asked for, to the last bit', async () => {
  const [header, ...rows] = rowsOf(await predict(...ID, '--probabilities', '--logits'));
  // The column is called name, and so is another: then it is id.
  expect(header!.join()).toBe(
    'id,class,name,probability,p(ant),p(bee),p(cat),logit(ant),logit(bee),logit(cat)',
  );
  expect(rows.length).toBe(ROWS);
  for (const [row, cells] of rows.entries()) {
    const predicted = predictions[row]!;
    expect(cells.slice(0, 3)).toEqual([`0${row}`, `${predicted}`, names[predicted]]);
    expect(asFloats(cells.slice(3))).toEqual([
      probabilities[3 * row + predicted],
      ...ofRow(probabilities, row),
      ...ofRow(logits, row),
    ]);
  }
});

test('every format says the same, by the name of the file or by --format', async () => {
  const csv = await predict('--probabilities');
  for (const [name, flags] of [
    ['a.csv', []],
    ['a.csv.gz', []],
    ['a.out', ['--format', 'csv']],
  ] as const) {
    await predict('--probabilities', '--output', at(name), ...flags);
    const content = readFileSync(at(name));
    expect((name.endsWith('.gz') ? gunzipSync(content) : content).toString()).toBe(csv);
  }
  expect((await predict('--probabilities', '--format', 'tsv')).replaceAll('\t', ',')).toBe(csv);
  await predict('--probabilities', '--output', at('a.parquet'));
  const { buffer, byteOffset, byteLength } = readFileSync(at('a.parquet'));
  const objects = await parquetReadObjects({
    file: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer,
  });
  const [header, ...rows] = rowsOf(csv);
  expect(objects.map((object) => Object.keys(object))[0]).toEqual(header);
  expect(objects.map(({ row, class: index, name }) => [`${row}`, `${index}`, name])).toEqual(
    rows.map((cells) => cells.slice(0, 3)),
  );
  expect(objects.flatMap((object) => names.map((name) => object[`p(${name})`]))).toEqual([...probabilities]);
});

test('JSON lines have an object a row, with values by the names of the classes', async () => {
  const lines = (await predict(...ID, '--probabilities', '--logits', '--format', 'jsonl'))
    .trimEnd()
    .split('\n');
  expect(lines.length).toBe(ROWS);
  const { probabilities: ofClasses, logits: ofLogits, ...rest } = JSON.parse(lines[7]!);
  expect(rest).toMatchObject({ id: '07', class: predictions[7], name: names[predictions[7]!] });
  expect([Object.keys(ofClasses), asFloats(Object.values(ofClasses))]).toEqual([
    names,
    ofRow(probabilities, 7),
  ]);
  expect(asFloats(Object.values(ofLogits))).toEqual(ofRow(logits, 7));
  const [first] = (await predict('--top-k', '2', '--format', 'jsonl')).split('\n');
  const { row, top } = JSON.parse(first!);
  expect([row, top.length, top[0].class]).toEqual([0, 2, predictions[0]]);
  expect(top[0].probability).toBeGreaterThan(top[1].probability);
});

test('.npy holds the logits, and standard output takes it', async () => {
  await predict('--logits', '--output', at('l.npy'));
  expect(readArray(at('l.npy'))).toEqual({ descr: '<f4', dims: [ROWS, 3], values: [...logits] });
  const words = [
    'predict',
    '--model',
    'm.safetensors',
    '--data',
    'x.csv',
    '--logits',
    '--format',
    'npy',
    '--quiet',
  ];
  const piped = execFileSync(process.execPath, [SOFTSHARD, ...words], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(piped.equals(readFileSync(at('l.npy')))).toBe(true);
});

test('an id column leaves the features out of train, evaluate and predict alike, by index too', async () => {
  const lines = Array.from(
    { length: 30 },
    (_, row) => `r${row},${row % 2},${Math.sin(row)},${row % 2 ? 'a' : 'b'}`,
  );
  writeFileSync(at('t.csv'), `key,u,v,kind\n${lines.join('\n')}\n`);
  const files = ['--data', 't.csv', '--label-column', 'kind', '--id-column', '0', '--quiet'];
  const run = (args: string[]) => softshard([...args, ...files], { cwd: folder });
  const trained = await run(['train', '--C', '1', '--output', 't.model', '--json']);
  expect(JSON.parse(trained.stdout)).toMatchObject({ features: 2, accuracy: 1 });
  expect(JSON.parse((await run(['evaluate', '--model', 't.model', '--json'])).stdout)).toMatchObject({
    accuracy: 1,
  });
  const { stdout, stderr } = await run(['predict', '--model', 't.model']);
  expect(stderr).toBe('');
  expect(
    rowsOf(stdout)
      .slice(0, 2)
      .map(([key]) => key),
  ).toEqual(['key', 'r0']);
});

test('an id column of Parquet or JSON Lines goes through predict, and in JSON under its name', async () => {
  const parts = ['--data', tableFixture('list.parquet'), '--quiet', '--threads', '1'];
  const train = [
    'train',
    ...parts,
    '--label',
    'genre',
    '--id-column',
    'code',
    '--C',
    '1',
    '--output',
    'v.model',
  ];
  expect((await softshard(train, { cwd: folder })).code).toBe(0);
  for (const name of ['list.parquet', 'list.jsonl', 'list.arrow']) {
    const args = ['predict', '--model', 'v.model', '--data', tableFixture(name), '--id-column', 'code'];
    const { stdout, stderr } = await softshard([...args, '--format', 'jsonl', '--quiet'], { cwd: folder });
    expect(stderr).toBe('');
    const rows = stdout.trim().split('\n');
    expect(rows).toHaveLength(60);
    expect(JSON.parse(rows[0]!)).toMatchObject({ code: '10' });
  }
});

test('an option that the file of rows and labels does not take is refused, not passed over', async () => {
  const run = (...args: string[]) => softshard(['train', '--output', 'none', ...args], { cwd: folder });
  for (const data of ['one-based.svm', 'X-y.npz', 'X-y.safetensors']) {
    const { code, stderr } = await run('--data', denseFixture(data), '--id-column', '0');
    expect(stderr).toMatch(/^softshard: --id-column is for Parquet, Arrow, JSON Lines or CSV, and /);
    expect(code).toBe(2);
  }
  const { code, stderr } = await run('--data', denseFixture('one-based.svm'), '--features', '1,2');
  expect(stderr).toMatch(/^softshard: --features is for .*one-based\.svm is SVMlight/);
  expect(code).toBe(2);
});

test.each([
  [['--format', 'npy', '--top-k', '2'], /^softshard: --top-k is for tables/],
  [['--output', 'a.npy', ...ID], /^softshard: --id-column is for tables/],
  [
    ['--output', 'a.npy', '--logits', '--probabilities'],
    /^softshard: --probabilities and --logits are two arrays/,
  ],
  [['--top-k', '2', '--logits'], /^softshard: --top-k and --logits do not go together/],
  [['--format', 'xls'], /'--format <kind>' argument 'xls' is invalid.*csv, tsv, jsonl, npy, parquet/],
  [
    ['--id-column', 'nme'],
    /ERR_OPTION: --id-column: expected a column of x\.csv, got "nme" \(did you mean "name"\?\)\. Its columns are "height"/,
  ],
])('%j is wrong usage', async (flags, message) => {
  const args = ['predict', '--model', 'm.safetensors', '--data', 'x.csv', '--quiet', ...flags];
  const { code, stdout, stderr } = await softshard(args, { cwd: folder });
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test.skipIf(process.platform === 'win32')('a pipe gets what --format says, and stays a pipe', async () => {
  for (const format of ['csv', 'jsonl', 'parquet', 'npy']) {
    const [pipe, file] = [at(`pipe-${format}`), at(`file-${format}`)];
    execFileSync('mkfifo', [pipe]);
    const reading = readFile(pipe);
    await predict('--probabilities', '--format', format, '--output', pipe);
    await predict('--probabilities', '--format', format, '--output', file);
    expect((await reading).equals(readFileSync(file)), format).toBe(true);
    expect(statSync(pipe).isFIFO()).toBe(true);
  }
});

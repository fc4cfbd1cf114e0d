// softmaxOfFile: as .npy in the type of the input, and as tables with a record for each row.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, openNpy, softmaxOfFile } from '#softshard/main/index.js';
import { randomNumbers, writeArray } from '../cli/npy-workbench.js';
import { temporaryFolder } from '../cli/workbench.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const dims = [300, 4, 3];
const logits = randomNumbers(3600, 4);
let engine: Engine;
let input: string;
/** Rows in the order of dims [300, 3], four probabilities each. */
let rows: number[][];

beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
  input = writeArray(folder, 'in.npy', '<f4', dims, logits);
  const { data } = await engine.softmax({ type: 'float32', dims, data: logits }, { axis: 1 });
  rows = Array.from({ length: 900 }, (_, row) =>
    [0, 1, 2, 3].map((index) => data[Math.floor(row / 3) * 12 + index * 3 + (row % 3)]!),
  );
});

afterAll(() => engine.close());

test.each([undefined, 1])(
  'tables have the bits of the softmax, in the order of the rows (parts of %s bytes)',
  async (partBytes) => {
    const call = { input, axis: 1, partBytes };
    const about = await softmaxOfFile(engine, { ...call, output: at('p.csv') });
    expect(about).toMatchObject({ rows: 900, classes: 4, dims, axis: 1, type: 'float32' });
    const [header, ...lines] = readFileSync(at('p.csv'), 'utf8').trimEnd().split('\n');
    expect(header).toBe('row,p(0),p(1),p(2),p(3)');
    expect(
      lines.map((line) =>
        line
          .split(',')
          .slice(1)
          .map((cell) => Math.fround(Number(cell))),
      ),
    ).toEqual(rows);
    await softmaxOfFile(engine, { ...call, output: at('p.parquet') });
    const { buffer, byteOffset, byteLength } = readFileSync(at('p.parquet'));
    const objects = await parquetReadObjects({
      file: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer,
    });
    expect(objects.map((object) => [0, 1, 2, 3].map((index) => object[`p(${index})`]))).toEqual(rows);
  },
);

test('JSON lines have a list a row, of logarithms where they are wanted', async () => {
  await softmaxOfFile(engine, { input, axis: 1, log: true, output: at('out'), format: 'jsonl' });
  const lines = readFileSync(at('out'), 'utf8').trimEnd().split('\n');
  const { row, logProbabilities } = JSON.parse(lines[899]!);
  expect([lines.length, row, logProbabilities.length]).toEqual([900, 899, 4]);
  for (const [index, value] of logProbabilities.entries())
    expect(value).toBeCloseTo(Math.log(rows[899]![index]!), 5);
});

test('float16 stays float16, with the bits of the engine’s', async () => {
  const data = Uint16Array.of(0x3c00, 0x4000, 0x4200, 0xbc00, 0, 0x3800);
  const path = writeArray(folder, 'half.npy', '<f2', [2, 3], data);
  await softmaxOfFile(engine, { input: path, output: at('half-out.npy') });
  const file = await openNpy(at('half-out.npy'));
  const want = await engine.softmax({ type: 'float16', dims: [2, 3], data });
  expect([file.type, await file.readElements(0, 6)]).toEqual(['float16', want.data]);
  await file.close();
  await softmaxOfFile(engine, { input: path, output: at('half.csv') });
  const [, first] = readFileSync(at('half.csv'), 'utf8').split('\n');
  const [, ...values] = first!.split(',').map(Number);
  expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 3);
});

test('memory of the engine is as before', async () => {
  const before = engine.memoryUsage().usedBytes;
  for (const output of [at('a.npy'), at('a.csv')]) await softmaxOfFile(engine, { input, output });
  expect(engine.memoryUsage().usedBytes).toBe(before);
});

test.each([
  [{ format: 'xls' }, /^options\.format is 'xls'/],
  [{ axis: 3 }, /^options\.axis is 3: .*in\.npy has the dims/],
  [{ outptu: 'x' }, /no option 'outptu' \(did you mean output\?\)/],
  [{ input: 1 }, /^path is 1/],
])('refuses %j', async (options, message) => {
  const call = { input, output: at('b.npy'), ...(options as object) };
  await expect(softmaxOfFile(engine, call)).rejects.toThrow(message);
});

test.skipIf(process.platform === 'win32')(
  'pipes and devices are written to, and stay what they are',
  async () => {
    for (const name of ['pipe.npy', 'pipe.csv', 'pipe.parquet']) {
      execFileSync('mkfifo', [at(name)]);
      const reading = readFile(at(name));
      await softmaxOfFile(engine, { input, axis: 1, output: at(name) });
      await softmaxOfFile(engine, { input, axis: 1, output: at(`file-${name}`) });
      expect((await reading).equals(readFileSync(at(`file-${name}`))), name).toBe(true);
      expect(statSync(at(name)).isFIFO()).toBe(true);
    }
    await softmaxOfFile(engine, { input, output: '/dev/null' });
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  },
);

// Every format of input, however it comes, gives the model that .npy with a label file gives, to the bit.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { readModelFile } from '#softshard/main/index.js';
import {
  FORMATS,
  type LabeledRows,
  type NumberType,
  npyLabels,
  type TestFormat,
  writeAs,
} from './format-files.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string) => join(folder, name);

const ROWS = 24;
const SPLIT = 10;
const WORDS = ['rock', 'jazz', 'folk'] as const;
const classOf = (row: number) => (row * 7 + (row >> 2)) % 3;
const values = Array.from({ length: ROWS }, (_, row) =>
  Array.from(
    { length: 4 },
    (_, at) => (((row * 37 + at * 11) % 32) - 16) / 8 + (at === classOf(row) ? 1 : 0) || 0.125,
  ),
);
const LABELED = {
  numeric: { values, labels: values.map((_, row) => classOf(row)) },
  text: { values, labels: values.map((_, row) => WORDS[classOf(row)]!) },
};

const partOf = ({ values, labels }: LabeledRows, begin: number, end: number): LabeledRows => ({
  values: values.slice(begin, end),
  labels: labels.slice(begin, end),
});

let files = 0;

type LabelKind = keyof typeof LABELED;

async function trained(args: readonly string[], out = inFolder(`${files++}.model`)) {
  const options = ['--output', out, '--epochs', '2', '--learning-rate', '0.5', '--threads', '1', '--quiet'];
  const { code, stderr } = await softshard(['train', ...options, ...args], { cwd: folder });
  expect(code, stderr).toBe(0);
  const { weights, bias, classNames, features } = await readModelFile(out);
  return { weights, bias, features, classNames: classNames ?? ['0', '1', '2'] };
}

function labelArgs(format: TestFormat, labels: LabelKind): readonly string[] {
  return format.labels === 'own file' ? ['--labels', `${labels}.npy`] : format.labels;
}

const expectedOf: { [labels in LabelKind]?: Awaited<ReturnType<typeof trained>> } = {};

beforeAll(async () => {
  for (const labels of ['numeric', 'text'] as const) {
    writeFileSync(inFolder(`${labels}.npy`), npyLabels(LABELED[labels]));
    await writeAs(FORMATS.npy!, inFolder('X.npy'), LABELED[labels], 'float32');
    expectedOf[labels] = await trained(
      ['--data', 'X.npy', '--labels', `${labels}.npy`],
      inFolder(`${labels}.model`),
    );
  }
});

const CASES = Object.entries(FORMATS).flatMap(([name, format]) =>
  (['numeric', 'text'] as const)
    .filter((labels) => labels === 'numeric' || !format.numbersOnly)
    .map((labels) => [name, labels, format] as const),
);

async function fileOf(format: TestFormat, labels: LabelKind, type: NumberType = 'float32'): Promise<string> {
  const path = inFolder(`rows${files++}${format.end}`);
  await writeAs(format, path, LABELED[labels], type);
  return path;
}

describe.each(CASES)('%s with %s labels gives the bits of .npy', (_, labels, format) => {
  const expectSame = async (data: string) =>
    expect(await trained(['--data', data, ...labelArgs(format, labels)])).toEqual(expectedOf[labels]);

  test.each(format.types)('as a file of %s', async (type) => {
    await expectSame(await fileOf(format, labels, type));
  });

  test.skipIf(format.isPacked)('compressed by gzip', async () => {
    const path = await fileOf(format, labels);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    await expectSame(`${path}.gz`);
  });

  test('as standard input', async () => {
    const bytes = readFileSync(await fileOf(format, labels));
    const stdin = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([bytes]) as never);
    try {
      await expectSame('-');
    } finally {
      stdin.mockRestore();
    }
  });

  test('as two files, by their folder or a pattern', async () => {
    const parts = inFolder(`parts${files++}`);
    mkdirSync(parts);
    await writeAs(format, join(parts, `a${format.end}`), partOf(LABELED[labels], 0, SPLIT), 'float32');
    await writeAs(format, join(parts, `b${format.end}`), partOf(LABELED[labels], SPLIT, ROWS), 'float32');
    await expectSame(labels === 'text' ? parts : join(parts, `?${format.end}`));
  });

  test.runIf(labels === 'text' || format.numbersOnly)('to predict', async () => {
    const model = ['predict', '--model', 'text.model', '--threads', '1', '--data'];
    const [ofNpy, ofFile] = [await fileOf(FORMATS.npy!, labels), await fileOf(format, labels)];
    const [expected, found] = [
      await softshard([...model, ofNpy], { cwd: folder }),
      await softshard([...model, ofFile, ...(format.labels === 'own file' ? [] : format.labels)], {
        cwd: folder,
      }),
    ];
    expect(found.code, found.stderr).toBe(0);
    expect(found.stdout).toBe(expected.stdout);
  });
});

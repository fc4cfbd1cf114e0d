import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { idxHeader, type Slice, softshard, temporaryFolder, writeSlice } from './workbench.js';

const folder = temporaryFolder();
// Not the name that train takes by itself: it would refuse to replace it.
const model = join(folder, 'trained.safetensors');
const table = join(folder, 'table.csv');
let slice: Slice;

beforeAll(async () => {
  slice = writeSlice(folder, 'slice', 0, 200);
  writeFileSync(table, 'a,b,kind\n1,2,x\n3,4,y\n');
  writeFileSync(join(folder, 'too-many.txt'), '0\n1\n2\n');
  writeFileSync(join(folder, 'names.txt'), 'T-shirt\nTrouser\n');
  writeFileSync(join(folder, 'doubled.txt'), 'a\nb\na\n');
  writeFileSync(join(folder, 'letters.csv'), 'a,b,kind\n1,2,x\n3,four,y\n');
  writeFileSync(join(folder, 'one-class.idx'), Buffer.concat([idxHeader([200]), Buffer.alloc(200)]));
  writeFileSync(join(folder, 'high.idx'), Buffer.concat([idxHeader([200]), Buffer.alloc(200, 12)]));
  writeFileSync(join(folder, 'cut.idx'), readFileSync(slice.images).subarray(0, 5000));
  // IDX of int32: the same header with another element type.
  const int32Labels = (first: number): Buffer => {
    const bytes = Buffer.concat([idxHeader([200]), Buffer.alloc(800)]);
    bytes[2] = 0x0c;
    bytes.writeInt32BE(first, 8);
    return bytes;
  };
  writeFileSync(join(folder, 'negative.idx'), int32Labels(-100));
  mkdirSync(join(folder, 'a-folder'));
  const { code, stderr } = await softshard([...trainArgs(), '--epochs', '1', '--output', model]);
  expect(code, stderr).toBe(0);
});

const trainArgs = (): string[] => ['train', '--data', slice.images, '--labels', slice.labels];
const modelArgs = (command: string): string[] => [command, '--model', model, '--data', slice.images];
const inFolder = (name: string): string => join(folder, name);

type Case = readonly [title: string, args: () => string[], message: RegExp];

async function expectFailure(args: string[], code: number, message: RegExp): Promise<void> {
  const result = await softshard(args, { cwd: folder });
  expect(result.stderr).toMatch(message);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
  expect(result.stderr).not.toMatch(/^ +at /m);
}

describe('wrong usage exits with 2 and names the option', () => {
  const cases: Case[] = [
    ['an unknown option', () => [...trainArgs(), '--epoch', '3'], /^softshard: unknown option '--epoch'/],
    ['an unknown command', () => ['trian'], /^softshard: unknown command 'trian'/],
    ['no data', () => ['train'], /^softshard: required option '--data <file>' not specified/],
    ['no labels', () => ['train', '--data', slice.images], /^softshard: labels are missing: give --labels/],
    [
      'a batch size of 0',
      () => [...trainArgs(), '--batch-size', '0'],
      /'--batch-size <rows>' argument '0' is invalid/,
    ],
    [
      'half an epoch',
      () => [...trainArgs(), '--epochs', '1.5'],
      /'--epochs <count>' argument '1.5' is invalid/,
    ],
    ['no epochs', () => [...trainArgs(), '--epochs', ''], /'--epochs <count>' argument '' is invalid/],
    [
      'a rate of zero',
      () => [...trainArgs(), '--learning-rate', '0'],
      /'--learning-rate <rate>' argument '0' is invalid/,
    ],
    [
      'a rate in words',
      () => [...trainArgs(), '--learning-rate', 'fast'],
      /'--learning-rate <rate>' argument 'fast'/,
    ],
    ['a momentum of 1', () => [...trainArgs(), '--momentum', '1'], /'--momentum <fraction>' .*less than 1/],
    [
      'a split of 1',
      () => [...trainArgs(), '--validation-split', '1'],
      /'--validation-split <fraction>' .*less than 1/,
    ],
    ['1025 threads', () => [...trainArgs(), '--threads', '1025'], /'--threads <count>' .*from 1 to 1024/],
    [
      'other numerics',
      () => [...trainArgs(), '--numerics', 'exact'],
      /'--numerics <build>' .*portable, fast/,
    ],
    ['Nesterov alone', () => [...trainArgs(), '--nesterov'], /^softshard: --nesterov needs a momentum/],
    [
      'a forgotten value',
      () => [...trainArgs(), '--output', '--json'],
      /'--output <file>' argument '--json' is invalid/,
    ],
    [
      'two kinds of validation',
      () => [...trainArgs(), '--validation-split', '0.2', '--validation-data', slice.images],
      /'--validation-split <fraction>' cannot be used with option '--validation-data <file>'/,
    ],
    [
      'validation labels alone',
      () => [...trainArgs(), '--validation-labels', slice.labels],
      /^softshard: --validation-labels needs --validation-data/,
    ],
    [
      'a label column of images',
      () => ['train', '--data', slice.images, '--label-column', '0'],
      /^softshard: --label is for \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV, and .*slice-images\.idx is IDX: give the labels with --labels/,
    ],
    [
      'a label column beside labels that have none',
      () => [...trainArgs(), '--label-column', 'kind'],
      /^softshard: --label is for \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV, and .*slice-labels\.idx is IDX: leave it out, or name a \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV file/,
    ],
    [
      'feature columns of images',
      () => [...trainArgs(), '--feature-columns', '0,1'],
      /^softshard: --features is for \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV, and .*slice-images\.idx is IDX/,
    ],
    [
      'feature columns of images to predict',
      () => ['predict', '--model', model, '--data', slice.images, '--feature-columns', '0,1'],
      /^softshard: --features is for \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV, and .*slice-images\.idx is IDX/,
    ],
    [
      'a column that is not there',
      () => ['train', '--data', table, '--label-column', 'sort'],
      /^softshard: ERR_OPTION: --label: expected a column of .*table\.csv, got "sort".*"kind"/,
    ],
    [
      '11 best of 10',
      () => [...modelArgs('predict'), '--top-k', '11'],
      /^softshard: --top-k is 11, but .* has 10 classes/,
    ],
    [
      'another output',
      () => [...modelArgs('predict'), '--output', 'x.txt'],
      /^softshard: --output is x\.txt: .*\.csv, \.jsonl, \.npy, \.parquet or \.tsv/,
    ],
    ['JSON beside CSV', () => [...modelArgs('predict'), '--json'], /^softshard: --json needs --output/],
    ['evaluating without labels', () => modelArgs('evaluate'), /^softshard: labels are missing/],
    ['a surplus argument', () => ['info', 'more'], /^softshard: too many arguments for 'info'/],
  ];
  test.each(cases)('%s', (_, args, message) => expectFailure(args(), 2, message));

  test('no command at all prints the help on standard error', async () => {
    await expectFailure(
      [],
      2,
      /^Usage: softshard .*train .*evaluate .*predict .*loss .*softmax .*info .*demo /s,
    );
  });
});

describe('what cannot work exits with 1, a code and the file', () => {
  const cases: Case[] = [
    [
      'missing data',
      () => ['train', '--data', 'none.idx', '--labels', slice.labels],
      /^softshard: ERR_FILE: --data none\.idx: there is no such file in \//,
    ],
    [
      'missing validation labels, before the data are read',
      () => [...trainArgs(), '--validation-data', slice.images, '--validation-labels', 'none.idx'],
      /^softshard: ERR_FILE: --validation-labels none\.idx: there is no such file/,
    ],
    [
      'fewer labels than rows',
      () => ['train', '--data', slice.images, '--labels', inFolder('too-many.txt')],
      /^softshard: ERR_SHAPE: .*too-many\.txt has 3 labels for the 200 rows of .*slice-images\.idx/,
    ],
    [
      'images for labels',
      () => ['train', '--data', slice.images, '--labels', slice.images],
      /^softshard: ERR_FORMAT: .*slice-images\.idx: expected labels, one a row/,
    ],
    [
      'more classes than class names',
      () => [...trainArgs(), '--class-names', inFolder('names.txt')],
      /^softshard: ERR_TARGET_RANGE: .*slice-labels\.idx: row 0 \(from 0\) has the label 9, .*0 to 1 \(T-shirt, Trouser\)/,
    ],
    [
      'a class name twice',
      () => [...trainArgs(), '--class-names', inFolder('doubled.txt')],
      /^softshard: ERR_FORMAT: .*doubled\.txt: line 3: "a" is on line 1 already/,
    ],
    [
      'one class',
      () => ['train', '--data', slice.images, '--labels', inFolder('one-class.idx')],
      /^softshard: ERR_FORMAT: .*one-class\.idx: expected at least two classes, found 1 class$/m,
    ],
    [
      'a label that marks rows to be ignored',
      () => ['train', '--data', slice.images, '--labels', inFolder('negative.idx')],
      /^softshard: ERR_TARGET_RANGE: .*negative\.idx: row 0 \(from 0\) has the label -100.*--ignore-index -100 leaves them out/,
    ],
    [
      'a word among numbers',
      () => ['train', '--data', inFolder('letters.csv'), '--label-column', 'kind'],
      /^softshard: ERR_FORMAT: .*letters\.csv: line 3, column 2 \("b"\): expected a number, found "four".*--exclude/,
    ],
    [
      'a file cut off',
      () => ['train', '--data', inFolder('cut.idx'), '--labels', slice.labels],
      /^softshard: ERR_FORMAT: .*cut\.idx: byte 5000 of the file: expected uint8 values of dims \[200, 28, 28\]/,
    ],
    [
      'labels outside the model’s classes',
      () => [...modelArgs('evaluate'), '--labels', inFolder('high.idx')],
      /^softshard: ERR_TARGET_RANGE: .*high\.idx: row 0 \(from 0\) has the label 12, .*10 classes 0 to 9/,
    ],
    [
      'data of other features than the model',
      () => ['predict', '--model', model, '--data', table, '--label-column', 'kind'],
      /^softshard: ERR_SHAPE: .*table\.csv has 2 features a row, .*trained\.safetensors has 784/,
    ],
    [
      'something else for a model',
      () => ['predict', '--model', slice.images, '--data', slice.images],
      /^softshard: ERR_FORMAT: .*slice-images\.idx: .*model file written by softshard/,
    ],
    [
      'an output folder that is not there, before training',
      () => [...trainArgs(), '--output', 'nowhere/model.safetensors'],
      /^softshard: ERR_FILE: nowhere\/model\.safetensors: cannot be written: ENOENT.*does the folder .*nowhere exist/,
    ],
    [
      'a folder for the output',
      () => [...trainArgs(), '--output', inFolder('a-folder')],
      /^softshard: ERR_FILE: .*a-folder: cannot be written: it is a folder: name a file$/m,
    ],
    [
      'an output below a file',
      () => [...modelArgs('predict'), '--output', join(slice.images, 'x.csv')],
      /^softshard: ERR_FILE: .*x\.csv: cannot be written: ENOTDIR/,
    ],
    [
      'an output that would replace the data',
      () => [...trainArgs(), '--output', slice.labels],
      /^softshard: ERR_FILE: .*slice-labels\.idx: would replace .*slice-labels\.idx, which is read/,
    ],
    [
      'a learning rate that diverges',
      () => [...trainArgs(), '--learning-rate', '1e38', '--scale', 'none', '--quiet'],
      /^softshard: ERR_DIVERGED: the loss of step \d+ is .*lower --learning-rate \(now 1e\+38\)/,
    ],
    [
      'a demo without its images',
      () => ['demo', '--folder', inFolder('a-folder')],
      /^softshard: ERR_FILE: .*t10k-images-idx3-ubyte\.gz is not there\. .*fetch the t10k files/,
    ],
  ];
  test.each(cases)('%s', (_, args, message) => expectFailure(args(), 1, message));
});

test('--verbose and SOFTSHARD_DEBUG show the stack and the cause', async () => {
  const args = ['info', '--model', inFolder('none')];
  for (const [more, env] of [
    [['--verbose'], {}],
    [[], { SOFTSHARD_DEBUG: '1' }],
  ] as const) {
    const { code, stderr } = await softshard([...args, ...more], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^softshard: ERR_FILE: .*\n.*SoftshardError.*\n +at .*cause/s);
  }
});

test('a failure leaves neither a model nor a temporary file', async () => {
  const out = join(folder, 'a-folder', 'model.safetensors');
  await expectFailure(
    [...trainArgs(), '--class-names', inFolder('names.txt'), '--output', out],
    1,
    /ERR_TARGET_RANGE/,
  );
  expect(readdirSync(join(folder, 'a-folder'))).toEqual([]);
});

test.each(['train', 'evaluate', 'predict', 'loss', 'softmax', 'info', 'demo'])(
  '%s --help exits with 0 and gives examples',
  async (command) => {
    const { code, stdout, stderr } = await softshard([command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(`^Usage: softshard ${command} .*\nExamples:\n  softshard ${command}`, 's'),
    );
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  },
);

test('--help without a command is no wider than 80 columns either', async () => {
  const { stdout } = await softshard(['--help']);
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

test('--version prints the version alone', async () => {
  const { code, stdout } = await softshard(['--version']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

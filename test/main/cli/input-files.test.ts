// Inputs that are no data: devices, other files, values that are no numbers.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeNpy } from '#softshard/main/index.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string) => join(folder, name);
const TRAIN = ['train', '--data', 'x.npy', '--labels', 'y.npy', '--epochs', '1', '--threads', '1'];

async function failed(args: readonly string[], code: number, message: RegExp) {
  const { stderr, ...end } = await softshard(args, { cwd: folder });
  expect(stderr).toMatch(message);
  expect(end.code).toBe(code);
}

beforeAll(async () => {
  await writeNpy(inFolder('x.npy'), { dims: [4, 2], data: Float32Array.of(3, 0, 0, 3, 3, 0, 0, 3) });
  await writeNpy(inFolder('y.npy'), { dims: [4], data: Int32Array.of(1, 0, 1, 0) });
  writeFileSync(inFolder('page.html'), '<!DOCTYPE html><html>404</html>');
  expect((await softshard([...TRAIN, '--output', 'm.model'], { cwd: folder })).code).toBe(0);
});

describe.skipIf(process.platform === 'win32')('devices', () => {
  beforeAll(() => {
    execFileSync('mkfifo', [inFolder('pipe')]);
  });

  test.each([
    ['--class-names', [...TRAIN, '--class-names']],
    ['--class-weight', [...TRAIN, '--class-weight']],
    ['--sample-weight', [...TRAIN, '--sample-weight']],
    ['--validation-data', [...TRAIN, '--validation-data']],
    ['--labels', ['train', '--data', 'x.npy', '--labels']],
    ['--data', ['predict', '--model', 'm.model', '--data']],
    ['--logits', ['loss', '--targets', 'y.npy', '--logits']],
    ['--input', ['softmax', '--output', 'out.npy', '--input']],
  ])('are refused at once by %s (R3)', async (_, args) => {
    const message =
      /^softshard: ERR_FILE: .*: is not a regular file\. Name a file, not a folder, pipe or device\.$/m;
    if (existsSync('/dev/zero')) await failed([...args, '/dev/zero'], 1, message);
  });

  test('a pipe is no model to be shown, and no BLAS (R3)', async () => {
    await failed(['info', '--model', 'pipe'], 1, /is not a regular file/);
    const { stdout } = await softshard(['info', '--blas', './pipe'], { cwd: folder });
    expect(stdout).toMatch(/BLAS +none: (\.\/pipe: it is not a regular file|the package koffi)/);
  });
});

describe('other files in place of data', () => {
  test.each([
    ['data', ['train', '--data', 'page.html', '--labels', 'y.npy']],
    ['labels', ['train', '--data', 'x.npy', '--labels', 'page.html']],
    ['class names', [...TRAIN, '--class-names', 'page.html']],
    ['a model', ['predict', '--model', 'page.html', '--data', 'x.npy']],
    ['logits', ['loss', '--logits', 'page.html', '--targets', 'y.npy']],
  ])('are told by what they are: %s (F13)', async (_, args) => {
    await failed(
      args,
      1,
      /^softshard: ERR_FORMAT: page\.html: expected .*, found a web page \(HTML\)\. .*fetch/m,
    );
  });

  test('class names of other encodings, and compressed ones, are refused', async () => {
    writeFileSync(inFolder('latin1.txt'), Buffer.from('caf\xe9\nth\xe9\n', 'latin1'));
    writeFileSync(inFolder('names.gz'), gzipSync('a\nb\n'));
    for (const names of ['latin1.txt', 'names.gz']) {
      await failed([...TRAIN, '--class-names', names], 1, /ERR_FORMAT: .*: expected UTF-8 text/);
    }
    await failed([...TRAIN, '--class-names', 'y.npy'], 1, /y\.npy: expected one name a line, found an array/);
  });
});

test('a line of 120 million cells ends with an error (R1)', async () => {
  const part = gzipSync(Buffer.alloc(1 << 20, '1,'));
  writeFileSync(inFolder('w.csv.gz'), Buffer.concat(Array.from({ length: 230 }, () => part)));
  const message = /^softshard: ERR_FORMAT: w\.csv\.gz: line 1: expected at most 4194304 cells in a record/;
  await failed(['predict', '--model', 'm.model', '--data', 'w.csv.gz'], 1, message);
  await failed(['train', '--data', 'w.csv.gz', '--labels', 'w.csv.gz'], 1, message);
});

test('a validation split that keeps no row is wrong usage (F22)', async () => {
  const message =
    /^softshard: ERR_OPTION: --validation-split is 0\.1, which keeps none of 4 rows .*take 0\.25 or more/m;
  await failed([...TRAIN, '--validation-split', '0.1'], 2, message);
  const { code } = await softshard([...TRAIN, '--validation-split', '0.25'], { cwd: folder });
  expect(code).toBe(0);
});

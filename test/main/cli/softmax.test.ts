import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { logSoftmax, mapAxis, softmax } from '#softshard/kernels/reference/index.js';
import { expectClose, product, randomNumbers, readArray, writeArray } from './npy-workbench.js';
import { softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await softshard(['softmax', ...args, '--json'], { env });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('softmax and log-softmax agree with the reference', () => {
  test.each([
    ['float32, the last axis', '<f4', [37, 11], -1, false],
    ['float64, the last axis', '<f8', [37, 11], -1, false],
    ['float32 in Fortran order, axis 1 of three', '<f4', [5, 7, 3], 1, true],
    ['float64 in Fortran order, the last axis of four', '<f8', [3, 2, 5, 4], -1, true],
    ['float64, axis 1 of four', '<f8', [3, 5, 2, 4], 1, false],
    ['float32, axis 0', '<f4', [9, 20], 0, false],
    ['big-endian float32', '>f4', [8, 5], -1, false],
    ['one dimension', '<f4', [13], -1, false],
  ] as const)('%s', async (title, descr, dims, axis, fortran) => {
    const values = randomNumbers(product(dims), 1, 10);
    const input = writeArray(folder, 'in.npy', descr, dims, values, fortran);
    const output = inFolder('out.npy');
    const tolerance = descr.endsWith('4') ? 1e-6 : 1e-14;
    const at = axis < 0 ? dims.length + axis : axis;
    for (const [more, formula] of [
      [[], softmax],
      [['--log'], logSoftmax],
    ] as const) {
      const result = await run(['--input', input, '--output', output, '--axis', String(axis), ...more]);
      const rows = product(dims) / dims[at]!;
      expect(result).toMatchObject({ rows, classes: dims[at], dims, axis: at, log: more.length > 0, output });
      const got = readArray(output);
      expect(got).toMatchObject({ descr: descr.replace('>', '<'), dims });
      expectClose(got.values, mapAxis(values, [...dims], axis, formula), tolerance, title);
    }
  });
});

describe('the bits do not depend on threads, nor on the parts in which a file is read', () => {
  test.each([
    ['float32 rows', '<f4', [9000, 10], -1, false],
    ['float32 rows in one entry of the first dimension', '<f4', [1, 9000, 10], -1, false],
    ['float64, axis 1 of three', '<f8', [40, 100, 33], 1, false],
    ['float32, Fortran order, axis 2 of three', '<f4', [50, 30, 40], 2, true],
  ] as const)('%s', async (_, descr, dims, axis, fortran) => {
    const input = writeArray(folder, 'bits.npy', descr, dims, randomNumbers(product(dims), 2), fortran);
    const contents: Buffer[] = [];
    for (const [threads, bytes] of [
      ['1', ''],
      ['2', '1'],
      ['3', '100000'],
      ['8', '20000'],
    ] as const) {
      const output = inFolder(`bits-${threads}.npy`);
      const args = ['--input', input, '--output', output, '--axis', String(axis), '--threads', threads];
      await run([...args, '--numerics', 'portable'], { SOFTSHARD_WINDOW_BYTES: bytes });
      contents.push(readFileSync(output));
    }
    for (const content of contents) expect(content.equals(contents[0]!)).toBe(true);
  });
});

test('a file of 80 MB passes in parts, with what is done told on standard error', async () => {
  const [rows, classes] = [20_000, 1000];
  const input = writeArray(
    folder,
    'large.npy',
    '<f4',
    [rows, classes],
    new Float32Array(rows * classes).map((_, i) => i % 7),
  );
  const output = inFolder('large-out.npy');
  const { code, stdout, stderr } = await softshard(['softmax', '--input', input, '--output', output]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^Wrote the softmax of 20,000 rows to .*large-out\.npy in /),
  });
  expect(stderr).toMatch(
    /^softmax of 20,000 rows of 1,000 classes \(float32, 80\.0 MB\) in [3-9] parts, \d+ threads?, /,
  );
  const content = readFileSync(output);
  const values = new Float32Array(
    new Uint8Array(content.subarray(content.length - rows * classes * 4)).buffer,
  );
  // Rows repeat every 7: each is compared with the reference of its kind.
  const kinds = Array.from({ length: 7 }, (_, kind) =>
    softmax(Float32Array.from({ length: classes }, (_, j) => (kind * classes + j) % 7)),
  );
  for (let row = 0; row < rows; row += 97) {
    const got = values.subarray(row * classes, (row + 1) * classes);
    expectClose(got, kinds[row % 7]!, 1e-6, `row ${row}`);
  }
}, 120_000);

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s exits with %d and leaves no part of the output', async (signal, exitCode) => {
  const input = writeArray(folder, 'long.npy', '<f4', [400_000, 16], new Float32Array(6_400_000));
  const outputs = inFolder(`cut-by-${signal}`);
  mkdirSync(outputs);
  let sent = false;
  const { code, stdout, stderr } = await softshardProcess(
    ['softmax', '--input', input, '--output', join(outputs, 'out.npy')],
    {
      // Thousands of parts: some seconds of work.
      env: { SOFTSHARD_WINDOW_BYTES: '1' },
      onStderr: (text, child) => {
        if (!sent && text.includes('parts')) sent = child.kill(signal);
      },
    },
  );
  expect({ code, stdout, stderr }).toMatchObject({ code: exitCode, stdout: '' });
  expect(stderr).toMatch(new RegExp(`softshard: interrupted by ${signal}: nothing was written\n$`));
  expect(readdirSync(outputs)).toEqual([]);
});

describe('wrong input', () => {
  const input = (): string => writeArray(folder, 'fine.npy', '<f4', [2, 3], [1, 2, 3, 4, 5, 6]);
  const out = inFolder('never.npy');
  type Case = readonly [string, () => string[], number, RegExp];
  const cases: Case[] = [
    [
      'no output',
      () => ['--input', input()],
      2,
      /^softshard: required option '--output <file>' not specified/,
    ],
    [
      'an axis in words',
      () => ['--input', input(), '--output', out, '--axis', 'last'],
      2,
      /'--axis <dimension>'/,
    ],
    [
      'an axis that is not there',
      () => ['--input', input(), '--output', out, '--axis', '2'],
      2,
      /^softshard: ERR_OPTION: --axis is 2: .*fine\.npy has the dims \[2, 3\], so it must be a whole number from -2 to 1$/m,
    ],
    [
      'integers',
      () => ['--input', writeArray(folder, 'i4.npy', '<i4', [2, 2], [1, 2, 3, 4]), '--output', out],
      1,
      /^softshard: ERR_TYPE: .*i4\.npy: expected logits as float32, float64, float16 or bfloat16, found int32\. In numpy: array\.astype/,
    ],
    [
      'a file that is not there',
      () => ['--input', 'none.npy', '--output', out],
      1,
      /^softshard: ERR_FILE: --input none\.npy/,
    ],
    [
      'something else than .npy',
      () => {
        writeFileSync(inFolder('text.npy'), 'a,b,c\n1,2,3\n');
        return ['--input', inFolder('text.npy'), '--output', out];
      },
      1,
      /^softshard: ERR_FORMAT: .*text\.npy: expected a \.npy file, found text, such as CSV\./,
    ],
    [
      'a file cut off',
      () => {
        writeFileSync(inFolder('cut.npy'), readFileSync(input()).subarray(0, -1));
        return ['--input', inFolder('cut.npy'), '--output', out];
      },
      1,
      /^softshard: ERR_FORMAT: .*cut\.npy: byte \d+ of the file: expected float32 values of dims \[2, 3\], found the end/,
    ],
    [
      'classes in the first dimension of 8 GB',
      () => {
        const path = writeArray(folder, 'wide.npy', '<f4', [1, 1], [0]);
        const header = readFileSync(path).toString('latin1').replace('(1, 1)', '(100, 20000000)');
        writeFileSync(path, Buffer.from(header, 'latin1'));
        const start = readFileSync(path);
        start.writeUInt16LE(start.length - 14, 8);
        writeFileSync(path, start);
        // Sparse: it takes no room on the disk.
        truncateSync(path, start.length - 4 + 8e9);
        return ['--input', path, '--output', out, '--axis', '0'];
      },
      1,
      /^softshard: ERR_ARENA_FULL: .*wide\.npy: float32 values of dims \[100, 20000000\] with the classes in dimension 0 cannot be computed in smaller parts than the whole, which takes 8000000000 bytes of memory.*numpy\.moveaxis\(array, 0, -1\)$/m,
    ],
    [
      'an output over the input',
      () => ['--input', input(), '--output', input()],
      1,
      /^softshard: ERR_FILE: .*fine\.npy: would replace .*fine\.npy, which is read/,
    ],
    [
      'an output folder that is not there',
      () => ['--input', input(), '--output', inFolder('nowhere/out.npy')],
      1,
      /^softshard: ERR_FILE: .*out\.npy: cannot be written: ENOENT/,
    ],
  ];
  test.each(cases)('%s', async (_, args, code, message) => {
    const result = await softshard(['softmax', ...args()], { cwd: folder });
    expect(result.stderr).toMatch(message);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' });
    expect(existsSync(out)).toBe(false);
  });

  test('a size of parts that is none', async () => {
    const result = await softshard(['softmax', '--input', input(), '--output', out], {
      env: { SOFTSHARD_WINDOW_BYTES: '64MB' },
    });
    expect(result).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/SOFTSHARD_WINDOW_BYTES is 64MB/),
    });
  });
});

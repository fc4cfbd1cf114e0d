// What train warns of on standard error, once and in the words of the command line, and the majority beside each accuracy.
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const { inputs, targets, rows, features, classes } = clusters(150, 5, 3, 15);

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(
    folder,
    'large.npy',
    '<f4',
    [rows, features],
    inputs.map((value) => 1e4 * value),
  );
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
  writeArray(
    folder,
    'prices.npy',
    '<i4',
    [rows],
    Int32Array.from(targets, (_, row) => (row * 977) % 2000),
  );
});

const OUT = inFolder('model.safetensors');
const train = (flags: string, data = 'x.npy', labels = 'y.npy') =>
  softshard([
    'train',
    '--data',
    inFolder(data),
    '--labels',
    inFolder(labels),
    '--output',
    OUT,
    ...flags.split(' '),
  ]);

const warningsIn = (stderr: string): readonly string[] => stderr.match(/^warning: .*$/gm) ?? [];

test.each<[string, string, readonly [string, RegExp][], string?, string?]>([
  ['a good fit', '--C 1', []],
  ['good steps', '--epochs 60 --batch-size 10 --validation-split 0.2', []],
  [
    'too few passes',
    '--C 1 --max-passes 2 --tol 1e-6',
    [['not-converged', /Raise --max-passes \(now 2\), .*--scale 'standard'.* a smaller --C \(now 1\)/]],
  ],
  [
    'steps that diverge',
    '--epochs 2',
    [
      [
        'loss-above-baseline',
        /lower --learning-rate, scale the features, take more --epochs, or .* --solver 'lbfgs'/,
      ],
    ],
    'large.npy',
  ],
  ['amounts', '--C 1', [['labels-like-amounts', /regression/]], 'x.npy', 'prices.npy'],
])(
  '%s: train warns once on standard error, --quiet or not, and in --json',
  async (_, flags, expected, ...files) => {
    for (const quiet of ['', ' --quiet']) {
      const { code, stdout, stderr } = await train(`${flags} --json${quiet}`, ...files);
      expect(code, stderr).toBe(0);
      const { warnings } = JSON.parse(stdout);
      expect(warnings.map(({ code: is }: { code: string }) => is)).toEqual(expected.map(([is]) => is));
      expect(warningsIn(stderr)).toEqual(
        warnings.map(({ message }: { message: string }) => `warning: ${message}`),
      );
      for (const [i, [, message]] of expected.entries()) expect(warnings[i].message).toMatch(message);
    }
  },
);

test('train and evaluate tell the share of the largest class beside each accuracy', async () => {
  const shares = /\(largest class: \d+\.\d\d %\)$/m;
  for (const flags of ['--C 1 --validation-split 0.2', '--epochs 20 --validation-split 0.2']) {
    const { stdout } = await train(flags);
    expect(stdout).toMatch(new RegExp(`^validation accuracy +\\d+\\.\\d\\d % ${shares.source}`, 'm'));
    const json = JSON.parse((await train(`${flags} --json`)).stdout);
    expect(json.majority).toBeGreaterThanOrEqual(1 / classes);
    expect(json.validationMajority).toBeGreaterThanOrEqual(1 / classes);
  }
  expect((await train('--C 1')).stdout).toMatch(
    /^training accuracy +\d+\.\d\d % \(largest class: \d+\.\d\d %\)$/m,
  );
  const args = ['evaluate', '--model', OUT, '--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
  expect((await softshard(args)).stdout).toMatch(/^accuracy .*\nlargest class +\d+\.\d\d %$/m);
  const largest = Math.max(
    ...Array.from({ length: classes }, (_, j) => targets.filter((is) => is === j).length),
  );
  expect(JSON.parse((await softshard([...args, '--json'])).stdout).majority).toBe(largest / rows);
});

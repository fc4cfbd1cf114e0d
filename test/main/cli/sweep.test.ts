// softshard sweep: grids of options, the ranked table, and the best model.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { combinationsOf, gridOption } from '#softshard/main/cli/grid.js';
import { numberBelow, pairBelow } from '#softshard/main/cli/option-values.js';
import { Engine, fitMany, SoftmaxClassifier } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters } from '../training/workbench.js';
import { writeArray } from './npy-workbench.js';
import { softshard, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const clean = clusters(150, 5, 3, 5);
const noise = randomValues(clean.inputs.length, 4, 5);
const inputs = clean.inputs.map((value, i) => value + noise[i]!);
const { targets, rows, features, classes } = clean;

beforeAll(() => {
  writeArray(folder, 'x.npy', '<f4', [rows, features], inputs);
  writeArray(folder, 'y.npy', '<i4', [rows], targets);
});

const sweepArgs = (flags: string): string[] => {
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
  return ['sweep', ...files, '--quiet', ...(flags === '' ? [] : flags.split(' '))];
};
const jsonOf = async (flags: string) => JSON.parse((await softshard([...sweepArgs(flags), '--json'])).stdout);

describe('a grid', () => {
  const gridOf = (option: Option, ...args: string[]) => {
    const command = new Command()
      .addOption(gridOption(option))
      .exitOverride()
      .configureOutput({ writeErr() {} });
    return combinationsOf(command.parse(args, { from: 'user' }).opts(), 5);
  };
  const number = new Option('--C <number>').argParser(numberBelow(Number.POSITIVE_INFINITY));

  test.each<[Option, string[], unknown[]]>([
    [number, ['--C', '0.1'], [0.1]],
    [number, ['--C', '0.1, 1,10'], [0.1, 1, 10]],
    [number, ['--C', '0.01..100'], [0.01, 0.1, 1, 10, 100]],
    [number, ['--C', '0..8'], [0, 2, 4, 6, 8]],
    [number, ['--C', '5,1..3', '--C', '7'], [5, 1, 1.31607, 1.73205, 2.27951, 3, 7]],
    [
      new Option('--b <two>').argParser(pairBelow(1)),
      ['--b', '0.9,0.99', '--b', '0.8,0.9'],
      [
        [0.9, 0.99],
        [0.8, 0.9],
      ],
    ],
    [new Option('--s <kind>').choices(['x', 'y']), ['--s', 'x,y'], ['x', 'y']],
  ])('takes values, lists, ranges and repetitions: %#', (option, args, wanted) => {
    const { combinations } = gridOf(option, ...args);
    expect(combinations.map((combination) => combination[option.attributeName()])).toEqual(wanted);
  });

  test.each<[Option, string]>([
    [number, '1,x'],
    [number, '1..x'],
    [number, '1..'],
    [number, '..2'],
    [number, '-1..2'],
    [new Option('--C <kind>').choices(['x', 'y']), 'x,z'],
    [new Option('--C <kind>').choices(['x', 'y']), 'x..y'],
  ])('refuses what is none: %#', (option, text) => {
    expect(() => gridOf(option, `--C=${text}`)).toThrow(/invalid/);
  });

  test('a range without one of its ends says what it needs', () => {
    expect(() => gridOf(number, '--C=1..')).toThrow('A range has a number at each end, not "1..".');
  });

  test('has all combinations, the first option changing slowest', () => {
    const values =
      (...of: number[]) =>
      () =>
        of;
    expect(combinationsOf({ a: values(1, 2), cv: 5, b: values(3), c: values(4, 5) }, 10)).toEqual({
      varied: ['a', 'c'],
      combinations: [
        { a: 1, b: 3, c: 4 },
        { a: 1, b: 3, c: 5 },
        { a: 2, b: 3, c: 4 },
        { a: 2, b: 3, c: 5 },
      ],
    });
  });
});

test('without options it cross-validates ten values of C, of features as they are and standardised', async () => {
  const { heads, cv, best } = await jsonOf('');
  expect(cv).toBe(5);
  const ofScale = (scale: string): number[] =>
    heads
      .flatMap(({ options }: { options: { C: number; scale: string } }) =>
        options.scale === scale ? options.C : [],
      )
      .sort((a: number, b: number) => a - b);
  expect(heads).toHaveLength(20);
  expect(ofScale('standard')).toEqual(ofScale('none'));
  expect(ofScale('none')).toEqual([
    0.0001, 0.000774264, 0.00599484, 0.0464159, 0.359381, 2.78256, 21.5443, 166.81, 1291.55, 10000,
  ]);
  expect(heads[0].head).toBe(best);
  expect(heads[0].losses).toHaveLength(5);
});

test('the figures are those of fitMany, and --output writes the best with the bits of train', async () => {
  await using engine = await Engine.create({ threads: 1 });
  const options = { features, classes, cv: 4, splitSeed: 3, path: true };
  const wanted = await fitMany(engine, inputs, targets, [{ C: 0.001 }, { C: 0.1 }, { C: 10 }], options);
  const flags = '--C 0.001,0.1,10 --cv 4 --split-seed 3';
  const got = await jsonOf(`${flags} --output ${inFolder('best.safetensors')}`);
  expect(got.best).toBe(wanted.best);
  for (const { head, losses, accuracies } of got.heads) {
    expect(losses).toEqual(wanted.heads[head]?.score?.losses);
    expect(accuracies).toEqual(wanted.heads[head]?.score?.accuracies);
  }
  const alone = inFolder('alone.safetensors');
  const { C } = got.heads[0].options;
  const files = ['--data', inFolder('x.npy'), '--labels', inFolder('y.npy')];
  await softshard(['train', ...files, '--quiet', '--C', String(C), '--output', alone]);
  const [a, b] = await Promise.all(
    [alone, inFolder('best.safetensors')].map((path) => SoftmaxClassifier.load(engine, path)),
  );
  expect(b?.weights).toEqual(a?.weights);
  expect(b?.bias).toEqual(a?.bias);
});

test('options of steps, of the loss and of scaling are axes too', async () => {
  const { heads } = await jsonOf('--learning-rate 0.01,0.1 --seed 1,2 --epochs 2 --validation-split 0.3');
  expect(heads.map(({ options }: { options: object }) => JSON.stringify(options)).sort()).toEqual(
    [
      { learningRate: 0.01, seed: 1, epochs: 2 },
      { learningRate: 0.01, seed: 2, epochs: 2 },
      { learningRate: 0.1, seed: 1, epochs: 2 },
      { learningRate: 0.1, seed: 2, epochs: 2 },
    ]
      .map((options) => JSON.stringify(options))
      .sort(),
  );
  const full = await jsonOf(
    '--C 1 --scale none,standard --class-weight balanced --label-smoothing 0,0.1 --cv 2',
  );
  expect(full.heads).toHaveLength(4);
});

test('the table has the options that differ, within 80 columns; a model that fails is named', async () => {
  const { stdout, code } = await softshard(
    sweepArgs('--learning-rate 0.1,1e38 --weight-decay 0,1e38 --momentum 0.9 --epochs 5 --cv 2'),
  );
  expect(code).toBe(0);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^ +learning rate +weight decay +loss +± error +accuracy +passes$/);
  for (const line of lines.slice(0, 5)) expect(line.length).toBeLessThanOrEqual(80);
  expect(lines[1]).toMatch(/^1 +0\.1 +0 /);
  expect(stdout).toMatch(/failed: learning rate 1e\+38, weight decay 1e\+38: .*diverged|not finite/);
});

test.each([
  ['--cv 1', /--cv/],
  ['--cv 5 --validation-split 0.2', /--cv holds rows out by itself/],
  ['--validation-split 0.2 --one-standard-error', /--one-standard-error needs/],
  ['--C 1 --epochs 3', /does not know it/],
  ['--scale auto,standard', /--scale auto is for all models/],
  ['--scale none,standard --epochs 3', /choose one/],
  ['--C 1..', /--C/],
  ['--C auto,1', /--C auto is for train/],
  ['--nesterov --epochs 3', /--nesterov needs a momentum/],
  ['--halving', /train step by step/],
  ['--learning-rate 0.1 --epochs 2,4 --halving', /--epochs one value/],
  ['--learning-rate 0.1 --schedule reduce-on-plateau --halving', /leave one out/],
])('%s is wrong usage', async (flags, message) => {
  const { stderr, code } = await softshard(sweepArgs(flags));
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('--halving drops models on the way, those that went furthest first', async () => {
  const flags =
    '--learning-rate 1e-7,0.1,1e-6,1e-5 --epochs 4 --batch-size 40 --validation-split 0.3 --halving 2';
  const { stdout } = await softshard(sweepArgs(flags));
  const lines = stdout.split('\n').slice(1, 5);
  expect(lines.map((line) => line.trim().split(/\s+/)[1])).toEqual(
    ['0.1', '1e-5', '1e-6', '1e-7'].map((text) => String(Number(text))),
  );
  expect(lines.map((line) => line.match(/\S+( \(dropped\))?$/)?.[0])).toEqual([
    '4',
    '2 (dropped)',
    '1 (dropped)',
    '1 (dropped)',
  ]);
  const { heads } = await jsonOf(flags);
  expect(heads.map(({ droppedAfter }: { droppedAfter: number | null }) => droppedAfter)).toEqual([
    null,
    2,
    1,
    1,
  ]);
});

test('of models that are left early the table has a lower bound of the loss', async () => {
  const problem = clusters(400, 60, 3, 7);
  writeArray(folder, 'many.npy', '<f4', [400, 60], problem.inputs);
  const labels = problem.targets.map((target, row) => (row % 3 === 0 ? (target + 1) % 3 : target));
  writeArray(folder, 'labels.npy', '<i4', [400], labels);
  const args = ['--data', inFolder('many.npy'), '--labels', inFolder('labels.npy'), '--quiet', '--cv', '4'];
  const { stdout } = await softshard(['sweep', ...args]);
  const { heads } = JSON.parse((await softshard(['sweep', ...args, '--json'])).stdout);
  const left = heads.filter(({ stopReason }: { stopReason: string[] }) => stopReason.includes('worse'));
  expect(left.length).toBeGreaterThan(0);
  expect(stdout.match(/ > \d/g)?.length).toBe(left.length);
  expect(stdout).toContain('--tol solves all to the end');
  expect(new Set(heads.map(({ tol }: { tol: number }) => tol))).toEqual(new Set([0.01]));
});

test('what (open) in the table means is said below it', async () => {
  const { stdout } = await softshard(sweepArgs('--C 0.1,100 --max-passes 3 --cv 2'));
  expect(stdout).toMatch(/ \d+ \(open\)$/m);
  expect(stdout).toMatch(/^\(open\): stopped before it converged \(--max-passes, --tol\)$/m);
});

test('the model of standard output comes with the table beside it', async () => {
  const { stdout, stderr } = await softshard([
    ...sweepArgs('--C 0.1,1 --cv 2 --output -').filter((arg) => arg !== '--quiet'),
  ]);
  expect(stdout.length).toBeGreaterThan(100);
  expect(stderr).toMatch(/accuracy/);
});

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  generalLoss,
  generalLossGradient,
  type LossGradientOptions,
  rowsAlongAxis,
  rowsIntoAxis,
} from '#softshard/kernels/reference/index.js';
import { type Descr, expectClose, product, randomNumbers, readArray, writeArray } from './npy-workbench.js';
import { softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);

interface Report {
  readonly [name: string]: unknown;
  readonly loss: number | null;
  readonly lossSum: number;
  readonly weightSum: number;
  readonly zLoss?: number;
  readonly losses?: number[];
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Report> {
  const { code, stdout, stderr } = await softshard(['loss', ...args, '--json'], { env });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

interface Case {
  readonly descr: Descr;
  readonly dims: readonly number[];
  readonly axis?: number;
  readonly fortran?: boolean;
  readonly soft?: boolean;
  readonly targetDescr?: Descr;
  /** One dimension for targets and sample weights. */
  readonly flat?: boolean;
  readonly flags?: readonly string[];
  readonly options?: LossGradientOptions;
  readonly weight?: boolean;
  readonly sampleWeight?: boolean;
  readonly mask?: boolean;
  readonly targets?: (row: number, classes: number) => number;
}

interface Prepared {
  readonly args: string[];
  readonly losses: string;
  readonly gradient: string;
  readonly rows: number;
  readonly classes: number;
  readonly at: number;
  /** What the reference takes: rows of classes. */
  readonly logits: Float64Array;
  readonly targets: number[] | { softTargets: Float64Array };
  readonly options: LossGradientOptions;
}

/** Writes the files of a case, and gives the arguments for the command and for the reference. */
function prepare(name: string, test: Case): Prepared {
  const { descr, dims, axis = -1, fortran = false, soft, flags = [], options = {} } = test;
  const write = (what: string, type: Descr, shape: readonly number[], values: ArrayLike<number>) =>
    writeArray(folder, `${name}-${what}.npy`, type, shape, values, fortran);
  const floats = descr === '<f8' ? '<f8' : '<f4';
  const at = axis < 0 ? dims.length + axis : axis;
  const classes = dims[at]!;
  const rows = product(dims) / classes;
  const rowDims = test.flat ? [rows] : dims.filter((_, dim) => dim !== at);
  const logits = randomNumbers(product(dims), 3, 5);
  const classOf = test.targets ?? ((row, count) => (row * 7 + 1) % count);
  const indices = Array.from({ length: rows }, (_, row) => classOf(row, classes));
  const shares = randomNumbers(product(dims), 4, 1).map(Math.abs);
  const weight = randomNumbers(classes, 5, 1).map(Math.abs);
  const sampleWeight = randomNumbers(rows, 6, 1).map(Math.abs);
  // The target's class is kept: without it the loss is infinite.
  const kept = Uint8Array.from({ length: product(dims) }, (_, i) => {
    const [row, j] = [Math.floor(i / classes), i % classes];
    return (row + j) % 4 === 1 && j !== indices[row] ? 0 : 1;
  });
  const mask = Uint8Array.from(rowsIntoAxis(kept, dims, at));
  const targets = soft
    ? write('targets', floats, dims, shares)
    : write('targets', test.targetDescr ?? '<i8', rowDims, indices);
  const [losses, gradient] = [inFolder(`${name}-losses.npy`), inFolder(`${name}-gradient.npy`)];
  const args = ['--logits', write('logits', descr, dims, logits), '--targets', targets, '--axis', `${axis}`];
  args.push('--losses', losses, '--gradient', gradient, ...flags);
  if (test.weight) args.push('--weight', write('weight', floats, [classes], weight));
  if (test.sampleWeight) args.push('--sample-weight', write('sample', floats, rowDims, sampleWeight));
  if (test.mask) args.push('--mask', write('mask', '|b1', dims, mask));
  return {
    args,
    losses,
    gradient,
    rows,
    classes,
    at,
    logits: rowsAlongAxis(logits, dims, at),
    targets: soft ? { softTargets: rowsAlongAxis(shares, dims, at) } : indices,
    options: {
      ...options,
      ...(test.weight && { weight }),
      ...(test.sampleWeight && { sampleWeight }),
      ...(test.mask && { mask: kept }),
    },
  };
}

async function expectReference(title: string, test: Case): Promise<Report> {
  const { descr, dims } = test;
  const { args, losses, gradient, rows, classes, at, ...reference } = prepare('case', test);
  const result = await run(args);
  const { logits, targets, options } = reference;
  const want = generalLoss(logits, targets, rows, classes, options);
  const { reduction = 'mean', zLoss } = options;
  const tolerance = descr.endsWith('8') ? 1e-12 : 3e-6;
  const divisor = reduction === 'sum' ? 1 : want.weightSum;
  const close = (got: number | null | undefined, value: number, what: string) =>
    expectClose([got ?? Number.NaN], [value], tolerance, `${title}: ${what}`);
  close(result.loss, want.lossSum / divisor, 'loss');
  close(result.lossSum, want.lossSum, 'lossSum');
  close(result.weightSum, want.weightSum, 'weightSum');
  if (zLoss !== undefined) close(result.zLoss, want.zLossSum / divisor, 'zLoss');
  else expect(result).not.toHaveProperty('zLoss');
  expect(result).toMatchObject({ rows, classes, dims, axis: at, reduction, files: { losses, gradient } });
  const type = descr.replace('>', '<');
  const rowDims = dims.filter((_, dim) => dim !== at);
  const gotLosses = readArray(losses);
  expect(gotLosses).toMatchObject({ descr: type, dims: rowDims });
  expectClose(gotLosses.values, want.losses, tolerance, `${title}: losses`);
  const gotGradient = readArray(gradient);
  expect(gotGradient).toMatchObject({ descr: type, dims });
  const slopes = generalLossGradient(logits, targets, rows, classes, options);
  expectClose(gotGradient.values, rowsIntoAxis(slopes, dims, at), tolerance, `${title}: gradient`);
  return result;
}

const SOME = { descr: '<f4', dims: [23, 9] } as const;

/** Some rows have this class, some this stray target. */
const withIgnored = (index: number) => (row: number, classes: number) =>
  row % 4 === 1 ? index : (row * 7 + 1) % classes;

const EVERYTHING = {
  flags: [
    ...['--label-smoothing', '0.1', '--z-loss', '0.001', '--temperature', '1.5', '--softcap', '6'],
    ...['--focal-gamma', '2', '--ignore-index', '-1'],
  ],
  options: {
    ...{ labelSmoothing: 0.1, zLoss: 0.001, temperature: 1.5, softcap: 6, focalGamma: 2, ignoreIndex: -1 },
  },
  targets: withIgnored(-1),
  weight: true,
  sampleWeight: true,
  mask: true,
} as const;

describe('losses, sums and gradients agree with the reference', () => {
  const cases: [string, Case][] = [
    ['no options', SOME],
    ['float64', { ...SOME, descr: '<f8' }],
    ['reduction sum', { ...SOME, flags: ['--reduction', 'sum'], options: { reduction: 'sum' } }],
    ['reduction none', { ...SOME, flags: ['--reduction', 'none'], options: { reduction: 'none' } }],
    ['class weights', { ...SOME, weight: true }],
    ['sample weights', { ...SOME, sampleWeight: true }],
    ['a mask', { ...SOME, mask: true }],
    ['the default ignore index', { ...SOME, targets: withIgnored(-100) }],
    [
      'a negative ignore index',
      { ...SOME, flags: ['--ignore-index', '-7'], options: { ignoreIndex: -7 }, targets: withIgnored(-7) },
    ],
    [
      'an ignore index that is a class',
      { ...SOME, flags: ['--ignore-index', '3'], options: { ignoreIndex: 3 }, targetDescr: '<u2' },
    ],
    ['label smoothing', { ...SOME, flags: ['--label-smoothing', '0.2'], options: { labelSmoothing: 0.2 } }],
    ['a soft cap', { ...SOME, flags: ['--softcap', '2.5'], options: { softcap: 2.5 } }],
    ['a z-loss', { ...SOME, flags: ['--z-loss', '1e-2'], options: { zLoss: 0.01 } }],
    ['a temperature', { ...SOME, flags: ['--temperature', '0.5'], options: { temperature: 0.5 } }],
    ['focal loss', { ...SOME, flags: ['--focal-gamma', '1.5'], options: { focalGamma: 1.5 } }],
    [
      'invalid targets ignored',
      {
        ...SOME,
        flags: ['--on-invalid-target', 'ignore'],
        options: { onInvalidTarget: 'ignore' },
        targets: withIgnored(99),
      },
    ],
    ['soft targets', { ...SOME, soft: true }],
    [
      'soft targets in float64, with weights',
      { ...SOME, descr: '<f8', soft: true, weight: true, sampleWeight: true },
    ],
    ['everything at once', { ...SOME, ...EVERYTHING }],
    [
      'everything at once in float64, Fortran order, axis 1 of three',
      { ...EVERYTHING, descr: '<f8', dims: [4, 7, 5], axis: 1, fortran: true },
    ],
    [
      'everything with soft targets, summed, axis 1 of four',
      {
        ...EVERYTHING,
        descr: '<f4',
        dims: [3, 6, 2, 4],
        axis: 1,
        soft: true,
        flags: [...EVERYTHING.flags, '--reduction', 'sum'],
        options: { ...EVERYTHING.options, reduction: 'sum' },
      },
    ],
    ['axis 0, targets in one dimension', { descr: '<f4', dims: [6, 4, 5], axis: 0, flat: true }],
    [
      'the last axis of three, Fortran order',
      { descr: '<f4', dims: [5, 4, 6], fortran: true, targetDescr: '|u1' },
    ],
    ['big-endian float64', { descr: '>f8', dims: [6, 5], targetDescr: '<u8' }],
  ];
  test.each(cases)('%s', async (title, test) => {
    await expectReference(title, test);
  });
});

describe('the bits do not depend on threads, nor on the parts in which files are read', () => {
  const cases: [string, Case][] = [
    ['float32 rows', { descr: '<f4', dims: [9000, 10], targetDescr: '<i4' }],
    [
      'float32 rows of which few are ignored',
      { descr: '<f4', dims: [9000, 10], targets: (row, classes) => (row === 8500 ? -100 : row % classes) },
    ],
    ['everything at once', { ...EVERYTHING, descr: '<f4', dims: [9000, 10] }],
    [
      'everything at once in float64, Fortran order, axis 1',
      { ...EVERYTHING, descr: '<f8', dims: [300, 20, 7], axis: 1, fortran: true },
    ],
    [
      'losses of rows and z-loss of soft targets, the last axis of three',
      {
        descr: '<f4',
        dims: [50, 30, 40],
        soft: true,
        flags: ['--reduction', 'none', '--z-loss', '0.1'],
      },
    ],
    ['axis 0, which has no parts', { descr: '<f4', dims: [100, 333], axis: 0 }],
  ];
  test.each(cases)('%s', async (_, test) => {
    const { args, losses, gradient } = prepare('bits', test);
    const results: object[] = [];
    for (const [threads, bytes] of [
      ['1', ''],
      ['2', '1'],
      ['3', '150000'],
      ['8', '20000'],
    ] as const) {
      const env = { SOFTSHARD_WINDOW_BYTES: bytes };
      const result = await run([...args, '--threads', threads, '--numerics', 'portable'], env);
      const { loss, lossSum, weightSum, zLoss } = result;
      const files = [losses, gradient].map((path) => readFileSync(path).toString('base64'));
      results.push({ loss, lossSum, weightSum, zLoss, files });
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });
});

test('a file of 72 MB passes in parts, and people get a table', async () => {
  const [rows, classes] = [18_000, 1000];
  // The same rows again and again have the mean loss of once: no power of two of them, so that parts begin at any.
  const period = 125;
  const once = randomNumbers(period * classes, 8);
  const logits = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row += period) logits.set(once, row * classes);
  const targets = Int32Array.from({ length: rows }, (_, row) => ((row % period) * 31) % classes);
  const args = [
    ...['--logits', writeArray(folder, 'large.npy', '<f4', [rows, classes], logits)],
    ...['--targets', writeArray(folder, 'large-t.npy', '<i4', [rows], targets)],
  ];
  const want = generalLoss(once, targets.subarray(0, period), period, classes);
  const { code, stdout, stderr } = await softshard(['loss', ...args]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^loss of 18,000 rows of 1,000 classes \(float32, 72\.0 MB\) in [3-9] parts, /);
  const [, loss] =
    /^loss +([\d.]+)\nstandard error +[\d.]+\nperplexity +[\d.]+ ± [\d.]+\nsum of losses +[\d.]+\nsum of weights +18000\nrows +18,000\n/.exec(
      stdout,
    ) ?? [];
  expectClose([Number(loss)], [want.mean], 2e-6, 'loss');
}, 120_000);

describe('when no row counts', () => {
  const { args } = prepare('empty', { ...SOME, targets: () => -100 });
  const gradient = inFolder('empty-gradient.npy');

  test('the mean is null in JSON, 0 with --on-empty zero, and the gradient 0 in both', async () => {
    expect(await run(args)).toMatchObject({ loss: null, lossSum: 0, weightSum: 0 });
    expect(readArray(gradient).values.every((slope) => slope === 0)).toBe(true);
    expect(await run([...args, '--on-empty', 'zero'])).toMatchObject({ loss: 0, lossSum: 0, weightSum: 0 });
    expect(readArray(gradient).values.every((slope) => slope === 0)).toBe(true);
  });

  test('nor where rows of no weight have a loss by smoothing', async () => {
    const weightless = prepare('weightless', { ...SOME, targets: () => 2 });
    const weight = Array.from({ length: weightless.classes }, (_, j) => (j === 2 ? 0 : 1));
    const flags = ['--label-smoothing', '0.1', '--weight'];
    const file = writeArray(folder, 'weightless.npy', '<f4', [weight.length], weight);
    const result = await run([...weightless.args, ...flags, file]);
    expect(result).toMatchObject({ loss: null, weightSum: 0 });
    expect(result.lossSum).toBeGreaterThan(0);
    expect(readArray(weightless.gradient).values.every((slope) => slope === 0)).toBe(true);
  });

  test('--on-empty throw fails for the whole only, not for a part', async () => {
    const { code, stderr } = await softshard(['loss', ...args, '--on-empty', 'throw', '--quiet']);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^softshard: ERR_EMPTY: all 23 rows of .*empty-logits\.npy are ignored .*--ignore-index .*--on-empty nan or zero$/m,
      ),
    });
    const partly = prepare('partly', {
      descr: '<f4',
      dims: [9000, 10],
      targets: (row, classes) => (row < 5000 ? -100 : row % classes),
    });
    const result = await run([...partly.args, '--on-empty', 'throw'], { SOFTSHARD_WINDOW_BYTES: '1' });
    expect(result.weightSum).toBe(4000);
  });
});

test('--reduction none without --losses lists the losses in JSON', async () => {
  const { args, logits, targets, rows, classes } = prepare('listed', SOME);
  const [, , , , , , , , , , ...rest] = args;
  expect(rest).toEqual([]);
  const result = await run([...args.slice(0, 6), '--reduction', 'none']);
  expectClose(result.losses!, generalLoss(logits, targets, rows, classes).losses, 3e-6, 'losses');
});

test('Ctrl-C exits with 130 and leaves no part of the outputs', async () => {
  const rows = 400_000;
  const outputs = inFolder('interrupted');
  mkdirSync(outputs);
  const args = [
    ...['--logits', writeArray(folder, 'long.npy', '<f4', [rows, 16], new Float32Array(rows * 16))],
    ...['--targets', writeArray(folder, 'long-t.npy', '|u1', [rows], new Uint8Array(rows))],
    ...['--gradient', join(outputs, 'gradient.npy'), '--losses', join(outputs, 'losses.npy')],
  ];
  let sent = false;
  const { code, stdout, stderr } = await softshardProcess(['loss', ...args], {
    env: { SOFTSHARD_WINDOW_BYTES: '1' },
    onStderr: (text, child) => {
      if (!sent && text.includes('parts')) sent = child.kill('SIGINT');
    },
  });
  expect({ code, stdout, stderr }).toMatchObject({ code: 130, stdout: '' });
  expect(stderr).toMatch(/softshard: interrupted by SIGINT: nothing was written\n$/);
  expect(readdirSync(outputs)).toEqual([]);
});

test('--zero-times-infinity nan: a share of 0 of a class at -Infinity makes the mean NaN, null in JSON', async () => {
  const logits = writeArray(folder, 'minus-infinity.npy', '<f4', [2, 2], [-Infinity, 0, 1, 2]);
  const shares = writeArray(folder, 'shares.npy', '<f4', [2, 2], [0, 1, 0.5, 0.5]);
  const lossOf = async (...flags: string[]) => {
    const args = ['loss', '--logits', logits, '--targets', shares, '--json', '--quiet', ...flags];
    return JSON.parse((await softshard(args)).stdout).loss;
  };
  expect(await lossOf()).toBeGreaterThan(0);
  expect(await lossOf('--zero-times-infinity', 'zero')).toBe(await lossOf());
  expect(await lossOf('--zero-times-infinity', 'nan')).toBeNull();
});

test('targets and sample weights may have a second dimension of 1, as those of train', async () => {
  writeArray(folder, 'column-logits.npy', '<f4', [4, 3], randomNumbers(12, 5));
  const losses = [];
  for (const dims of [[4], [4, 1]]) {
    writeArray(folder, 'column.npy', '<i4', dims, [0, 2, 1, 1]);
    writeArray(folder, 'column-weights.npy', '<f4', dims, [1, 2, 3, 4]);
    const files = ['--logits', inFolder('column-logits.npy'), '--targets', inFolder('column.npy')];
    losses.push((await run([...files, '--sample-weight', inFolder('column-weights.npy')])).loss);
  }
  expect(losses[1]).toBe(losses[0]);
});

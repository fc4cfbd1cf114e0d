// Commands on ranks that the launchers which are here start: byte for byte what one process gives.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, writeNpy } from '#softshard/main/index.js';
import { mpiLaunchers } from '../../optional.js';
import { launch, saidLines } from '../distributed/launch.js';
import { SOFTSHARD, softshard, temporaryFolder } from './workbench.js';

const ROWS = 2500;
const CLASSES = 5;
const FEATURES = 7;
const folder = temporaryFolder();
const numbers = (length: number, of: (i: number) => number) => Float32Array.from({ length }, (_, i) => of(i));

beforeAll(async () => {
  await writeNpy(join(folder, 'z.npy'), {
    dims: [ROWS, CLASSES],
    data: numbers(ROWS * CLASSES, (i) => 5 * Math.sin(i * i)),
  });
  const labels = Int32Array.from({ length: ROWS }, (_, row) => (row * row + 3) % CLASSES);
  await writeNpy(join(folder, 'y.npy'), { dims: [ROWS], data: labels });
  await writeNpy(join(folder, 'w.npy'), { dims: [ROWS], data: numbers(ROWS, (row) => 0.1 + (row % 7) / 3) });
  const inputs = numbers(ROWS * FEATURES, (i) => Math.cos(i * i));
  await writeNpy(join(folder, 'x.npy'), { dims: [ROWS, FEATURES], data: inputs });
  inputs[2000 * FEATURES + 3] = Number.NaN;
  await writeNpy(join(folder, 'nan.npy'), { dims: [ROWS, FEATURES], data: inputs });
  await using engine = await Engine.create({ threads: 1 });
  const model = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  model.weights.set(numbers(FEATURES * CLASSES, (i) => Math.sin(3 * i)));
  await model.save(join(folder, 'm.safetensors'));
});

const MODEL = ['--model', 'm.safetensors', '--quiet'];
/** Commands; OUT is a folder. Together they pass every way that results take to rank 0. */
const COMMANDS: readonly (readonly string[])[] = [
  [
    'loss',
    ...'--logits z.npy --targets y.npy --sample-weight w.npy --gradient OUT/g.npy'.split(' '),
    '--json',
  ],
  [
    ...'loss --logits z.npy --targets y.npy --reduction none --losses OUT/l.npy --z-loss 0.1 --json'.split(
      ' ',
    ),
  ],
  [...'softmax --input z.npy --output OUT/s.npy --json'.split(' ')],
  [
    'evaluate',
    ...MODEL,
    ...'--data x.npy --labels y.npy --sample-weight w.npy --ignore-index 3 --json'.split(' '),
  ],
  ['evaluate', ...MODEL, ...'--data nan.npy --labels y.npy --on-invalid-input ignore'.split(' ')],
  ['predict', ...MODEL, ...'--data x.npy --logits --format jsonl'.split(' ')],
  ['predict', ...MODEL, ...'--data x.npy --probabilities --output OUT/p.npy'.split(' ')],
];

/** What says nothing of the rows, and paths. */
const TIMES =
  /^ *"(?:threads|ranks|durationMs|rowsPerSecond|output|gradient|losses)".*\n|^(?:Wrote|time|rows\/s) .*\n/gm;

const inFolder = (args: readonly string[], out: string) => args.map((arg) => arg.replace('OUT', out));

const filesOf = (out: string) =>
  readdirSync(join(folder, out)).map((name) => [
    name,
    readFileSync(join(folder, out, name)).toString('base64'),
  ]);

/** Windows of a few rows: every rank gets some, and the last round is not full. */
const WINDOWS = { cwd: folder, env: { SOFTSHARD_WINDOW_BYTES: '8000' } };

/** What a command does in one process, done once. */
const alone = new Map<number, Promise<Awaited<ReturnType<typeof softshard>> & { readonly out: string }>>();

function oneProcess(index: number) {
  const known = alone.get(index);
  if (known !== undefined) return known;
  const out = `one-${index}`;
  mkdirSync(join(folder, out));
  const done = softshard(inFolder(COMMANDS[index]!, out), WINDOWS).then((result) => ({ ...result, out }));
  alone.set(index, done);
  return done;
}

describe.each(mpiLaunchers)('under $name', (launcher) => {
  test.each([1, 2, 3, 4])('%i ranks print and write what one process does', async (ranks) => {
    // All of them in rounds that end uneven; a few on other numbers of ranks.
    for (const [index, command] of (ranks === 3 ? COMMANDS : COMMANDS.slice(0, 2)).entries()) {
      const alone = await oneProcess(index);
      const many = `many-${launcher.command}-${ranks}-${index}`;
      mkdirSync(join(folder, many));
      const together = await launch(launcher, ranks, [SOFTSHARD, ...inFolder(command, many)], WINDOWS);
      const what = `${command.join(' ')}: ${together.stderr}`;
      expect([alone.code, together.code], what).toEqual([0, 0]);
      expect(together.stdout.replace(TIMES, ''), what).toBe(alone.stdout.replace(TIMES, ''));
      expect(filesOf(many), what).toEqual(filesOf(alone.out));
    }
  });

  test('an error is printed once, by the rank that met it, and all end with its code', async () => {
    const predict = [SOFTSHARD, 'predict', ...MODEL, '--data', 'nan.npy', '--output', 'no.csv'];
    const said = await launch(launcher, 3, predict, { cwd: folder });
    expect(said.code).toBe(1);
    expect(saidLines(said)).toEqual([
      expect.stringMatching(/^softshard: rank 2: ERR_NOT_FINITE: nan\.npy: row 2000, feature 3 is NaN/),
    ]);
    expect(readdirSync(folder)).not.toContain('no.csv');
  });

  test('wrong usage, and a command for one process, are told once', async () => {
    for (const [args, message] of [
      [['loss', '--nonsense'], /^softshard: unknown option '--nonsense'/],
      [['export', '--model', 'm.safetensors'], /^softshard: export works in one process, and .* starts 2/],
    ] as const) {
      const said = await launch(launcher, 2, [SOFTSHARD, ...args], { cwd: folder });
      expect(said.code).toBe(2);
      expect(saidLines(said)).toEqual([expect.stringMatching(message)]);
    }
  });
});

describe.each(mpiLaunchers)('softshard bench under $name', (launcher) => {
  const TINY = '--rows 300 --features 9 --classes 3 --threads 1 --seconds 0.05 --quick'.split(' ');

  test('rank 0 prints a table of 80 columns and writes what ranks have measured', async () => {
    const name = `bench-${launcher.command}`;
    const outputs = ['--json', `${name}.json`, '--csv', `${name}.csv`, '--report', `${name}.html`];
    const args = [SOFTSHARD, 'bench', ...TINY, ...outputs, '--ranks', '2'];
    const { code, stdout, stderr } = await launch(launcher, 2, args, { cwd: folder });
    expect(code, stderr).toBe(0);
    const lines = stdout.split('\n').filter((line) => !line.startsWith('Wrote'));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^strong +2 .* equal$/m);
    expect(stdout).toMatch(/^sum of 1\.0 MB .* equal$/m);
    expect(stdout).toMatch(/^1024 /m);
    const { ranks, workloads } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
    expect(ranks).toMatchObject({ ranks: 2, branches: 1, sumsBitsEqual: true });
    expect(workloads[0].bitsEqual).toBe(true);
    expect(readFileSync(join(folder, `${name}.csv`), 'utf8')).toMatch(
      /^fullBatchPass,own,300,.*,strong,2,1,/m,
    );
    expect(readFileSync(join(folder, `${name}.html`), 'utf8')).toContain('Predicted strong scaling');
  });

  test.each([
    ['--ranks 3', '--ranks 3: mpirun has started 2'],
    ['--preset probe', '--preset is of one process'],
    ['--threads 1,2', 'ranks all have one number of threads'],
  ])('%s is refused, by one rank', async (option, message) => {
    const args = [SOFTSHARD, 'bench', ...option.split(' ')];
    const { code, stderr } = await launch(launcher, 2, args, { cwd: folder });
    expect(code).not.toBe(0);
    expect(stderr.split(message)).toHaveLength(2);
  });
});

test('softshard bench --ranks without mpirun says how to start it', async () => {
  const { code, stderr } = await softshard(['bench', '--ranks', '8']);
  expect(code).toBe(2);
  expect(stderr).toContain('mpirun --bind-to none -np 8 npx softshard bench');
});

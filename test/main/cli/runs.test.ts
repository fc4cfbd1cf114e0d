import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareRuns, readModelFile, writeNpy } from '#softshard/main/index.js';
import { temporaryPath } from '#softshard/main/outputs/temporary-file.js';
import { scalarsOf } from '../report/event-files.js';
import { type ProcessOptions, softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const json = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));
const DATA = ['--data', 'x.npy', '--labels', 'y.npy'];
const STEPS = [...DATA, '--epochs', '5', '--batch-size', '16', '--validation-split', '0.2'];
/** Some hours of training. */
const LONG = [...DATA, '--epochs', '1000000', '--batch-size', '16', '--validation-split', '0.2'];

const ROWS = 300;
const FEATURES = 5;

beforeAll(async () => {
  const data = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i * 1.7));
  const classes = Int32Array.from({ length: ROWS }, (_, row) =>
    Math.floor(1.5 * (1 + data[row * FEATURES]!)),
  );
  await writeNpy(at('x.npy'), { dims: [ROWS, FEATURES], data });
  await writeNpy(at('y.npy'), { dims: [ROWS], data: classes });
  writeFileSync(at('weights.csv'), '1\n2\n3\n');
});

const run = (...args: string[]) => softshard(args, { cwd: folder });

describe('a run that ends', () => {
  test('keeps options, environment, metrics, the model and its results', async () => {
    const { code, stdout } = await run('train', ...STEPS, '--run', 'runs/first', '--threads', '1', '--json');
    expect(code).toBe(0);
    expect(readdirSync(at('runs/first')).sort()).toEqual([
      'config.json',
      'environment.json',
      'log.txt',
      'metrics.jsonl',
      'model.safetensors',
      'report.html',
      'result.json',
      'status.json',
    ]);
    expect(json('runs/first/config.json')).toMatchObject({
      command: 'train',
      folder,
      options: { data: 'x.npy', labels: 'y.npy', epochs: 5, batchSize: 16, validationSplit: 0.2, seed: 0 },
    });
    expect(json('runs/first/config.json').options).not.toHaveProperty('threads');
    const { data } = json('runs/first/environment.json');
    expect(data).toMatchObject([
      { name: 'data', path: at('x.npy') },
      { name: 'labels', path: at('y.npy') },
    ]);
    const { evaluation, ...result } = json('runs/first/result.json');
    expect(result).toEqual(JSON.parse(stdout));
    expect(evaluation).toMatchObject({ of: 'validation', rows: 60, perClass: [{}, {}, {}] });
    expect(evaluation.confusion.flat().reduce((sum: number, rows: number) => sum + rows)).toBe(60);
    const lines = readFileSync(at('runs/first/metrics.jsonl'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(5);
    expect(JSON.parse(lines[4]!)).toEqual({
      time: expect.any(Number),
      step: 75,
      epoch: 5,
      'train/loss': result.loss,
      'validation/loss': result.validationLoss,
      'validation/accuracy': result.validationAccuracy,
      learningRate: 0.1,
    });
    expect(readFileSync(at('runs/first/log.txt'), 'utf8')).toMatch(
      /^\d{4}-\S+Z 300 rows of 5 features.* epoch 5\/5 /s,
    );
    // The same model as without a run.
    expect((await run('train', ...STEPS, '--output', 'alone.safetensors')).code).toBe(0);
    expect(readFileSync(at('runs/first/model.safetensors'))).toEqual(readFileSync(at('alone.safetensors')));
  });

  test('is told to be there, and to be finished', async () => {
    const again = await run('train', ...STEPS, '--run', 'runs/first');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('runs/first: holds a run already, which is finished: name another folder');
    // Killed while the report was written.
    const page = readFileSync(at('runs/first/report.html'), 'utf8');
    rmSync(at('runs/first/report.html'));
    const stale = temporaryPath(at('runs/first/report.html')).replace(`-${process.pid}-`, '-99999999-');
    writeFileSync(stale, 'half');
    const resumed = await run('train', '--resume', 'runs/first');
    expect(resumed).toMatchObject({ code: 0, stderr: '' });
    expect(resumed.stdout).toContain('runs/first: the run is finished, its model is in ');
    expect(readFileSync(at('runs/first/report.html'), 'utf8')).toBe(page);
    expect(readdirSync(at('runs/first')).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  test('is verified by doing it again, with other threads', async () => {
    const { code, stdout, stderr } = await run('verify', 'runs/first', '--threads', '3', '--quiet');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^equal: all parameters \(SHA-256 \w{16}…\) and 5 lines of metrics\n$/);
  });

  test('is found different where a line or a weight is another', async () => {
    cpSync(at('runs/first'), at('runs/other'), { recursive: true });
    appendFileSync(at('runs/other/metrics.jsonl'), '{"time":1,"epoch":6}\n');
    cpSync(at('alone.safetensors'), at('runs/other/model.safetensors'));
    const weights = readFileSync(at('runs/other/model.safetensors'));
    weights[weights.length - 3]! ^= 1;
    writeFileSync(at('runs/other/model.safetensors'), weights);
    const { code, stdout, stderr } = await run('verify', 'runs/other', '--quiet', '--json');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'softshard: runs/other: doing the run again gives something else\n',
    });
    expect(JSON.parse(stdout)).toMatchObject({
      equal: false,
      differences: [expect.stringContaining('first bias[2]: '), 'metrics.jsonl: 6 and 5 lines'],
    });
  });

  test('cannot be verified with other data', async () => {
    const before = readFileSync(at('y.npy'));
    appendFileSync(at('y.npy'), 'x');
    const { code, stderr } = await run('verify', 'runs/first');
    writeFileSync(at('y.npy'), before);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('its labels have changed') });
  });
});

test.each([
  ['lbfgs', 'train', [...DATA, '--C', '2', '--test-split', '0.2', '--class-weight', 'weights.csv']],
  ['the choice of C', 'train', [...DATA, '--scale', 'none', '--no-stratify', '--validation-split', '0.1']],
  [
    'adamw',
    'train',
    [...STEPS, '--solver', 'adamw', '--betas', '0.8,0.99', '--no-shuffle', '--early-stopping', 'loss'],
  ],
  ['lists and ranges', 'sweep', [...DATA, '--C', '0.1,1', '--C', '10..100', '--count', '2', '--cv', '3']],
  [
    'steps with halving',
    'sweep',
    [...DATA, '--betas', '0.8,0.9', '--betas', '0.9,0.99', '--solver', 'adamw', '--halving'],
  ],
])('%s: config.json has all that it takes to do the run again', async (name, command, args) => {
  const at = `runs/${name.replaceAll(' ', '-')}`;
  expect(await run(command, ...args, '--run', at, '--quiet')).toMatchObject({
    code: 0,
    stderr: expect.not.stringContaining('softshard:'),
  });
  const { code, stdout, stderr } = await run('verify', at, '--quiet');
  expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: expect.stringContaining('equal: ') });
});

const linesOf = (name: string): Record<string, unknown>[] =>
  readFileSync(at(`${name}/metrics.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => ({ ...JSON.parse(line), time: 0 }));

test.skipIf(process.platform === 'win32')(
  'lines of steps and event files are those of an unbroken run, wherever it was cut off',
  async () => {
    const args = ['train', ...DATA, '--epochs', '400', '--batch-size', '8', '--log-every', '7'];
    const name = 'runs/steps';
    const whole = ['--run', 'runs/unbroken', '--tensorboard', 'board/unbroken'];
    expect(await run(...args, ...whole)).toMatchObject({ code: 0 });
    const kill = (sign: string, signal: NodeJS.Signals): ProcessOptions => ({
      cwd: folder,
      onStderr: (text, child) => {
        if (text.includes(sign)) child.kill(signal);
      },
    });
    const often = ['--checkpoint-every', '0', '--tensorboard', 'board/steps'];
    const first = await softshardProcess([...args, '--run', name, ...often], kill('epoch   3', 'SIGKILL'));
    const second = await softshardProcess(
      ['train', '--resume', name, '--threads', '1', ...often],
      kill('epoch  20', 'SIGTERM'),
    );
    expect([first.code, second.code]).toEqual([null, 75]);
    expect(await run('train', '--resume', name, '--tensorboard', 'board/steps')).toMatchObject({ code: 0 });
    const wanted = scalarsOf(at('board/unbroken'));
    expect(wanted.get('train/loss')).toHaveLength(400);
    const found = scalarsOf(at('board/steps'));
    // Of time.
    for (const curves of [wanted, found]) expect(curves.delete('rowsPerSecond')).toBe(true);
    expect(found).toEqual(wanted);
    const lines = linesOf(name);
    expect(lines).toEqual(linesOf('runs/unbroken'));
    // 38 steps an epoch.
    expect(lines).toHaveLength(400 + Math.floor((400 * 38) / 7));
    expect(lines.slice(4, 7)).toMatchObject([
      { step: 35, epoch: 1, 'train/stepLoss': expect.any(Number) },
      { step: 38, epoch: 1, 'train/loss': expect.any(Number) },
      { step: 42, epoch: 2, 'train/stepLoss': expect.any(Number) },
    ]);
    expect(lines[4]).toEqual({ ...lines[4], 'train/loss': undefined });
  },
);

const SIGNALS = [
  ['SIGTERM', 75],
  ['SIGUSR1', 75],
  ['SIGINT', 130],
] as const;

/** Sends the signal once training is on its way. */
const onceTraining = (signal: NodeJS.Signals): ProcessOptions => {
  let sent = false;
  return {
    cwd: folder,
    onStderr: (text, child) => {
      if (!sent && text.includes('epoch       3/')) sent = child.kill(signal);
    },
  };
};

test.skipIf(process.platform === 'win32').each(SIGNALS)(
  '%s in a run keeps a checkpoint, says how to go on, and exits with %i',
  async (signal, exitCode) => {
    const name = `runs/${signal}`;
    const first = await softshardProcess(['train', ...LONG, '--run', name], onceTraining(signal));
    expect({ code: first.code, stderr: first.stderr.slice(-300) }).toMatchObject({ code: exitCode });
    expect(first.stderr).toMatch(
      new RegExp(`softshard: interrupted by ${signal}: softshard train --resume ${name} goes on\n$`),
    );
    expect(json(`${name}/status.json`)).toMatchObject({ state: 'interrupted', cause: signal });
    expect(readdirSync(at(`${name}/checkpoints`))).toEqual(['checkpoint-000001.safetensors']);
    expect(existsSync(at(`${name}/lock.json`))).toBe(false);
    const lines = readFileSync(at(`${name}/metrics.jsonl`), 'utf8')
      .trim()
      .split('\n').length;
    // It goes on after the last line.
    let next = '';
    const second = await softshardProcess(['train', '--resume', name, '--threads', '1'], {
      cwd: folder,
      onStderr: (text, child) => {
        const [, epoch] = /epoch +(\d+)\//.exec(text) ?? [];
        if (next === '' && epoch !== undefined && child.kill('SIGTERM')) next = epoch;
      },
    });
    expect({ code: second.code, next }).toEqual({ code: 75, next: String(lines + 1) });
    expect(second.stderr).toContain('the run goes on from checkpoint-000001.safetensors');
  },
);

test('a second process is refused while the first has the run', async () => {
  let refused: ReturnType<typeof softshardProcess> | undefined;
  await softshardProcess(['train', ...LONG, '--run', 'runs/busy'], {
    cwd: folder,
    onStderr: (text, child) => {
      if (!text.includes('epoch       2/')) return;
      refused ??= softshardProcess(['train', '--resume', 'runs/busy'], { cwd: folder }).finally(() =>
        child.kill('SIGTERM'),
      );
    },
  });
  expect(await refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/ERR_BUSY: .*runs\/busy: the run is in use by process \d+ on \S+ \(since /),
  });
});

test.each([
  [['train', ...DATA, '--resume', 'runs/SIGTERM'], 2, '--data is given beside --resume'],
  [['train', '--resume', 'runs/SIGTERM', '--run', 'b'], 2, '--run begins a run, and --resume goes on'],
  [['sweep', '--resume', 'runs/SIGTERM'], 2, 'is a run of softshard train'],
  [['train', '--resume'], 2, '--resume needs the folder of a run'],
  [['train', '--resume', 'nowhere'], 1, 'nowhere: is no folder of a run'],
  [['train', ...LONG, '--run', 'runs/SIGTERM'], 1, 'which is interrupted: resume it (--resume)'],
  [['train', ...DATA, '--run', '.'], 1, 'and no run: name a new or empty folder'],
  [
    ['train', ...DATA, '--run', 'a', '--output', 'b'],
    2,
    '--output is given, but the model of a run is model.safetensors',
  ],
  [['train', ...DATA, '--epochs', '2', '--log-every', '3'], 2, '--log-every is of runs and of --tensorboard'],
  [['train', ...DATA, '--log-every', '3', '--run', 'a'], 2, '--log-every counts steps, and a solver'],
  [['train', ...DATA, '--keep-checkpoints', '3'], 2, '--keep-checkpoints is of runs: add --run'],
  [['train', '--data', '-', '--labels', 'y.npy', '--run', 'a'], 2, '--data is a pipe'],
  [['train', ...DATA, '--run', 'x.npy/a'], 1, 'is no folder that can be read'],
  [['verify', 'runs/SIGTERM'], 2, 'the run is interrupted, and only a finished one can be verified'],
  [['verify', '.'], 1, 'is no folder of a run'],
])('softshard %s is refused', async (args, code, message) => {
  const result = await run(...args);
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toContain(message);
  expect(existsSync(at('a'))).toBe(false);
});

test('changed data, options and kernels are refused, each by its name', async () => {
  const before = readFileSync(at('y.npy'));
  const name = 'runs/SIGTERM';
  const environment = readFileSync(at(`${name}/environment.json`), 'utf8');
  appendFileSync(at('y.npy'), 'x');
  const data = await run('train', '--resume', name);
  writeFileSync(at('y.npy'), before);
  expect(data).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/ERR_CHECKPOINT: .*labels: .*y\.npy has changed/),
  });
  writeFileSync(at(`${name}/environment.json`), environment.replace(/"kernels": "\w{4}/, '"kernels": "0000'));
  const kernels = await run('train', '--resume', name);
  writeFileSync(at(`${name}/environment.json`), environment);
  expect(kernels).toMatchObject({ code: 1, stderr: expect.stringContaining('kernels: 0000') });
  expect(json(`${name}/status.json`).state).toBe('interrupted');
});

const checkpointsOf = (run: string): string[] =>
  existsSync(at(`${run}/checkpoints`))
    ? readdirSync(at(`${run}/checkpoints`))
        .filter((name) => name.endsWith('.safetensors'))
        .sort()
    : [];

/** A file system of its own that is soon full; the superuser of Linux may have one. */
const small = at('small');
const mounted = ((): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
afterAll(() => {
  if (mounted) execFileSync('umount', [small]);
});

test.skipIf(!mounted)('on a full disk training goes on, and what was kept before is kept', async () => {
  let state: 'filling' | 'full' | 'ended' = 'filling';
  const args = ['train', ...LONG, '--run', 'small/run', '--checkpoint-every', '0.01'];
  const { code, stderr } = await softshardProcess(args, {
    cwd: folder,
    onStderr: (text, child) => {
      if (state === 'filling' && checkpointsOf('small/run').length > 0) {
        state = 'full';
        try {
          writeFileSync(at('small/rest'), Buffer.alloc(1 << 21));
        } catch {
          // It has taken what there was.
        }
      }
      const [, after = ''] = text.split('could not be written');
      if (state === 'full' && (after.match(/epoch/g)?.length ?? 0) > 10) {
        state = 'ended';
        child.kill('SIGTERM');
      }
    },
  });
  expect({ code, stderr: stderr.slice(-300) }).toMatchObject({ code: expect.any(Number) });
  expect(stderr).toContain('warning: a checkpoint could not be written');
  expect(stderr).toContain('ENOSPC');
  expect(stderr).toContain('Training goes on; the checkpoint before stays');
  const kept = checkpointsOf('small/run');
  expect(kept.length).toBeGreaterThan(0);
  expect(readdirSync(at('small/run/checkpoints')).sort()).toEqual(kept);
  execFileSync('rm', [at('small/rest')]);
  const second = await softshardProcess(['train', '--resume', 'small/run'], {
    cwd: folder,
    onStderr: (text, child) => {
      if (state === 'ended' && text.includes('epoch') && child.kill('SIGTERM')) state = 'filling';
    },
  });
  expect(second.stderr).toContain(`the run goes on from ${kept.at(-1)}`);
  expect(second.code).toBe(75);
});

test.skipIf(!mounted)(
  'on a file system that is read-only no run begins or goes on, and a finished one can be told and verified',
  async () => {
    cpSync(at('runs/SIGINT'), at('small/interrupted'), { recursive: true });
    cpSync(at('runs/first'), at('small/finished'), { recursive: true });
    execFileSync('mount', ['-o', 'remount,ro', small]);
    const begun = await run('train', ...DATA, '--run', 'small/new');
    expect(begun).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/ERR_FILE: .*small\/new.* EROFS/),
    });
    const resumed = await run('train', '--resume', 'small/interrupted');
    expect(resumed).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/ERR_FILE: .*EROFS/),
    });
    expect(await run('train', '--resume', 'small/finished')).toMatchObject({ code: 0, stderr: '' });
    expect(await run('verify', 'small/finished', '--quiet')).toMatchObject({ code: 0, stderr: '' });
  },
);

test('what an interrupted run has learned is a model, too', async () => {
  const { weights } = await readModelFile(at('runs/SIGINT/model.safetensors'));
  expect(weights.some((weight) => weight !== 0)).toBe(true);
  await expect(compareRuns(at('runs/first'), at('runs/nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE' });
});

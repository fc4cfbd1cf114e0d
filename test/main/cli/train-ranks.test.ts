// train and sweep on ranks that the launchers which are here start: the model of one process, byte for byte, also where a rank is
// killed and another number of ranks goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeNpy } from '#softshard/main/index.js';
import { type MpiLauncher, mpiLaunchers } from '../../optional.js';
import { launch, saidLines } from '../distributed/launch.js';
import { SOFTSHARD, softshard, temporaryFolder } from './workbench.js';

const [ROWS, FEATURES, CLASSES] = [1500, 8, 3];
const folder = temporaryFolder();
const numbers = (length: number, of: (i: number) => number) => Float32Array.from({ length }, (_, i) => of(i));

const DATA = ['--data', 'x.npy', '--labels', 'y.npy', '--quiet'];
/** What is made of them by one process, too. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  chosen: ['train', ...DATA, '--validation-split', '0.2', '--test-split', '0.1', '--sample-weight', 'w.npy'],
  newton: [
    'train',
    ...DATA,
    '--solver',
    'newton-cg',
    '--C',
    '10',
    '--test-data',
    'few.npy',
    '--test-labels',
    'fewy.npy',
  ],
  calibrated: ['train', ...DATA, '--epochs', '3', '--calibrate'],
  swept: ['sweep', ...DATA, '--C', '0.01,1', '--cv', '3'],
};
/** So many steps that there is time for checkpoints, and to kill somebody. */
const LONG = ['train', ...DATA, '--epochs', '500', '--batch-size', '16', '--validation-split', '0.2'];

beforeAll(async () => {
  const inputs = numbers(ROWS * FEATURES, (i) => Math.cos(i * i));
  const labels = Int32Array.from(
    { length: ROWS },
    (_, row) => Math.floor(1.5 * Math.abs(inputs[row * FEATURES]! + inputs[row * FEATURES + 1]!)) % CLASSES,
  );
  const save = (name: string, dims: readonly number[], data: Float32Array | Int32Array) =>
    writeNpy(join(folder, name), { dims, data });
  await save('x.npy', [ROWS, FEATURES], inputs);
  await save('y.npy', [ROWS], labels);
  await save(
    'w.npy',
    [ROWS],
    numbers(ROWS, (row) => 0.1 + (row % 7) / 3),
  );
  // Not every rank has a row of them.
  await save('few.npy', [5, FEATURES], inputs.slice(0, 5 * FEATURES));
  await save('fewy.npy', [5], labels.slice(0, 5));
  const bad = inputs.slice();
  bad[1200 * FEATURES + 3] = Number.NaN;
  await save('nan.npy', [ROWS, FEATURES], bad);
});

const options = { cwd: folder };
const bytesOf = (name: string): string => readFileSync(join(folder, name)).toString('base64');
/** Of a run, without times. */
const linesOf = (run: string): string =>
  readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8').replaceAll(/"time":[^,]*,/g, '');

/** What says nothing of the rows, and paths. */
const TIMES = /^ *"(?:threads|ranks|durationMs|rowsPerSecond|model)".*\n/gm;

const alone = new Map<string, { readonly stdout: string; readonly model: string }>();

/** What one process gives, which is asked once. */
async function oneProcess(name: string) {
  const known = alone.get(name);
  if (known !== undefined) return known;
  const { code, stdout, stderr } = await softshard(
    [...COMMANDS[name]!, '--json', '--output', `one-${name}.safetensors`],
    options,
  );
  expect(code, stderr).toBe(0);
  const made = { stdout: stdout.replace(TIMES, ''), model: bytesOf(`one-${name}.safetensors`) };
  alone.set(name, made);
  return made;
}

let longRun: Promise<string> | undefined;

/** The run of one process that was never cut off. */
const unbroken = (): Promise<string> => {
  longRun ??= (async () => {
    const { code, stderr } = await softshard([...LONG, '--run', 'unbroken'], options);
    expect(code, stderr).toBe(0);
    return 'unbroken';
  })();
  return longRun;
};

/** Ranks that train LONG; resolves at their first checkpoint. */
async function running(launcher: MpiLauncher, ranks: number, run: string) {
  const args = [SOFTSHARD, ...LONG, '--run', run, '--checkpoint-every', '0.1'];
  const child: ChildProcess = spawn(
    launcher.command,
    [...launcher.options, '-np', String(ranks), process.execPath, ...args],
    {
      ...options,
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 200_000,
    },
  );
  let printed = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const checkpoints = join(folder, run, 'checkpoints');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  while (!hasEnded() && !(existsSync(checkpoints) && readdirSync(checkpoints).length > 0)) {
    await setTimeout(20);
  }
  const { pid } = JSON.parse(readFileSync(join(folder, run, 'status.json'), 'utf8')) as {
    readonly pid: number;
  };
  return {
    child,
    /** Of rank 0. */
    pid,
    end: async () => ({ code: await ended, printed }),
  };
}

async function expectUnbroken(run: string): Promise<void> {
  const whole = await unbroken();
  expect(bytesOf(`${run}/model.safetensors`)).toBe(bytesOf(`${whole}/model.safetensors`));
  expect(linesOf(run)).toBe(linesOf(whole));
}

describe.skipIf(mpiLaunchers.length === 0)('training over ranks', () => {
  describe.each(mpiLaunchers)('under $name', (launcher) => {
    test.each([
      [2, 'chosen'],
      [3, 'newton'],
      [2, 'calibrated'],
      [3, 'swept'],
    ])('%i ranks: the model %s is that of one process, and so is the report', async (ranks, name) => {
      const out = `${launcher.command}-${name}.safetensors`;
      const args = [SOFTSHARD, ...COMMANDS[name]!, '--json', '--output', out];
      const { code, stdout, stderr } = await launch(launcher, ranks, args, options);
      expect(code, stderr).toBe(0);
      const wanted = await oneProcess(name);
      expect(stdout.replace(TIMES, '')).toBe(wanted.stdout);
      expect(bytesOf(out)).toBe(wanted.model);
    });

    test('a rank that is killed ends all, and one more rank goes on with the same bits', async () => {
      const run = `killed-${launcher.command}`;
      const { pid, end } = await running(launcher, 2, run);
      const begin = performance.now();
      process.kill(pid, 'SIGKILL');
      const { code } = await end();
      expect(code).not.toBe(0);
      expect(performance.now() - begin).toBeLessThan(10_000);
      const resumed = await launch(launcher, 3, [SOFTSHARD, 'train', '--resume', run, '--quiet'], options);
      expect(resumed.code, resumed.stderr).toBe(0);
      await expectUnbroken(run);
      // Of each number of ranks, one model was made.
      const verified = await launch(launcher, 2, [SOFTSHARD, 'verify', run, '--quiet'], options);
      expect(verified.stdout, verified.stderr).toMatch(/^equal: all parameters/);
    });

    test.each(['launcher', 'rank'])(
      'SIGUSR1 to the %s ends all ranks with 75, told once, and one process goes on',
      async (whom) => {
        const run = `warned-${whom}-${launcher.command}`;
        const { child, pid, end } = await running(launcher, 3, run);
        if (whom === 'rank') process.kill(pid, 'SIGUSR1');
        else child.kill('SIGUSR1');
        const { code, printed } = await end();
        expect(code, printed).toBe(75);
        expect(saidLines({ stdout: printed, stderr: '' })).toEqual([
          `softshard: rank 0: interrupted by SIGUSR1: softshard train --resume ${run} goes on`,
        ]);
        const resumed = await softshard(['train', '--resume', run, '--quiet'], options);
        expect(resumed.code, resumed.stderr).toBe(0);
        await expectUnbroken(run);
      },
    );

    test('a rank that is told to stop before it has joined lets nobody wait, and all end with 75', async () => {
      const early = join(folder, 'early.mjs');
      // As soon as the program hears of signals: before it has loaded.
      writeFileSync(
        early,
        `const isOne = [process.env.PMI_RANK, process.env.OMPI_COMM_WORLD_RANK].includes('1');
         const tell = (name) => {
           if (name !== 'SIGUSR1') return;
           process.off('newListener', tell);
           setImmediate(() => process.kill(process.pid, name));
         };
         if (isOne) process.on('newListener', tell);`,
      );
      const run = `early-${launcher.command}`;
      const args = ['--import', early, SOFTSHARD, ...LONG, '--run', run];
      const said = await launch(launcher, 3, args, options);
      expect(said.code, said.stderr).toBe(75);
      expect(saidLines(said)).toEqual([
        expect.stringMatching(/^softshard: rank \d: interrupted by SIGUSR1: /),
      ]);
      // The watchdog's minute is not waited for.
      expect(said.seconds).toBeLessThan(30);
    });

    test('what is wrong is told once, and nothing is written', async () => {
      const train = [
        'train',
        '--data',
        'nan.npy',
        '--labels',
        'y.npy',
        '--output',
        'no.safetensors',
        '--quiet',
      ];
      const said = await launch(launcher, 3, [SOFTSHARD, ...train], options);
      expect(said.code).toBe(1);
      expect(saidLines(said)).toEqual([
        expect.stringMatching(/^softshard: rank \d: ERR_NOT_FINITE: nan\.npy: row 1200, feature 3 is NaN/),
      ]);
      expect(readdirSync(folder)).not.toContain('no.safetensors');
    });
  });
});

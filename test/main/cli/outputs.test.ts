// Where commands write to, and what they leave there when they are stopped.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeNpy } from '#softshard/main/index.js';
import { SOFTSHARD, softshard, softshardProcess, temporaryFolder } from './workbench.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const [inputs, labels, many, model] = [at('x.npy'), at('y.npy'), at('many.npy'), at('trained.safetensors')];
const probabilities = at('probabilities.npy');
const [ROWS, FEATURES] = [600, 3];

const files = ['--data', inputs, '--labels', labels];
const fit = ['train', ...files, '--epochs', '1', '--quiet'];

beforeAll(async () => {
  const data = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i));
  await writeNpy(inputs, { dims: [ROWS, FEATURES], data });
  await writeNpy(labels, { dims: [ROWS], data: Int32Array.from({ length: ROWS }, (_, i) => i % FEATURES) });
  await writeNpy(many, { dims: [400_000, FEATURES], data: new Float32Array(400_000 * FEATURES) });
  for (const args of [
    [...fit, '--output', model],
    ['softmax', '--input', inputs, '--output', probabilities],
  ]) {
    const { code, stderr } = await softshard(args);
    expect(code, stderr).toBe(0);
  }
});

function pipe(name: string): string {
  execFileSync('mkfifo', [at(name)]);
  return at(name);
}

async function expectRefusal(args: string[], code: number, message: RegExp): Promise<void> {
  const { stdout, stderr, ...result } = await softshard(args, { cwd: folder });
  expect(stderr).toMatch(message);
  expect({ code: result.code, stdout }).toEqual({ code, stdout: '' });
}

/** Tells the parent when the command listens to signals to end its work well. */
const TELL_WHO_LISTENS = `process.on('newListener', (event, { name }) => {
  if (event === 'SIGTERM' && name === 'onSignal') process.send('listens');
});`;

/** Runs a command, and kills it when `isTime`: given for how many milliseconds it has listened to signals. */
async function signalled(args: string[], signal: NodeJS.Signals, isTime: (listensMs: number) => boolean) {
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(TELL_WHO_LISTENS)}`];
  const child = spawn(process.execPath, [...preload, SOFTSHARD, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let listensSince = Number.POSITIVE_INFINITY;
  child.on('message', () => {
    listensSince = performance.now();
  });
  let sent = 0;
  const timer = setInterval(() => {
    if (sent === 0 && isTime(performance.now() - listensSince)) {
      sent = child.kill(signal) ? performance.now() : 0;
    }
  }, 5);
  // Standard output is not read: 'exit', as 'close' waits for its end.
  const [code] = await once(child, 'exit');
  clearInterval(timer);
  return { code, stderr, ms: performance.now() - sent };
}

/** Enough to come to where a command waits. */
const WAITING_MS = 500;
/** A command that does not end by its signal waits for ever. */
const MOST_MS = 30_000;

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

const nothing = (signal: string): RegExp =>
  new RegExp(`^softshard: interrupted by ${signal}: nothing was written$`, 'm');

describe.skipIf(process.platform === 'win32')('outputs that are no files', () => {
  test('a pipe gets the bytes that a file gets, and stays (F9)', async () => {
    const path = pipe('pipe.npy');
    const command = ['softmax', '--input', inputs, '--output', path];
    const [content, { code, stderr }] = await Promise.all([readFile(path), softshardProcess(command)]);
    expect(code, stderr).toBe(0);
    expect(content.equals(readFileSync(probabilities))).toBe(true);
    expect(statSync(path).isFIFO()).toBe(true);
    const [trained] = await Promise.all([readFile(path), softshardProcess([...fit, '--output', path])]);
    expect(trained.equals(readFileSync(model))).toBe(true);
  });

  test('standard output gets the result alone, by - and by name; the report goes to standard error (F9)', async () => {
    for (const name of ['-', '/dev/stdout']) {
      const args = ['softmax', '--input', inputs, '--output', name].map((word) => `'${word}'`).join(' ');
      const command = `'${process.execPath}' '${SOFTSHARD}' ${args} 2>'${at('err')}' | cat >'${at('out')}'`;
      execFileSync('sh', ['-c', command]);
      expect(readFileSync(at('out')).equals(readFileSync(probabilities))).toBe(true);
      expect(readFileSync(at('err'), 'utf8')).toMatch(/Wrote the softmax of 600 rows to \/dev\/stdout/);
    }
    // Whatever it is: here a socket, and without progress there is no report.
    const { code, stdout, stderr } = await softshardProcess([
      'predict',
      '--model',
      model,
      '--data',
      inputs,
      '--output',
      '-',
      '--quiet',
    ]);
    expect({ code, stderr, lines: stdout.split('\n').length }).toEqual({
      code: 0,
      stderr: '',
      lines: ROWS + 2,
    });
  });

  test('a file that the shell opened as standard output is written on, not replaced (F9)', async () => {
    const command = `{ echo before; '${process.execPath}' '${SOFTSHARD}' predict --model '${model}' --data '${inputs}' --output /dev/stdout --quiet; echo after; } >'${at('all')}'`;
    execFileSync('sh', ['-c', command]);
    const lines = readFileSync(at('all'), 'utf8').trimEnd().split('\n');
    expect([lines[0], lines[1], lines.length, lines.at(-1)]).toEqual([
      'before',
      'row,class,name,probability',
      ROWS + 3,
      'after',
    ]);
  });

  test('devices take as many results as there are, and full ones are an error (F9)', async () => {
    const loss = ['loss', '--logits', inputs, '--targets', labels, '--quiet'];
    const both = await softshard([...loss, '--gradient', '/dev/null', '--losses', '/dev/null', '--json']);
    expect({ code: both.code, stderr: both.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(both.stdout)).toMatchObject({ rows: ROWS, files: { gradient: '/dev/null' } });
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    if (!existsSync('/dev/full')) return;
    await expectRefusal(
      [...loss, '--gradient', '/dev/full'],
      1,
      /^softshard: ERR_FILE: \/dev\/full: cannot be written: ENOSPC/,
    );
  });

  test.each(SIGNALS)('%s ends the wait for the reader of a pipe (F9)', async (signal, exitCode) => {
    const path = pipe(`waiting-${signal}`);
    const isTime = (listensMs: number) => listensMs > WAITING_MS;
    const commands = [
      ['softmax', '--input', inputs, '--output', path],
      [...fit, '--output', path],
    ];
    for (const result of await Promise.all(commands.map((args) => signalled(args, signal, isTime)))) {
      expect(result).toMatchObject({ code: exitCode, stderr: expect.stringMatching(nothing(signal)) });
      expect(result.ms).toBeLessThan(MOST_MS);
    }
  });
});

describe.skipIf(process.platform === 'win32')('links', () => {
  test('one to a file yet to be made is followed, and a loop is an error (R11)', async () => {
    symlinkSync('made.npy', at('link.npy'));
    symlinkSync('loop.npy', at('loop.npy'));
    const { code } = await softshard(['softmax', '--input', inputs, '--output', at('link.npy')]);
    expect({ code, isLink: lstatSync(at('link.npy')).isSymbolicLink() }).toEqual({ code: 0, isLink: true });
    expect(readFileSync(at('made.npy')).equals(readFileSync(probabilities))).toBe(true);
    const message = /^softshard: ERR_FILE: .*loop\.npy: cannot be written: ELOOP/;
    await expectRefusal(['softmax', '--input', inputs, '--output', at('loop.npy')], 1, message);
    expect(lstatSync(at('loop.npy')).isSymbolicLink()).toBe(true);
  });
});

describe('a name that nobody gave', () => {
  test('is not overwritten without --force, and that shows before any work', async () => {
    const name = 'model.safetensors';
    writeFileSync(at(name), 'precious');
    const message =
      /^softshard: model\.safetensors is there already: name another file with --output, or let it be replaced with --force\n$/;
    // Before any work: the labels are not even looked at.
    await expectRefusal(['train', '--data', inputs, '--labels', model, '--quiet'], 2, message);
    expect(readFileSync(at(name), 'utf8')).toBe('precious');
    const { code, stderr } = await softshard([...fit, '--force'], { cwd: folder });
    expect(code, stderr).toBe(0);
    expect(readFileSync(at(name)).equals(readFileSync(model))).toBe(true);
  });

  // That it replaces its own is what demo.test.ts needs: it runs twice in one folder.
  test('is not overwritten by the demo where no demo wrote it', async () => {
    const name = 'fashion-mnist.safetensors';
    writeFileSync(at(name), readFileSync(model));
    await expectRefusal(
      ['demo', '--quiet'],
      2,
      /^softshard: fashion-mnist\.safetensors is there already: .*--output.*--force\n$/,
    );
    expect(readFileSync(at(name)).equals(readFileSync(model))).toBe(true);
  });
});

test.each(SIGNALS)(
  '%s while predict writes a file exits with %i and leaves nothing (R7)',
  async (signal, exitCode) => {
    const sizeOf = (name: string) => statSync(at(name), { throwIfNoEntry: false })?.size ?? 0;
    const isTime = () => readdirSync(folder).some((name) => name.includes('.softshard-') && sizeOf(name) > 0);
    const output = at(`predictions-${signal}.csv`);
    const args = ['predict', '--model', model, '--data', many, '--probabilities', '--output', output];
    const { code, stderr } = await signalled(args, signal, isTime);
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: expect.stringMatching(nothing(signal)) });
    expect(readdirSync(folder).filter((name) => name.startsWith('predictions'))).toEqual([]);
  },
);

test('one signal ends predict although nobody reads its standard output (R7)', async () => {
  const args = ['predict', '--model', model, '--data', many, '--probabilities'];
  const { code, stderr, ms } = await signalled(args, 'SIGINT', (listensMs) => listensMs > WAITING_MS);
  expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringMatching(nothing('SIGINT')) });
  expect(ms).toBeLessThan(MOST_MS);
});

test('a signal at the start of any command exits with 130 or 143 and leaves nothing (R7)', async () => {
  const ofModel = ['--model', model, '--data', inputs];
  const commands = [
    ['train', ...files, '--output', at('new')],
    ['evaluate', ...ofModel, '--labels', labels],
    ['predict', ...ofModel, '--output', at('new.csv')],
    ['loss', '--logits', inputs, '--targets', labels, '--gradient', at('new'), '--json'],
    ['softmax', '--input', inputs, '--output', at('new')],
    ['demo', '--output', at('new')],
  ];
  for (const [index, args] of commands.entries()) {
    const [signal, exitCode] = SIGNALS[index % 2]!;
    const began = at(`began-${signal}.mjs`);
    // Sent as soon as the command listens to it; whoever writes a file listens, too.
    writeFileSync(
      began,
      `process.on('newListener', (event, { name }) => {
         if (event === 'SIGTERM' && name === 'onSignal') setImmediate(() => process.kill(process.pid, '${signal}'));
       });`,
    );
    const env = { NODE_OPTIONS: `--import ${began}` };
    const { code, stdout, stderr } = await softshardProcess([...args, '--quiet'], { env });
    expect({ args, code, stderr }).toEqual({
      args,
      code: exitCode,
      stderr: expect.stringMatching(nothing(signal)),
    });
    if (args[0] !== 'demo') expect(stdout).toBe('');
  }
  expect(readdirSync(folder).filter((name) => name.startsWith('new'))).toEqual([]);
});

// Runs the built command: in this process, or as users do in one of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, vi } from 'vitest';
import { runCommandLine } from '#softshard/main/cli/program.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export const SOFTSHARD = join(ROOT, 'dist/main/cli/softshard.js');
export const FASHION_MNIST = join(ROOT, 'examples/fashion-mnist');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface ProcessOptions extends RunOptions {
  /** The reader of standard output goes away after so many bytes. */
  readonly closeStdoutAfter?: number;
  /** Called whenever standard error has grown. */
  readonly onStderr?: (stderr: string, child: ChildProcess) => void;
}

/** The command in a process of its own: for signals, streams, and what Node itself prints or reads. */
export function softshardProcess(args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  return runNode([SOFTSHARD, ...args], options);
}

export function runNode(
  args: readonly string[],
  { cwd, env, closeStdoutAfter = Number.POSITIVE_INFINITY, onStderr }: ProcessOptions = {},
): Promise<Finished> {
  const child = spawn(process.execPath, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, SOFTSHARD_DEBUG: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.length > closeStdoutAfter) child.stdout.destroy();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onStderr?.(stderr, child);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

let lastRun: Promise<unknown> = Promise.resolve();

/** The command in this process, which saves half a second. One at a time: they share streams, folder and environment. */
export function softshard(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const run = lastRun.then(() => runHere(args, options));
  lastRun = run.catch(() => {});
  return run;
}

async function runHere(
  args: readonly string[],
  { cwd = process.cwd(), env = {} }: RunOptions,
): Promise<Finished> {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((part, ...rest: unknown[]) => {
      written[name] += typeof part === 'string' ? part : Buffer.from(part).toString();
      const callback = rest.at(-1);
      if (typeof callback === 'function') callback();
      return true;
    }),
  );
  // Each run watches these anew.
  const watched = [
    [process, 'warning'],
    [process.stdout, 'error'],
    [process.stderr, 'error'],
  ] as const;
  const listeners = watched.map(([emitter, event]) => emitter.rawListeners(event));
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => process.stderr.write(`(node) ${name}: ${message}\n`));
  const former = process.cwd();
  process.chdir(cwd);
  for (const [name, value] of Object.entries({ SOFTSHARD_DEBUG: '', ...env })) vi.stubEnv(name, value);
  try {
    return { code: await runCommandLine(args), signal: null, ...written };
  } finally {
    vi.unstubAllEnvs();
    process.chdir(former);
    for (const [i, [emitter, event]] of watched.entries()) {
      emitter.removeAllListeners(event);
      for (const listener of listeners[i] ?? []) emitter.on(event, listener as () => void);
    }
    for (const spy of spies) spy.mockRestore();
  }
}

/** Gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'softshard-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Slice {
  readonly images: string;
  readonly labels: string;
  readonly classNames: string;
  readonly targets: Uint8Array;
  readonly pixels: Uint8Array;
}

const PIXELS = 784;

/** Rows [rowBegin, rowEnd) of the bundled images, as IDX files in `folder`. */
export function writeSlice(folder: string, name: string, rowBegin: number, rowEnd: number): Slice {
  const images = gunzipSync(readFileSync(join(FASHION_MNIST, 't10k-images-idx3-ubyte.gz')));
  const labels = gunzipSync(readFileSync(join(FASHION_MNIST, 't10k-labels-idx1-ubyte.gz')));
  const pixels = images.subarray(16 + rowBegin * PIXELS, 16 + rowEnd * PIXELS);
  const targets = labels.subarray(8 + rowBegin, 8 + rowEnd);
  const slice: Slice = {
    images: join(folder, `${name}-images.idx`),
    labels: join(folder, `${name}-labels.idx`),
    classNames: join(FASHION_MNIST, 'class-names.txt'),
    targets,
    pixels,
  };
  const rows = rowEnd - rowBegin;
  writeFileSync(slice.images, Buffer.concat([idxHeader([rows, 28, 28]), pixels]));
  writeFileSync(slice.labels, Buffer.concat([idxHeader([rows]), targets]));
  return slice;
}

/** An IDX header for uint8 values. */
export function idxHeader(dims: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, 0x08, dims.length]);
  for (const [axis, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * axis);
  return header;
}

export const CLASS_NAMES: readonly string[] = readFileSync(join(FASHION_MNIST, 'class-names.txt'), 'utf8')
  .trim()
  .split('\n');

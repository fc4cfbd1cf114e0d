// Inputs that can be read only once, standard input and pipes: copied to temporary files, of which every format is read.

import { closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { messageOf, SoftshardError } from '../../errors.js';
import type { ReportFlags } from './command-options.js';
import { flagOf, UsageError } from './failures.js';
import { bytes } from './output.js';
import { createProgress } from './progress.js';
import { ownTransport } from './ranks.js';
import { type RunFlags, refusePipe } from './run-options.js';
import { showAs } from './shown-paths.js';

const STANDARD_INPUT = 'standard input';

/** Other names of descriptor 0. */
const DESCRIPTOR_0 = ['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'];

/**
 * Runs a command with paths of copies in place of - and of pipes, as a shell's <(zcat x.csv.gz) is one. The copies are gone
 * when it ends, by whatever signal.
 */
export async function withPipedInputs<
  Flags extends Pick<ReportFlags, 'quiet'> & RunFlags,
  Name extends keyof Flags,
>(flags: Flags, inputs: readonly Name[], run: (flags: Flags) => Promise<void>): Promise<void> {
  const piped = await pipedInputs(flags, inputs);
  const [first] = piped;
  if (first === undefined) return run(flags);
  const option = flagOf(String(first[0]));
  refusePipe(flags, option);
  if (ownTransport() !== undefined) {
    throw new UsageError(
      `${option} ${first[1]} can be read by one process only: name a file that all can read`,
    );
  }
  const { onExit } = await import('signal-exit');
  const folder = await mkdtemp(join(tmpdir(), 'softshard-'));
  const forget = onExit(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const copies: { [Option in Name]?: string } = {};
    const progress = await createProgress(flags);
    for (const [option, path] of piped) {
      const isStandard = DESCRIPTOR_0.includes(path);
      const name = isStandard ? STANDARD_INPUT : path;
      const copy = join(folder, `${String(option)}-${isStandard ? 'stdin' : basename(path)}`);
      showAs(copy, name);
      copies[option] = copy;
      const size = await copyTo(copy, name, isStandard ? process.stdin : pipeChunks(path));
      progress.note(`${name}: ${bytes(size)} are in a temporary file, since a pipe can be read only once`);
    }
    await run({ ...flags, ...copies });
  } finally {
    await rm(folder, { recursive: true, force: true });
    forget();
  }
}

async function pipedInputs<Flags, Name extends keyof Flags>(
  flags: Flags,
  inputs: readonly Name[],
): Promise<readonly (readonly [option: Name, path: string])[]> {
  const piped: [Name, string][] = [];
  for (const option of inputs) {
    const path: unknown = flags[option];
    if (typeof path === 'string' && (path === '-' || (await isPipe(path)))) piped.push([option, path]);
  }
  const standard = piped.filter(([, path]) => DESCRIPTOR_0.includes(path));
  if (standard.length > 1) {
    throw new UsageError('two options name standard input, which can be read only once: name a file for one');
  }
  return piped;
}

async function isPipe(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  // A process that is started with a socket for its standard input sees no pipe.
  return stats !== undefined && (stats.isFIFO() || (stats.isSocket() && DESCRIPTOR_0.includes(path)));
}

/** Resolves to the number of bytes. */
async function copyTo(path: string, name: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx', 0o600);
    for await (const chunk of chunks) {
      await file.writeFile(chunk);
      size += chunk.length;
    }
    return size;
  } catch (cause) {
    const message = `${name}: cannot be copied to a temporary file: ${messageOf(cause)}. TMPDIR names another folder for such files`;
    throw new SoftshardError('ERR_FILE', message, { value: name, cause });
  } finally {
    await file?.close();
  }
}

/** Between two looks for a pipe's writer. */
const RETRY_MS = 20;

/** A descriptor that a shell has opened, as <(command) is one: its writer may have come and gone. */
const INHERITED = /^\/(?:dev|proc\/self)\/fd\/\d+$/;

/** O_NONBLOCK: a thread that waits for a writer inside the system blocks even process.exit. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

async function* pipeChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const descriptor = openSync(path, FLAGS);
  const first = Buffer.alloc(1 << 16);
  for (;;) {
    try {
      const count = readSync(descriptor, first);
      if (count > 0) {
        yield first.subarray(0, count);
        break;
      }
      // 0: there has been no writer yet, unless the pipe came open.
      if (INHERITED.test(path)) {
        closeSync(descriptor);
        return;
      }
    } catch (error) {
      // There is a writer, which has written nothing yet.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') break;
      throw error;
    }
    await setTimeout(RETRY_MS);
  }
  yield* new Socket({ fd: descriptor, readable: true, writable: false });
}

// The machine's limit for cross-entropy with its gradient: ce-limit.c, compiled here, in a process that answers requests.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { repositoryFile } from '../result-files.js';
import { PeerUnavailable } from './python-peer.js';

const COMPILER = 'gcc';
const OPTIONS = ['-O3', '-march=native', '-fno-math-errno', '-fopenmp'];

/** One computation, the mean of those that were asked for. */
export interface LimitTiming {
  readonly ms: number;
  /** Processor time of all of them. */
  readonly cpuMs: number;
}

export interface LimitRun {
  readonly threads: number;
  /** The gradient overwrites the logits; else it goes into a second matrix. */
  readonly inPlace: boolean;
  readonly repeats: number;
}

export class CLimit {
  /** The compiler and the instructions it had: "gcc 12.2.0, AVX-512". */
  readonly version: string;
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    version: string,
    folder: string,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
  ) {
    this.version = version;
    this.#folder = folder;
    this.#child = child;
    this.#lines = lines;
  }

  /** Compiles it into a temporary folder. Rejects with PeerUnavailable where there is no gcc, or neither AVX2 nor AVX-512. */
  static async start(): Promise<CLimit> {
    const folder = await mkdtemp(join(tmpdir(), 'softshard-limit-'));
    try {
      const program = await compile(folder);
      const child = spawn(program);
      child.stderr.pipe(process.stderr);
      // A write to a child that has gone fails: the missing reply tells that better.
      child.stdin.on('error', () => {});
      await once(child, 'spawn');
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const { compiler, instructions } = (await nextReply(lines)) as {
        compiler: string;
        instructions: string;
      };
      return new CLimit(`${compiler}, ${instructions}`, folder, child, lines);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** Logits and targets of that shape, the same as in cross-entropy.ts. */
  async prepare(rows: number, columns: number): Promise<void> {
    await this.#ask(`prepare ${rows} ${columns}`);
  }

  /** The mean loss, and the elements of its gradient at flat indices. Not after a run in place. */
  async check(indices: readonly number[]): Promise<{ loss: number; gradient: number[] }> {
    return this.#ask(`check ${indices.join(' ')}`);
  }

  async run({ threads, inPlace, repeats }: LimitRun): Promise<LimitTiming> {
    return this.#ask(`run ${threads} ${inPlace ? 1 : 0} ${repeats}`);
  }

  async close(): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await exited;
    await rm(this.#folder, { recursive: true });
  }

  async #ask<Reply>(request: string): Promise<Reply> {
    this.#child.stdin.write(`${request}\n`);
    const reply = (await nextReply(this.#lines)) as { error?: string };
    if (reply.error !== undefined)
      throw new Error(`ce-limit, asked "${request.slice(0, 40)}": ${reply.error}`);
    return reply as Reply;
  }
}

async function compile(folder: string): Promise<string> {
  const program = join(folder, 'ce-limit');
  const source = repositoryFile('bench/peers/ce-limit.c');
  try {
    await promisify(execFile)(COMPILER, [...OPTIONS, source, '-o', program, '-lm']);
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    const reason = (stderr || message).trim();
    throw new PeerUnavailable(
      `${COMPILER} cannot compile ce-limit.c: ${reason}. To compare with the limit, install gcc on a processor with AVX2`,
      { cause },
    );
  }
  return program;
}

async function nextReply(lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error('ce-limit has ended; its last words, if any, are above');
  return JSON.parse(value);
}

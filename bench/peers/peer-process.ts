// A contender's process: it answers requests, one line of JSON each way, and times its own work. PyTorch, C and
// softshard itself run like this, so that none of them works at the same time as another, or in its process.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { repositoryFile } from '../result-files.js';
import type { PythonSource } from './python.js';

/** What a contender needs is not there: no failure of ours. The message says what to do. */
export class PeerUnavailable extends Error {}

/** A contender could not do what it was asked, or is gone. */
export class PeerFailure extends Error {
  readonly peer: PeerProcess;

  constructor(peer: PeerProcess, message: string) {
    super(message);
    this.peer = peer;
  }
}

/**
 * Blocks that PyTorch frees stay with its process: glibc would give large ones back to the system and fetch them anew
 * for every call: cross-entropy on 65536 × 1000 then took PyTorch more than three times the processor time.
 */
const KEEP_FREED_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: String(2 ** 40) };

/** What a machine sets to help an old OpenBLAS keeps that of a current numpy from its best kernels. */
const OPENBLAS_UNSET = { OPENBLAS_CORETYPE: undefined, OPENBLAS_L2_SIZE: undefined };

/** `do` names the handler; the rest are its arguments. */
export interface PeerRequest {
  readonly do: string;
  readonly [argument: string]: unknown;
}

export interface PeerReply {
  /** Processor time of the request. */
  readonly cpuMs: number;
}

/** The first line of a process: what it is, or why it cannot compute. */
interface Hello {
  readonly version?: string;
  readonly unavailable?: string;
  /** Of ce-limit.c. */
  readonly compiler?: string;
  readonly instructions?: string;
  /** Of peer.py. */
  readonly blas?: string;
  readonly blasHasOwnThreads?: boolean;
}

export interface StartOptions {
  /** How to have what it needs. */
  readonly remedy?: string;
  /** Said with its version. */
  readonly origin?: string;
  readonly env?: NodeJS.ProcessEnv;
}

type Child = ChildProcessWithoutNullStreams;

export class PeerProcess {
  readonly version: string;
  /** The BLAS of a Python peer. */
  readonly blas: string;
  /** Whether the threads of that BLAS are apart from the peer's own. */
  readonly blasHasOwnThreads: boolean;
  readonly #child: Child;
  readonly #lines: AsyncIterator<string>;

  private constructor(hello: Hello, origin: string | undefined, child: Child, lines: AsyncIterator<string>) {
    const version = hello.version ?? `C limit with ${hello.instructions} by ${hello.compiler}`;
    this.version = origin === undefined ? version : `${version} (${origin})`;
    this.blas = hello.blas ?? '';
    this.blasHasOwnThreads = hello.blasHasOwnThreads ?? false;
    this.#child = child;
    this.#lines = lines;
  }

  /** A Python script of this folder. Rejects with PeerUnavailable. */
  static python({ command, origin }: PythonSource, script: string): Promise<PeerProcess> {
    const path = repositoryFile(`bench/peers/${script}`);
    const remedy = 'name a Python that has it with --python';
    return PeerProcess.start(command, [path], { origin, remedy, env: OPENBLAS_UNSET });
  }

  /** softshard itself: a compiled module of this folder that calls serveOurs. */
  static ours(module: string, variant: string): Promise<PeerProcess> {
    return PeerProcess.start(process.execPath, [repositoryFile(`.bench/peers/${module}`), variant]);
  }

  static async start(
    command: string,
    args: readonly string[],
    { remedy, origin, env }: StartOptions = {},
  ): Promise<PeerProcess> {
    const child = spawn(command, args, {
      env: { ...process.env, ...KEEP_FREED_MEMORY, PYTHONDONTWRITEBYTECODE: '1', ...env },
    });
    child.stderr.pipe(process.stderr);
    // A write to a child that has gone fails: the missing reply tells that better.
    child.stdin.on('error', () => {});
    const unavailable = (message: string, cause?: unknown) =>
      new PeerUnavailable(remedy === undefined ? message : `${message}: ${remedy}`, { cause });
    await once(child, 'spawn').catch((cause: Error) => {
      throw unavailable(`${command} cannot be started (${cause.message})`, cause);
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const hello = (await nextReply(child, lines).catch((cause: Error) => {
      throw unavailable(`${[command, ...args].join(' ')} ${cause.message}`, cause);
    })) as Hello;
    if (hello.unavailable !== undefined) throw unavailable(hello.unavailable);
    return new PeerProcess(hello, origin, child, lines);
  }

  /** The type argument says what the script's handler replies. */
  ask<Reply = object>(request: PeerRequest): Promise<Reply & PeerReply> {
    return this.askLine(JSON.stringify(request));
  }

  /** For a process with requests of its own. Rejects with PeerFailure. */
  async askLine<Reply = object>(line: string): Promise<Reply & PeerReply> {
    this.#child.stdin.write(`${line}\n`);
    const reply = await nextReply(this.#child, this.#lines).catch((cause: Error) => {
      throw new PeerFailure(this, cause.message);
    });
    const { error } = reply as { error?: string };
    if (error !== undefined) throw new PeerFailure(this, error);
    return reply as Reply & PeerReply;
  }

  async close(): Promise<void> {
    const exited = isRunning(this.#child) ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await exited;
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

const isRunning = ({ exitCode, signalCode }: Child): boolean => exitCode === null && signalCode === null;

/** The next line of JSON; what libraries print between goes to standard error. */
async function nextReply(child: Child, lines: AsyncIterator<string>): Promise<object> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) break;
    if (value.startsWith('{')) return JSON.parse(value);
    process.stderr.write(`${value}\n`);
  }
  if (isRunning(child)) await once(child, 'exit');
  throw new Error(`ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
}

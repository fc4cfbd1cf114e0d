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

/** A peer that does not answer in this time is ended: one that hangs would keep the run for ever. */
export const LIMIT_MS = 300_000;

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
  /** For its first line, and for each answer until `limitMs` is set. */
  readonly limitMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** What a peer may take to end when its input has ended. */
const CLOSE_MS = 10_000;

type Child = ChildProcessWithoutNullStreams;

export class PeerProcess {
  readonly version: string;
  /** The BLAS of a Python peer. */
  readonly blas: string;
  /** Whether the threads of that BLAS are apart from the peer's own. */
  readonly blasHasOwnThreads: boolean;
  /** The longest that an answer may take. */
  limitMs: number;
  readonly #child: Child;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    hello: Hello,
    { origin, limitMs }: { origin: string | undefined; limitMs: number },
    child: Child,
    lines: AsyncIterator<string>,
  ) {
    const version = hello.version ?? `C limit with ${hello.instructions} by ${hello.compiler}`;
    this.version = origin === undefined ? version : `${version} (${origin})`;
    this.blas = hello.blas ?? '';
    this.blasHasOwnThreads = hello.blasHasOwnThreads ?? false;
    this.limitMs = limitMs;
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
    { remedy, origin, env, limitMs = LIMIT_MS }: StartOptions = {},
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
    const hello = (await within(limitMs, child, nextReply(child, lines)).catch((cause: Error) => {
      throw unavailable(`${[command, ...args].join(' ')} ${cause.message}`, cause);
    })) as Hello;
    if (hello.unavailable !== undefined) throw unavailable(hello.unavailable);
    return new PeerProcess(hello, { origin, limitMs }, child, lines);
  }

  /** The type argument says what the script's handler replies. */
  ask<Reply = object>(request: PeerRequest): Promise<Reply & PeerReply> {
    return this.askLine(JSON.stringify(request));
  }

  /** For a process with requests of its own. Rejects with PeerFailure. */
  async askLine<Reply = object>(line: string): Promise<Reply & PeerReply> {
    this.#child.stdin.write(`${line}\n`);
    const reply = await within(this.limitMs, this.#child, nextReply(this.#child, this.#lines)).catch(
      (cause: Error) => {
        throw new PeerFailure(this, cause.message);
      },
    );
    const { error } = reply as { error?: string };
    if (error !== undefined) throw new PeerFailure(this, error);
    return reply as Reply & PeerReply;
  }

  /** One that does not end by itself is ended. */
  async close(): Promise<void> {
    if (!isRunning(this.#child)) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    const timer = setTimeout(() => this.kill(), CLOSE_MS);
    await exited;
    clearTimeout(timer);
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

const isRunning = ({ exitCode, signalCode }: Child): boolean => exitCode === null && signalCode === null;

/** Rejects, and ends the child, where the reply takes longer. */
async function within(limitMs: number, child: Child, reply: Promise<object>): Promise<object> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`took longer than ${limitMs / 1000} s and was ended: --limit allows more`));
    }, limitMs);
  });
  // What comes of the reply when it is late is the end of the child, told already.
  reply.catch(() => {});
  try {
    return await Promise.race([reply, late]);
  } finally {
    clearTimeout(timer);
  }
}

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

// A contender's process: it answers requests, one line of JSON each way, and times its own work. PyTorch, C and
// softshard itself run like this, so that none of them works beside another or inside of one.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { repositoryFile } from '../result-files.js';

/** What a contender needs is not there: no failure of ours. The message says what to do. */
export class PeerUnavailable extends Error {}

/**
 * Blocks that PyTorch frees stay with its process: glibc would give large ones back to the system and fetch them anew
 * for every call: cross-entropy on 65536 × 1000 then took PyTorch more than three times the processor time.
 */
const KEEP_FREED_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: String(2 ** 40) };

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
}

export class PeerProcess {
  readonly version: string;
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    name: string,
    version: string,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
  ) {
    this.#name = name;
    this.version = version;
    this.#child = child;
    this.#lines = lines;
  }

  /** A Python script of this folder. Rejects with PeerUnavailable; `remedy` says how to get what it imports. */
  static python(python: string, script: string, remedy: string): Promise<PeerProcess> {
    const path = repositoryFile(`bench/peers/${script}`);
    return PeerProcess.start(python, [path], `${remedy}, or name another Python with --python`);
  }

  /** softshard itself: a compiled module of this folder that calls serveOurs. */
  static ours(module: string, variant: string): Promise<PeerProcess> {
    return PeerProcess.start(process.execPath, [repositoryFile(`.bench/peers/${module}`), variant], '');
  }

  static async start(command: string, args: readonly string[], remedy: string): Promise<PeerProcess> {
    const child = spawn(command, args, {
      env: { ...process.env, ...KEEP_FREED_MEMORY, PYTHONDONTWRITEBYTECODE: '1' },
    });
    child.stderr.pipe(process.stderr);
    // A write to a child that has gone fails: the missing reply tells that better.
    child.stdin.on('error', () => {});
    const withRemedy = (message: string) => (remedy === '' ? message : `${message}: ${remedy}`);
    await once(child, 'spawn').catch((cause: Error) => {
      throw new PeerUnavailable(withRemedy(`${command} cannot be started (${cause.message})`), { cause });
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const hello = (await nextReply(command, lines)) as Hello;
    if (hello.unavailable !== undefined) throw new PeerUnavailable(withRemedy(hello.unavailable));
    const version = hello.version ?? `C limit with ${hello.instructions} by ${hello.compiler}`;
    return new PeerProcess([command, ...args].join(' '), version, child, lines);
  }

  /** The type argument says what the script's handler replies. */
  ask<Reply = object>(request: PeerRequest): Promise<Reply & PeerReply> {
    return this.askLine(JSON.stringify(request));
  }

  /** For a process with requests of its own. */
  async askLine<Reply = object>(line: string): Promise<Reply & PeerReply> {
    this.#child.stdin.write(`${line}\n`);
    const reply = (await nextReply(this.#name, this.#lines)) as { error?: string };
    if (reply.error === undefined) return reply as Reply & PeerReply;
    throw new Error(`${this.#name}, asked ${line.slice(0, 100)}: ${reply.error}`);
  }

  async close(): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await exited;
  }
}

async function nextReply(name: string, lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error(`${name} has ended; its last words, if any, are above`);
  return JSON.parse(value);
}

// A Python process that answers requests, one line of JSON each way (see peer.py).
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { repositoryFile } from '../result-files.js';

/** Python or PyTorch is missing: no failure of ours. The message says what to do. */
export class PeerUnavailable extends Error {}

/**
 * Blocks that PyTorch frees stay with its process: glibc would give large ones back to the system and fetch them anew
 * for every call, which costs PyTorch up to half of its time on large logits.
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

export class PythonPeer {
  readonly version: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(version: string, child: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>) {
    this.version = version;
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts a script of this folder. Rejects with PeerUnavailable. */
  static async start(python: string, script: string): Promise<PythonPeer> {
    const child = spawn(python, [repositoryFile(`bench/peers/${script}`)], {
      env: { ...process.env, ...KEEP_FREED_MEMORY, PYTHONDONTWRITEBYTECODE: '1' },
    });
    child.stderr.pipe(process.stderr);
    // A write to a child that has gone fails: the missing reply tells that better.
    child.stdin.on('error', () => {});
    await once(child, 'spawn').catch((cause: Error) => {
      const message = `${python} cannot be started (${cause.message}): install Python 3, or name one with --python`;
      throw new PeerUnavailable(message, { cause });
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const hello = (await nextReply(lines)) as { torch?: string; python?: string; unavailable?: string };
    if (hello.unavailable !== undefined) {
      const remedy =
        'install PyTorch (Debian: apt install python3-torch), or name a Python that has it with --python';
      throw new PeerUnavailable(`${python}: ${hello.unavailable}. To compare, ${remedy}`);
    }
    return new PythonPeer(`PyTorch ${hello.torch}, Python ${hello.python}`, child, lines);
  }

  /** The type argument says what the script's handler replies. */
  async ask<Reply = object>(request: PeerRequest): Promise<Reply & PeerReply> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const reply = (await nextReply(this.#lines)) as { error?: string };
    if (reply.error !== undefined) throw new Error(`Python, asked to ${request.do}: ${reply.error}`);
    return reply as Reply & PeerReply;
  }

  async close(): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await exited;
  }
}

async function nextReply(lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error('the Python process has ended; its last words, if any, are above');
  return JSON.parse(value);
}

// Ranks under MPI. All calls of MPI are made by one thread, but one: whoever finds that the program cannot go on ends it on all ranks.
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { inspect, types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { messageOf, SoftshardError } from '../../errors.js';
import { FailedRank, RanksDiffer } from '../../transport/collectives.js';
import type { MpiLibrary } from '../../transport/mpi-library.js';
import type { TransportCommand, TransportReply, TransportSetup } from '../../workers/protocol.js';
import { checkNumber, checkOptionNames, checkPath } from '../checks.js';
import { findMpi } from './find-mpi.js';
import { findLaunch } from './launcher.js';
import { ABORT_CODE, QueuedTransport, type RankCalls } from './queued-transport.js';
import type { Transport } from './transport.js';

export interface MpiOptions {
  /** The file or name of the MPI library; default: SOFTSHARD_MPI_LIBRARY, or one that fits the launcher. */
  library?: string | undefined;
  /** How long a call may wait for other ranks before the program ends on all of them with code 75; default 60. */
  watchdogSeconds?: number | undefined;
}

const WATCHDOG_SECONDS = 60;
/** How long other ranks may take to start, at least. */
const STARTING_MS = 60_000;
/** How long MPI_Abort may take to end this process, before it is killed. */
const ABORT_MS = 3000;
/** How much later than the watchdog's a call is taken to hang inside MPI: on a busy machine the watchdog comes late, too. */
const HANGING_MS = 15_000;
/** How long MPI_Finalize may take where it can be done without. */
const FINALIZE_MS = 5000;
/** A million: timers take no more than 2³¹ ms. */
const MAX_WATCHDOG_SECONDS = 1_000_000;

/** How long a launcher is given to read why. */
const READING_MS = 100;

/** MPI can be started once in a process, and not again after its end. */
let isStarted = false;

/**
 * Joins the other ranks. Throws ERR_DISTRIBUTED where MPI is missing, was started before in this process, or does not find as many
 * ranks as the launcher started.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Transport> {
  checkOptionNames('options.distributed', options, ['library', 'watchdogSeconds']);
  const { library, watchdogSeconds = WATCHDOG_SECONDS } = options;
  if (library !== undefined) checkPath(library);
  checkNumber('options.distributed.watchdogSeconds', watchdogSeconds, 0.001, MAX_WATCHDOG_SECONDS);
  if (isStarted) {
    const message =
      'MPI was started in this process before, and can be only once: keep the engine, or its transport';
    throw new SoftshardError('ERR_DISTRIBUTED', message);
  }
  const mpi = findMpi(library);
  isStarted = true;
  const rank = new MpiRank(mpi, 1000 * watchdogSeconds);
  const place = await rank.ready;
  const refusal = refusalOf(place.ranks, mpi);
  if (refusal === undefined) return new QueuedTransport(place, rank.calls());
  await rank.close();
  throw refusal;
}

/** Ranks that do not find each other are each alone, without an error of the library. */
function refusalOf(ranks: number, { version, path }: MpiLibrary): SoftshardError | undefined {
  const launch = findLaunch();
  if (launch === undefined || launch.ranks === ranks) return undefined;
  const remedy =
    launch.launcher === 'torchrun'
      ? 'start the program with mpirun'
      : launch.launcher === 'srun of Slurm'
        ? 'srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH, or mpirun in its place'
        : 'take mpirun and library of the same MPI (options.distributed.library, SOFTSHARD_MPI_LIBRARY)';
  return new SoftshardError(
    'ERR_DISTRIBUTED',
    `${launch.launcher} starts ${launch.ranks} processes, but ${path} (${version}) finds ${ranks}: the library does not understand this launcher: ${remedy}`,
  );
}

interface Waiting {
  late: NodeJS.Timeout;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

class MpiRank {
  readonly ready: Promise<{ readonly rank: number; readonly ranks: number }>;
  readonly #mpi: MpiLibrary;
  readonly #worker: Worker;
  readonly #ending = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<number, Waiting>();
  readonly #onExit = (code: number): void => this.#guard(code);
  readonly #onUncaught = (error: unknown): void => {
    this.#uncaught = { error };
  };
  /** Node would print it after the guard has ended the program. */
  #uncaught: { readonly error: unknown } | undefined;
  /** The watchdog of the worker sees all but what hangs inside MPI: what takes longer than this. */
  readonly #patienceMs: number;
  #rank: number | undefined;
  #calls = 0;
  #isFinal = false;

  constructor(mpi: MpiLibrary, watchdogMs: number) {
    this.#mpi = mpi;
    const setup: TransportSetup = { library: mpi.path, watchdogMs, ending: this.#ending };
    this.#worker = new Worker(new URL('../../workers/transport/communication.js', import.meta.url), {
      name: 'softshard-mpi',
      workerData: setup,
    });
    this.#patienceMs = watchdogMs + HANGING_MS;
    const starting = this.#expect('MPI_Init_thread', Math.max(STARTING_MS, this.#patienceMs));
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (reply: TransportReply) => {
        if (reply.kind === 'ready') {
          clearTimeout(starting);
          this.#rank = reply.rank;
          this.#worker.unref();
          resolve(reply);
        } else this.#settle(reply);
      });
      this.#worker.on('error', (cause) => {
        clearTimeout(starting);
        if (this.#rank === undefined) this.#isFinal = true;
        reject(new SoftshardError('ERR_DISTRIBUTED', `MPI does not start: ${messageOf(cause)}`, { cause }));
        if (this.#rank === undefined) return;
        this.abort(`the thread that talks to MPI failed: ${messageOf(cause)}`, ABORT_CODE);
      });
    });
    process.on('exit', this.#onExit);
    process.on('uncaughtExceptionMonitor', this.#onUncaught);
  }

  /** Of the first so many ranks among themselves; left out: of all. */
  calls(ranks?: number): RankCalls {
    const call = <Result>(command: CommandOf<TransportCommand>) => this.#call<Result>({ ...command, ranks });
    const barrier = async () => {
      await call({ call: 'barrier' });
    };
    return {
      allGather: (bytes) => call({ call: 'allGather', bytes: ownBytes(bytes) }),
      gather: (bytes, root) => call({ call: 'gather', bytes: ownBytes(bytes), root }),
      broadcast: (bytes, root) => call({ call: 'broadcast', bytes: bytes && ownBytes(bytes), root }),
      treeSum: async ({ begin, end, branches, into }, count) => {
        const sum = shared(into, branches[0] !== into);
        const all = branches.map((branch) => (branch === into ? sum : shared(branch)));
        await call({ call: 'treeSum', begin, end, branches: all, into: sum, count });
        if (sum !== into) into.set(sum);
      },
      barrier,
      fail: (bytes) => call({ call: 'fail', bytes }),
      close: ranks === undefined ? () => this.close() : barrier,
      abort: (cause, code) => this.abort(cause, code),
      group: (first) => this.calls(first),
    };
  }

  async close(): Promise<void> {
    const isHanging = await this.#call<boolean>({ call: 'close' });
    this.#isFinal = true;
    process.off('exit', this.#onExit);
    process.off('uncaughtExceptionMonitor', this.#onUncaught);
    if (!isHanging) await this.#worker.terminate();
  }

  /** Nothing is lost, and MPICH's launcher takes the exit code of this process. */
  #leaveIfHanging(call: Waiting): void {
    clearTimeout(call.late);
    call.late = setTimeout(() => {
      const seconds = FINALIZE_MS / 1000;
      writeCause(this.#rank, `MPI_Finalize hangs for ${seconds} s, but all ranks are done: left without it`);
      // A thread inside MPI would keep this process from exiting.
      process.on('exit', (code) => this.#mpi.exitNow(code));
      this.#worker.unref();
      call.resolve(true);
    }, FINALIZE_MS);
  }

  abort(cause: string, code: number): never {
    writeCause(this.#rank, cause);
    this.#isFinal = true;
    Atomics.store(this.#ending, 0, 1);
    this.#mpi.abort(code);
    return killThis();
  }

  /**
   * A process that exits while others wait for it: MPICH takes an exit with code 0 for success, and both libraries let the others
   * wait. A thread inside MPI would also keep this process from exiting.
   */
  #guard(code: number): void {
    if (this.#isFinal) return;
    // Inside MPI_Init_thread, which may wait for ever, the worker would keep this process from exiting.
    if (this.#rank === undefined) killThis();
    if (this.#uncaught !== undefined) this.abort(`uncaught ${inspect(this.#uncaught.error)}`, code);
    if (code !== 0) this.abort(`the program exits with code ${code}`, code);
    this.abort('the program ends before engine.close(), without which other ranks wait for it', ABORT_CODE);
  }

  #call<Result>(command: CommandOf<TransportCommand>): Promise<Result> {
    const id = this.#calls++;
    const late = this.#expect(command.call);
    // A program that waits for other ranks must not end.
    this.#worker.ref();
    this.#worker.postMessage({ id, ...command });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as Result), reject, late });
    });
  }

  /** MPI_Abort would hang as well. */
  #expect(call: string, patienceMs = this.#patienceMs): NodeJS.Timeout {
    const end = () => {
      if (this.#isFinal) return;
      const seconds = Math.round(patienceMs / 1000);
      writeCause(this.#rank, `${call} hangs inside MPI for ${seconds} s: this process is killed`);
      killThis();
    };
    return setTimeout(end, patienceMs);
  }

  #settle(reply: Exclude<TransportReply, { kind: 'ready' }>): void {
    if (reply.kind === 'ending') {
      this.#isFinal = true;
      setTimeout(killThis, ABORT_MS);
      return;
    }
    const call = this.#waiting.get(reply.id)!;
    if (reply.kind === 'finalizing') {
      this.#leaveIfHanging(call);
      return;
    }
    this.#waiting.delete(reply.id);
    clearTimeout(call.late);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.kind === 'done') call.resolve(reply.result);
    else if (reply.kind === 'failed') call.reject(new FailedRank(reply.rank, reply.bytes));
    else call.reject(new RanksDiffer(reply.message));
  }
}

/** Standard error may be gone with the launcher. */
function writeCause(rank: number | undefined, cause: string): void {
  try {
    writeSync(2, `softshard: rank ${rank ?? '?'} (${hostname()}): ${cause}\n`);
  } catch {
    // There is nobody left to read it.
  }
  // MPICH's mpiexec leaves unread what a rank has written last.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, READING_MS);
}

/** The launcher then ends the other ranks. */
const killThis = (): never => process.kill(process.pid, 'SIGKILL') as never;

type CommandOf<Command> = Command extends unknown ? Omit<Command, 'id'> : never;

/** A message would copy all of the buffer that they are a part of. */
const ownBytes = (bytes: Uint8Array): Uint8Array =>
  types.isSharedArrayBuffer(bytes.buffer) || bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();

/** The same numbers where both threads see them. */
function shared<Values extends Float32Array | Float64Array>(values: Values, isOutput = false): Values {
  if (types.isSharedArrayBuffer(values.buffer)) return values;
  const Type = values.constructor as new (buffer: SharedArrayBuffer) => Values;
  const copy = new Type(new SharedArrayBuffer(values.byteLength));
  if (!isOutput) copy.set(values);
  return copy;
}

// The worker threads: the only file that knows Piscina. Runs one gang at a time, first come first served; tiny jobs take
// their turn in the calling thread.
import { setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { messageOf, SoftshardError } from '../errors.js';
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels } from '../kernels/kernels.js';
import { type BlasSetup, blasSetup, closeLoading } from '../workers/lazy-sgemm.js';
import {
  ControlWord,
  controlWords,
  failGang,
  type GangJob,
  Stop,
  type WorkerResult,
  type WorkerSetup,
  type WorkerTask,
} from '../workers/protocol.js';
import { runTask } from '../workers/run-task.js';
import { availableThreads } from './available-threads.js';
import { isTiny } from './plans/tiny.js';

export interface GangOptions {
  /** How many workers to use; they all run at once, each with the job and its own `member` number. */
  readonly members: number;
  readonly signal?: AbortSignal | undefined;
  /** The job leaves early (Stop.yield) when another gang waits; its caller comes again for the rest. */
  readonly yields?: boolean;
  /** Told now and then, and once at the end, how many steps of training the gang has finished. Must not throw. */
  readonly onSteps?: (stepsDone: number) => void;
}

/**
 * Some 200 µs of looking at a barrier before sleeping: longer than members are usually apart. Who sleeps is woken late, has
 * less time for shards than the others, and so waits for them again.
 */
const BARRIER_SPINS = 40_000;

/** How often the progress of a gang is looked at. */
const PROGRESS_MS = 20;

interface Waiter {
  admit(): void;
  reject(reason: unknown): void;
}

/**
 * A gang has all workers to itself. Members wait for each other at barriers, so two gangs that each held some of the
 * workers and waited for the rest would wait for ever.
 */
export class WorkerPool {
  readonly threads: number;
  /** How often members look at a barrier: where they outnumber processors, it steals one from whom they wait for. */
  readonly barrierSpins: number;
  readonly #setup: Omit<WorkerSetup, 'blas'>;
  readonly #blasPath: string | undefined;
  #blas: BlasSetup | undefined;
  readonly #kernels: Kernels;
  readonly #sgemm: Sgemm;
  readonly #words: Int32Array;
  readonly #waiting: Waiter[] = [];
  #busy = false;
  #runningYields = false;
  #broken: SoftshardError | undefined;
  #piscina: Piscina<unknown, WorkerResult>;
  /** Set once the threads are told to end; resolves when they have. */
  #ended: Promise<void> | undefined;

  constructor(
    threads: number,
    { blas, ...setup }: Omit<WorkerSetup, 'blas'> & { readonly blas: string | undefined },
    kernels: Kernels,
    sgemm: Sgemm,
  ) {
    this.threads = threads;
    this.barrierSpins = threads <= availableThreads() ? BARRIER_SPINS : 0;
    this.#kernels = kernels;
    this.#sgemm = sgemm;
    this.#setup = setup;
    this.#blasPath = blas;
    this.#words = controlWords(setup.memory.buffer);
    this.#piscina = this.#startThreads();
  }

  /**
   * Waits for its turn, runs the job on `members` workers at once and gives their results. Rejects with
   * signal.reason when aborted, with ERR_WORKER when a worker exits, or whoever runs the job throws; either way all members have left.
   */
  async run(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    options.signal?.throwIfAborted();
    if (this.#broken !== undefined) throw this.#broken;
    await this.#turn(options.signal);
    try {
      if (this.#broken === undefined && this.#ended !== undefined) await this.#restartThreads();
      if (this.#broken !== undefined) throw this.#broken;
      options.signal?.throwIfAborted();
      // Nobody else reads the words now: the last gang's members have all left.
      this.#words.fill(0);
      return isTiny(job) ? [this.#runHere(job)] : await this.#runGang(job, options);
    } finally {
      this.#busy = false;
      this.#runningYields = false;
      this.#waiting.shift()?.admit();
    }
  }

  /** Rejects what waits, stops what runs, and ends the threads. */
  async close(reason: SoftshardError): Promise<void> {
    this.#broken ??= reason;
    this.#rejectWaiting(reason);
    await this.#endThreads();
  }

  #startThreads(): Piscina<unknown, WorkerResult> {
    this.#blas = this.#blasPath === undefined ? undefined : blasSetup(this.#blasPath);
    const piscina = new Piscina<unknown, WorkerResult>({
      filename: new URL('../workers/load.cjs', import.meta.url).href,
      name: 'run',
      minThreads: this.threads,
      maxThreads: this.threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      workerData: { ...this.#setup, blas: this.#blas } satisfies WorkerSetup,
    });
    // A worker that throws while it starts: Piscina starts no other, so tasks would wait for ever.
    piscina.on('error', (cause: unknown) => {
      if (this.#ended === undefined) this.#break(cause);
    });
    // Nor does it replace one that exits while it starts. Looked at after Piscina has replaced what it replaces.
    piscina.on('workerDestroy', () => queueMicrotask(() => this.#checkThreads()));
    return piscina;
  }

  /** Gives up threads of which one is missing for good; the next call starts new ones. */
  #checkThreads(): void {
    if (this.#ended !== undefined || this.#piscina.threads.length >= this.threads) return;
    this.#rejectWaiting(this.#workerError(new Error('a worker thread exited while it was starting')));
    void this.#endThreads();
  }

  /** Rejects the tasks of the running gang and ends all threads. */
  #endThreads(): Promise<void> {
    failGang(this.#words);
    this.#ended ??= this.#destroy(this.#piscina, this.#blas);
    return this.#ended;
  }

  async #destroy(piscina: Piscina<unknown, WorkerResult>, blas: BlasSetup | undefined): Promise<void> {
    while (blas !== undefined && closeLoading(blas)) await setTimeout(1);
    await piscina.destroy();
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve();
    }
    if (this.#runningYields) this.#ask(Stop.yield);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        admit: () => {
          signal?.removeEventListener('abort', onAbort);
          this.#busy = true;
          resolve();
        },
        reject: (reason) => {
          signal?.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      this.#waiting.push(waiter);
      // Node 20 warns of a leak at the eleventh listener, though a signal may well cancel more calls than ten.
      if (signal !== undefined) setMaxListeners(0, signal);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #runHere(job: GangJob): WorkerResult {
    const task = { ...job, member: 0, members: 1 } as WorkerTask;
    try {
      return runTask(this.#kernels, this.#sgemm, this.#words, this.#setup.groupScratch, task);
    } catch (cause) {
      const message = `the calling thread failed at a tiny job (${messageOf(cause)}): the call is lost`;
      throw new SoftshardError('ERR_WORKER', message, { cause });
    }
  }

  async #runGang(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    const { members, signal, yields = false, onSteps } = options;
    this.#runningYields = yields;
    if (yields && this.#waiting.length > 0) this.#ask(Stop.yield);
    const cancel = () => this.#ask(Stop.cancel);
    signal?.addEventListener('abort', cancel, { once: true });
    const tellSteps = () => onSteps?.(Atomics.load(this.#words, ControlWord.stepsDone));
    const progress = onSteps === undefined ? undefined : setInterval(tellSteps, PROGRESS_MS);
    let failure: SoftshardError | undefined;
    try {
      const tasks = Array.from({ length: members }, (_, member) =>
        this.#piscina.run({ ...job, member, members }).catch((cause: unknown): undefined => {
          failure ??= this.#workerError(cause);
          this.#rejectWaiting(failure);
          failGang(this.#words);
        }),
      );
      const results = await Promise.all(tasks);
      // Tasks of threads that are told to end reject at once: wait until those threads have let go of the memory.
      await this.#ended;
      if (failure !== undefined) throw failure;
      if (signal?.aborted && results.some(isUnfinished)) throw signal.reason;
      return results as WorkerResult[];
    } finally {
      clearInterval(progress);
      tellSteps();
      signal?.removeEventListener('abort', cancel);
    }
  }

  async #restartThreads(): Promise<void> {
    await this.#ended;
    if (this.#broken !== undefined) return;
    this.#ended = undefined;
    this.#piscina = this.#startThreads();
  }

  /** Sets the stop word unless something at least as urgent is there. */
  #ask(stop: Stop): void {
    const word = ControlWord.stop;
    const now = Atomics.load(this.#words, word);
    if (now < stop) Atomics.compareExchange(this.#words, word, now, stop);
  }

  #workerError(cause: unknown): SoftshardError {
    if (this.#broken !== undefined) return this.#broken;
    const message = `a worker thread failed (${messageOf(cause)}): the call is lost, a new thread takes its place; call again`;
    return new SoftshardError('ERR_WORKER', message, { cause });
  }

  #break(cause: unknown): void {
    const message = `worker threads cannot start (${messageOf(cause)}): close this engine and create a new one`;
    this.#broken ??= new SoftshardError('ERR_WORKER', message, { cause });
    this.#rejectWaiting(this.#broken);
    void this.#endThreads();
  }

  #rejectWaiting(reason: SoftshardError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason);
  }
}

/** Left work to be done; a diverged run has come to its end. */
const isUnfinished = (result: WorkerResult | undefined): boolean =>
  result?.state === 'stopped' && result.stop !== Stop.diverged;

// The worker threads: the only file that knows Piscina. Runs one gang at a time, first come first served.
import { Piscina } from 'piscina';
import { SoftshardError } from '../errors.js';
import {
  ControlWord,
  controlWords,
  failGang,
  type GangJob,
  Stop,
  type WorkerResult,
  type WorkerSetup,
} from '../workers/protocol.js';

export interface GangOptions {
  /** How many workers to use; they all run at once, each with the job and its own `member` number. */
  readonly members: number;
  readonly signal?: AbortSignal | undefined;
  /** The job leaves early (Stop.yield) when another gang waits; its caller comes again for the rest. */
  readonly yields?: boolean;
  /** Told now and then, and once at the end, how many steps of training the gang has finished. Must not throw. */
  readonly onSteps?: (stepsDone: number) => void;
}

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
  readonly #piscina: Piscina<unknown, WorkerResult>;
  readonly #words: Int32Array;
  readonly #waiting: Waiter[] = [];
  #busy = false;
  #runningYields = false;
  #broken: SoftshardError | undefined;

  constructor(threads: number, setup: WorkerSetup) {
    this.threads = threads;
    this.#words = controlWords(setup.memory.buffer);
    this.#piscina = new Piscina({
      filename: new URL('../workers/load.cjs', import.meta.url).href,
      name: 'run',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      workerData: setup,
    });
    // A worker that fails while it starts: Piscina starts no other, so tasks would wait for ever.
    this.#piscina.on('error', (cause: unknown) => this.#break(cause));
  }

  /**
   * Waits for its turn, runs the job on `members` workers at once and gives their results. Rejects with
   * signal.reason when aborted, with ERR_WORKER when a worker exits or throws; either way all members have left.
   */
  async run(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    options.signal?.throwIfAborted();
    if (this.#broken !== undefined) throw this.#broken;
    await this.#turn(options.signal);
    try {
      return await this.#runGang(job, options);
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
    failGang(this.#words);
    await this.#piscina.destroy();
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
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  async #runGang(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    const { members, signal, yields = false, onSteps } = options;
    if (this.#broken !== undefined) throw this.#broken;
    signal?.throwIfAborted();
    // Nobody else reads the words now: the last gang's members have all left.
    this.#words.fill(0);
    this.#runningYields = yields;
    if (yields && this.#waiting.length > 0) this.#ask(Stop.yield);
    const cancel = () => this.#ask(Stop.cancel);
    signal?.addEventListener('abort', cancel, { once: true });
    const tellSteps = () => onSteps?.(Atomics.load(this.#words, ControlWord.stepsDone));
    const progress = onSteps === undefined ? undefined : setInterval(tellSteps, PROGRESS_MS);
    let failure: SoftshardError | undefined;
    try {
      const tasks = Array.from({ length: members }, (_, member) =>
        this.#piscina.run({ ...job, member, members }).catch((cause: unknown) => {
          failure ??= this.#workerError(cause);
          this.#rejectWaiting(failure);
          failGang(this.#words);
        }),
      );
      const results = await Promise.all(tasks);
      if (failure !== undefined) throw failure;
      if (signal?.aborted && results.some((result) => result?.state === 'stopped')) throw signal.reason;
      return results as WorkerResult[];
    } finally {
      clearInterval(progress);
      tellSteps();
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Sets the stop word unless something at least as urgent is there. */
  #ask(stop: Stop): void {
    const word = ControlWord.stop;
    const now = Atomics.load(this.#words, word);
    if (now < stop) Atomics.compareExchange(this.#words, word, now, stop);
  }

  #workerError(cause: unknown): SoftshardError {
    if (this.#broken !== undefined) return this.#broken;
    const what = cause instanceof Error ? cause.message : String(cause);
    const message = `a worker thread failed (${what}): the call is lost, a new thread takes its place; call again`;
    return new SoftshardError('ERR_WORKER', message, { cause });
  }

  #break(cause: unknown): void {
    const what = cause instanceof Error ? cause.message : String(cause);
    const message = `worker threads cannot start (${what}): close this engine and create a new one`;
    this.#broken ??= new SoftshardError('ERR_WORKER', message, { cause });
    this.#rejectWaiting(this.#broken);
    failGang(this.#words);
    // Tasks that no worker has taken would wait for ever.
    void this.#piscina.destroy();
  }

  #rejectWaiting(reason: SoftshardError): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(reason);
  }
}

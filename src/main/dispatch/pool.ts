// Who works: one gang of worker threads at a time, first come first served; tiny jobs take their turn in the calling thread.
import { messageOf, SoftshardError } from '../../errors.js';
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { Ptr } from '../../kernels/ptr.js';
import {
  ControlWord,
  controlWords,
  failGang,
  type GangJob,
  Stop,
  type WorkerResult,
  type WorkerTask,
} from '../../workers/protocol.js';
import { runTask } from '../../workers/run-task.js';
import { availableThreads } from '../machine/available-threads.js';
import { isTiny } from '../plans/tiny.js';
import type { Cancellation } from './cancellation.js';
import { type ThreadSetup, Threads } from './threads.js';

export interface GangOptions {
  /** How many workers to use; they all run at once, each with the job and its own `member` number. */
  readonly members: number;
  readonly signal?: Cancellation | undefined;
  /**
   * The job leaves early (Stop.yield) when another gang waits: at once, but for a patient one after some time. Its caller comes
   * again for the rest.
   */
  readonly yields?: boolean;
  /** Has time as those have that yield: a part of training. Default: where it yields. */
  readonly isPatient?: boolean;
  /** Of a job that yields: told now and then, and once at the end, how many steps the gang has finished. Must not throw. */
  readonly onSteps?: (stepsDone: number) => void;
}

/**
 * Some 200 µs of looking at a barrier before sleeping: longer than members are usually apart. Who sleeps is woken late, has
 * less time for shards than the others, and so waits for them again.
 */
const BARRIER_SPINS = 40_000;

/**
 * How often a gang that yields is looked after: its steps are told, and it gives way to others of its kind. Each time costs
 * two gangs a start, some 200 µs.
 */
const LOOK_MS = 20;

/** How often threads are asked whether they are there, before all are started anew. */
const ANSWERS = 3;

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
  readonly #groupScratch: Ptr;
  readonly #kernels: Kernels;
  readonly #sgemm: Sgemm;
  readonly #words: Int32Array;
  /** First come, first served. */
  readonly #waiting = new Set<Waiter>();
  /** How many of them are not patient. */
  #impatient = 0;
  #busy = false;
  #runningYields = false;
  #jobs = 0;
  #closed: SoftshardError | undefined;
  #workers: Threads;

  constructor(threads: number, setup: ThreadSetup, kernels: Kernels, sgemm: Sgemm) {
    this.threads = threads;
    this.barrierSpins = threads <= availableThreads() ? BARRIER_SPINS : 0;
    this.#kernels = kernels;
    this.#sgemm = sgemm;
    this.#groupScratch = setup.groupScratch;
    this.#words = controlWords(setup.memory.buffer);
    this.#workers = new Threads(threads, setup);
  }

  /**
   * Waits for its turn, runs the job on `members` workers at once and gives their results. Rejects with
   * signal.reason when aborted, with ERR_WORKER when a worker exits, or whoever runs the job throws; either way all members have left.
   */
  async run(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    const { signal, yields = false, isPatient = yields } = options;
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    await this.#turn(signal, isPatient);
    try {
      const isHere = isTiny(job);
      if (!isHere && this.#workers.mayBeLost) await this.#findThreads();
      if (this.#closed !== undefined) throw this.#closed;
      signal?.throwIfAborted();
      // Nobody else reads the words now: the last gang's members have all left.
      this.#words.fill(0);
      return isHere ? [this.#runHere(job)] : await this.#runGang(job, options);
    } finally {
      this.#busy = false;
      this.#runningYields = false;
      this.#jobs++;
      for (const next of this.#waiting) {
        next.admit();
        break;
      }
    }
  }

  /** How many jobs have ended; undefined while one runs. */
  get idleAfter(): number | undefined {
    return this.#busy ? undefined : this.#jobs;
  }

  /** Rejects what waits, stops what runs, and ends the threads. */
  async close(reason: SoftshardError): Promise<void> {
    this.#closed ??= reason;
    this.#rejectWaiting(reason);
    failGang(this.#words);
    await this.#workers.end();
  }

  #turn(signal: Cancellation | undefined, isPatient: boolean): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve();
    }
    if (this.#runningYields && !isPatient) this.#ask(Stop.yield);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter);
        if (!isPatient) this.#impatient--;
        signal?.removeListener(onAbort);
      };
      const waiter: Waiter = {
        admit: () => {
          leave();
          this.#busy = true;
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = () => waiter.reject(signal?.reason);
      this.#waiting.add(waiter);
      if (!isPatient) this.#impatient++;
      signal?.addListener(onAbort);
    });
  }

  #runHere(job: GangJob): WorkerResult {
    const task = { ...job, member: 0, members: 1 } as WorkerTask;
    try {
      return runTask(this.#kernels, this.#sgemm, this.#words, this.#groupScratch, task);
    } catch (cause) {
      const message = `the calling thread failed at a tiny job (${messageOf(cause)}): the call is lost`;
      throw new SoftshardError('ERR_WORKER', message, { cause });
    }
  }

  async #runGang(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    const { members, signal, yields = false, onSteps } = options;
    this.#runningYields = yields;
    if (yields && this.#impatient > 0) this.#ask(Stop.yield);
    const cancel = () => this.#ask(Stop.cancel);
    const tellSteps = () => onSteps?.(Atomics.load(this.#words, ControlWord.stepsDone));
    const lookAfter = () => {
      tellSteps();
      if (yields && this.#waiting.size > 0) this.#ask(Stop.yield);
    };
    const looking = yields ? setInterval(lookAfter, LOOK_MS) : undefined;
    let failure: SoftshardError | undefined;
    try {
      signal?.addListener(cancel);
      const tasks = Array.from({ length: members }, (_, member) =>
        this.#workers.run({ ...job, member, members }).catch((cause: unknown): undefined => {
          // Once: who comes again when the call is lost must not be lost with it.
          if (failure !== undefined) return;
          failure = this.#workerError(cause);
          this.#rejectWaiting(failure);
          failGang(this.#words);
        }),
      );
      const results = await Promise.all(tasks);
      // Tasks of threads that are told to end reject at once: wait until those threads have let go of the memory.
      await this.#workers.ended;
      const isUnfinished = results.some(leftEarly);
      const stopped = failure ?? (isUnfinished ? this.#closed : undefined);
      if (stopped !== undefined) throw stopped;
      if (isUnfinished) signal?.throwIfAborted();
      return results as WorkerResult[];
    } finally {
      clearInterval(looking);
      tellSteps();
      signal?.removeListener(cancel);
    }
  }

  /** Makes sure of threads after some were lost: this call is not to meet another that is about to exit. */
  async #findThreads(): Promise<void> {
    for (let times = 0; times < ANSWERS; times++) if (await this.#workers.answer()) return;
    await this.#workers.end();
    if (this.#closed === undefined) this.#workers = this.#workers.again();
  }

  /** Sets the stop word unless something at least as urgent is there. */
  #ask(stop: Stop): void {
    const word = ControlWord.stop;
    const now = Atomics.load(this.#words, word);
    if (now < stop) Atomics.compareExchange(this.#words, word, now, stop);
  }

  #workerError(cause: unknown): SoftshardError {
    if (this.#closed !== undefined) return this.#closed;
    const what = messageOf(cause);
    const message = this.#workers.haveStarted
      ? `a worker thread failed (${what}): the call is lost, a new thread takes its place; call again`
      : `worker threads cannot start (${what}): the call is lost, the next one tries to start them again`;
    return new SoftshardError('ERR_WORKER', message, { cause });
  }

  #rejectWaiting(reason: SoftshardError): void {
    for (const waiter of [...this.#waiting]) waiter.reject(reason);
  }
}

/** Left work to be done; a diverged run has come to its end. */
const leftEarly = (result: WorkerResult | undefined): boolean =>
  result?.state === 'stopped' && result.stop !== Stop.diverged;

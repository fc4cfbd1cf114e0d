// Who works: gangs of worker threads, side by side where there are seats for all; tiny jobs are done by the calling thread at
// once.
import { setImmediate } from 'node:timers/promises';
import { messageOf, SoftshardError } from '../../errors.js';
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { leaveKernels } from '../../kernels/load.js';
import type { Ptr } from '../../kernels/ptr.js';
import {
  askToStop,
  ControlWord,
  failGang,
  type GangJob,
  Stop,
  type Tracer,
  type WorkerResult,
} from '../../workers/protocol.js';
import { runTask } from '../../workers/run-task.js';
import type { Cancellation } from '../cancellation.js';
import { availableThreads } from '../machine/available-threads.js';
import { isTiny, membersFor } from './job-size.js';
import { type ThreadSetup, Threads } from './threads.js';
import { Gang, Turns } from './turns.js';

export interface GangOptions {
  /** The most workers that may run it. They run at once, each with the job and its own `member` number. */
  readonly members: number;
  readonly signal?: Cancellation | undefined;
  /** Arrays of which the job works on a part: where they begin. No job that uses one of them runs beside it. */
  readonly arrays?: readonly Ptr[];
  /**
   * The job leaves early (Stop.yield) when another one needs its workers: at once, but for a patient one after some time. Its
   * caller comes again for the rest.
   */
  readonly yields?: boolean;
  /** A part of training: jobs that yield need not give way to it at once. Default: where it yields. */
  readonly isPatient?: boolean;
  /** Of a job that yields: asked now and then whether it is to leave at its next step, though nobody needs its workers. */
  readonly isDue?: (() => boolean) | undefined;
  /** Of a job that yields: told now and then, and once at the end, how many steps the gang has finished. Must not throw. */
  readonly onSteps?: (stepsDone: number) => void;
}

/**
 * Some 200 µs of looking at a barrier before sleeping: longer than members are usually apart. A member that sleeps is woken
 * late, has less time for shards than the others, and so waits for them again.
 */
const BARRIER_SPINS = 40_000;

/**
 * How often a gang that yields is looked after: its steps are told, and it gives way to others of its kind. Each time costs
 * two gangs a start, some 200 µs.
 */
const LOOK_MS = 20;

/** How often threads are asked whether they are there, before all are started anew. */
const ANSWERS = 3;

/**
 * A gang starts with all its members at once. They wait for each other at barriers, so two gangs that each held some of the
 * workers and waited for the rest would wait for ever.
 */
export class WorkerPool {
  readonly threads: number;
  /** How often members look at a barrier: where they outnumber processors, it steals one from whom they wait for. */
  readonly barrierSpins: number;
  readonly #kernels: Kernels;
  readonly #sgemm: Sgemm;
  readonly #turns: Turns;
  readonly #tracer: Tracer | undefined;
  #jobs = 0;
  #closed: SoftshardError | undefined;
  #workers: Threads;

  /** `seats`: zeroed memory of SEAT_BYTES for each worker and the calling thread. `tracer`: for what that does itself. */
  constructor(
    threads: number,
    seats: Ptr,
    setup: ThreadSetup,
    kernels: Kernels,
    sgemm: Sgemm,
    tracer?: Tracer,
  ) {
    this.threads = threads;
    this.barrierSpins = threads <= availableThreads() ? BARRIER_SPINS : 0;
    this.#kernels = kernels;
    this.#sgemm = sgemm;
    this.#tracer = tracer;
    this.#turns = new Turns(setup.memory.buffer, seats, threads);
    this.#workers = new Threads(threads, setup);
  }

  /**
   * Waits for its turn, runs the job (a record of its own each time) on its members at once and gives their results. Rejects with signal.reason when aborted,
   * with ERR_WORKER when one of its workers exits, or whoever runs the job throws; either way all members have left.
   */
  async run(job: GangJob, options: GangOptions): Promise<readonly WorkerResult[]> {
    const { signal, yields = false, isPatient = yields } = options;
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    const isHere = isTiny(job);
    const members = (isAmongOthers: boolean) =>
      isHere ? 1 : membersFor(job, options.members, isAmongOthers);
    const needsAll = () => !isHere && this.#workers.mayBeLost;
    const gang = new Gang({ job, arrays: options.arrays ?? [], members, needsAll, isPatient, isHere });
    await this.#turns.wait(gang, signal);
    try {
      // Tiny jobs one after the other would keep this thread from hearing of the gangs beside them.
      if (isHere && this.#turns.running.size > 1) await setImmediate();
      if (needsAll() && gang.seats.length === this.threads) await this.#findThreads(gang);
      if (this.#closed !== undefined) throw this.#closed;
      signal?.throwIfAborted();
      this.#turns.begin(gang, yields && !isHere);
      if (!isHere) return await this.#runGang(job, gang, options);
      const result = this.#runHere(job, gang);
      options.onSteps?.(Atomics.load(gang.control, ControlWord.stepsDone));
      return [result];
    } finally {
      this.#jobs++;
      this.#turns.end(gang);
    }
  }

  /** How many jobs have ended; undefined while one runs. */
  get idleAfter(): number | undefined {
    return this.#turns.running.size === 0 ? this.#jobs : undefined;
  }

  /** Rejects what waits, stops what runs, and ends the threads. */
  async close(reason: SoftshardError): Promise<void> {
    this.#closed ??= reason;
    this.#turns.rejectAll(reason);
    for (const { control } of this.#turns.running) failGang(control);
    await this.#workers.end();
  }

  #runHere(job: GangJob, gang: Gang): WorkerResult {
    try {
      const [context] = gang.contexts();
      // Not a copy, which would take a tenth of the call.
      return runTask(this.#kernels, this.#sgemm, gang.control, Object.assign(job, context!), this.#tracer);
    } catch (cause) {
      const message = `the calling thread failed at a tiny job (${messageOf(cause)}): the call is lost`;
      throw new SoftshardError('ERR_WORKER', message, { cause });
    } finally {
      leaveKernels();
    }
  }

  async #runGang(
    job: GangJob,
    gang: Gang,
    { signal, yields, isDue, onSteps }: GangOptions,
  ): Promise<readonly WorkerResult[]> {
    const { control } = gang;
    const cancel = () => askToStop(control, Stop.cancel);
    const tellSteps = () => onSteps?.(Atomics.load(control, ControlWord.stepsDone));
    const lookAfter = () => {
      tellSteps();
      this.#turns.lookAfter(gang);
      if (isDue?.()) askToStop(control, Stop.yield);
    };
    const looking = yields ? setInterval(lookAfter, LOOK_MS) : undefined;
    let failure: SoftshardError | undefined;
    try {
      signal?.addListener(cancel);
      const tasks = gang.contexts().map((context) =>
        this.#workers.run({ ...job, ...context }).catch((cause: unknown): undefined => {
          // Once: who comes again when the call is lost must not be lost with it.
          if (failure !== undefined) return;
          failure = this.#workerError(cause);
          this.#turns.rejectAll(failure);
          failGang(control);
        }),
      );
      const results = await Promise.all(tasks);
      // Tasks of threads that are told to end, or dropped, reject at once: wait until those threads have let go of the memory.
      await this.#workers.ended;
      if (failure !== undefined) await this.#workers.dropped();
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

  /**
   * Makes sure of threads after some were lost: this call is not to meet another that is about to exit. The gang has all seats,
   * so no other one meets them either; it keeps those of its members.
   */
  async #findThreads(gang: Gang): Promise<void> {
    try {
      const contexts = gang.contexts(this.threads);
      for (let times = 0; times < ANSWERS; times++) if (await this.#workers.answer(contexts)) return;
      await this.#workers.end();
      if (this.#closed === undefined) this.#workers = this.#workers.again();
    } finally {
      this.#turns.shrink(gang);
    }
  }

  #workerError(reason: unknown): SoftshardError {
    if (this.#closed !== undefined) return this.#closed;
    const { haveStarted, startFailure } = this.#workers;
    const cause = haveStarted ? reason : (startFailure ?? reason);
    const what = messageOf(cause);
    const message = haveStarted
      ? `a worker thread failed (${what}): the call is lost, a new thread takes its place; call again`
      : `worker threads cannot start (${what}): the call is lost, the next one tries to start them again`;
    return new SoftshardError('ERR_WORKER', message, { cause });
  }
}

/** Left work to be done; a diverged run has come to its end. */
const leftEarly = (result: WorkerResult | undefined): boolean =>
  result?.state === 'stopped' && result.stop !== Stop.diverged;

// The worker threads of an engine, from their start to their end: the only file that knows Piscina.
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { TYPE_FLOAT32 } from '../../kernels/loss-layout.js';
import { NULL_PTR } from '../../kernels/ptr.js';
import { type BlasSetup, blasSetup } from '../../workers/lazy-sgemm.js';
import { closeLoading, forgetLoading, type Loading, newLoading } from '../../workers/loading.js';
import type { GangContext, GangJob, MemberTask, WorkerResult, WorkerSetup } from '../../workers/protocol.js';

export type ThreadSetup = Omit<WorkerSetup, 'blas' | 'modules'> & {
  /** The file of the BLAS that threads load when they need it. */
  readonly blas: string | undefined;
};

/** How long the end waits for threads that load their modules. */
const LOADING_MS = 10_000;

/** No work: a thread that is about to exit does not even do that. */
const ANSWER: GangJob = {
  kind: 'rowOperation',
  operation: { kind: 'softmax' },
  input: NULL_PTR,
  output: NULL_PTR,
  sums: NULL_PTR,
  scratch: NULL_PTR,
  scratchBytes: 0,
  outer: 0,
  columns: 1,
  inner: 1,
  shardOuters: 1,
  shardInner: 1,
  tileRows: 1,
  type: TYPE_FLOAT32,
};

export class Threads {
  readonly #count: number;
  readonly #piscina: Piscina<unknown, WorkerResult>;
  readonly #blas: BlasSetup | undefined;
  readonly #modules: Loading = { loading: newLoading() };
  /** Those that have not yet loaded their modules. */
  readonly #loading = new Set<Worker>();
  /** All that have not exited, with their exits: those that Piscina has dropped too. */
  readonly #exits = new Map<Worker, Promise<void>>();
  readonly #known = new WeakSet<Worker>();
  #haveStarted = false;
  #startFailure: unknown;
  #mayBeLost = false;
  #ended: Promise<void> | undefined;

  constructor(count: number, { blas, ...setup }: ThreadSetup) {
    this.#count = count;
    this.#blas = blas === undefined ? undefined : blasSetup(blas);
    this.#piscina = new Piscina<unknown, WorkerResult>({
      filename: new URL('../../workers/load.cjs', import.meta.url).href,
      name: 'run',
      minThreads: count,
      maxThreads: count,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      workerData: { ...setup, modules: this.#modules, blas: this.#blas } satisfies WorkerSetup,
    });
    this.#watchLoading();
    this.#piscina.on('workerDestroy', () => {
      this.#mayBeLost = true;
      // By then Piscina has replaced the thread, but for one that fails while it loads: tasks would wait for that for ever.
      queueMicrotask(() => {
        this.#watchLoading();
        if (this.#piscina.threads.length < this.#count) void this.end();
      });
    });
    // Of a thread without a task. Piscina has replaced it.
    this.#piscina.on('error', () => {});
  }

  /** Whether a thread has exited or failed. Others may be about to, and Piscina gives them tasks until it hears of their exit. */
  get mayBeLost(): boolean {
    return this.#mayBeLost;
  }

  /** Whether all of them answer, after some were lost. Of each: the context of a gang that has all seats. */
  async answer(contexts: readonly GangContext[]): Promise<boolean> {
    if (this.#ended !== undefined) return false;
    this.#mayBeLost = false;
    const settled = await Promise.allSettled(contexts.map((context) => this.run({ ...ANSWER, ...context })));
    return settled.every(({ status }) => status === 'fulfilled') && !this.#mayBeLost;
  }

  /**
   * Resolves when the threads that Piscina has dropped have exited. It tells those that wait for a dropped thread at once, but
   * until its exit the thread may go on with its task, and write to memory.
   */
  async dropped(): Promise<void> {
    const kept = new Set(this.#piscina.threads);
    await Promise.all([...this.#exits].map(([thread, exit]) => (kept.has(thread) ? undefined : exit)));
  }

  /** False while none has come so far as to take a task. */
  get haveStarted(): boolean {
    return this.#haveStarted;
  }

  /** What the first thread threw that failed while it loaded; tasks of the others only hear that their thread is ended. */
  get startFailure(): unknown {
    return this.#startFailure;
  }

  /** As many new ones, after these have ended. */
  again(): Threads {
    return new Threads(this.#count, { ...this.#piscina.options.workerData, blas: this.#blas?.path });
  }

  /** Set once they are told to end. */
  get ended(): Promise<void> | undefined {
    return this.#ended;
  }

  /** Rejects with what the thread throws, or when it exits. */
  async run(task: MemberTask): Promise<WorkerResult> {
    const result: WorkerResult | null | undefined = await this.#piscina.run(task);
    // What Piscina makes of a task that throws null.
    if (result === null || result === undefined) throw new Error('it gave no result');
    return result;
  }

  /** Tasks reject. Resolves when all threads have let go of the memory. */
  end(): Promise<void> {
    this.#mayBeLost = true;
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /** A thread that is ended while it loads leaves files open, or with a BLAS aborts the process. */
  async #end(): Promise<void> {
    const begin = performance.now();
    const loadModules = () => closeLoading(this.#modules) && performance.now() - begin < LOADING_MS;
    const loadBlas = () => this.#blas !== undefined && closeLoading(this.#blas);
    while (loadModules() || loadBlas()) await setTimeout(1);
    await this.#piscina.destroy();
    await Promise.all(this.#exits.values());
  }

  #watchLoading(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#known.has(thread)) continue;
      this.#known.add(thread);
      this.#loading.add(thread);
      // Piscina's first message of a thread says that it takes tasks.
      thread.once('message', () => {
        this.#haveStarted = true;
        this.#loading.delete(thread);
      });
      thread.once('error', (error) => {
        if (this.#loading.has(thread)) this.#startFailure ??= error;
      });
      const { threadId } = thread;
      const exit = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
      this.#exits.set(thread, exit);
      void exit.then(() => {
        this.#exits.delete(thread);
        this.#loading.delete(thread);
        // It may have died while it loaded.
        forgetLoading(this.#modules, threadId);
        if (this.#blas !== undefined) forgetLoading(this.#blas, threadId);
      });
    }
  }
}

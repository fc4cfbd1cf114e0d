// The worker threads of an engine, from their start to their end: the only file that knows Piscina.
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { TYPE_FLOAT32 } from '../../kernels/loss-layout.js';
import { type BlasSetup, blasSetup } from '../../workers/lazy-sgemm.js';
import { closeLoading, type Loading, newLoading } from '../../workers/loading.js';
import type { GangJob, WorkerResult, WorkerSetup } from '../../workers/protocol.js';

export type ThreadSetup = Omit<WorkerSetup, 'blas' | 'modules'> & {
  /** The file of the BLAS that threads load when they need it. */
  readonly blas: string | undefined;
};

/** Threads that load their modules are not ended before they have, but for those that take so long. */
const LOADING_MS = 10_000;

/** Nothing to do: a thread that is about to exit does not even do that. */
const ANSWER: GangJob = {
  kind: 'rowOperation',
  operation: { kind: 'softmax' },
  input: 0,
  output: 0,
  sums: 0,
  scratch: 0,
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
  readonly #known = new WeakSet<Worker>();
  #haveStarted = false;
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
    // Of a thread without a task. It is then destroyed, which is all there is to do about it.
    this.#piscina.on('error', () => {});
  }

  /** Whether a thread has exited or failed, so that others may be about to: Piscina hands tasks to them until their exit is told. */
  get mayBeLost(): boolean {
    return this.#mayBeLost;
  }

  /** Whether all of them answer, after some were lost. */
  async answer(): Promise<boolean> {
    if (this.#ended !== undefined) return false;
    this.#mayBeLost = false;
    const members = this.#count;
    const answers = Array.from({ length: members }, (_, member) => this.run({ ...ANSWER, member, members }));
    const settled = await Promise.allSettled(answers);
    return settled.every(({ status }) => status === 'fulfilled') && !this.#mayBeLost;
  }

  /** False while none has come so far as to take a task. */
  get haveStarted(): boolean {
    return this.#haveStarted;
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
  async run(task: GangJob & { readonly member: number; readonly members: number }): Promise<WorkerResult> {
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
    // A thread that dies while it loads stays counted.
    const loadModules = () =>
      closeLoading(this.#modules) && this.#loading.size > 0 && performance.now() - begin < LOADING_MS;
    const loadBlas = () => this.#blas !== undefined && closeLoading(this.#blas);
    while (loadModules() || loadBlas()) await setTimeout(1);
    await this.#piscina.destroy();
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
      thread.once('exit', () => this.#loading.delete(thread));
    }
  }
}

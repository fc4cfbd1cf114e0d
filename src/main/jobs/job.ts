// A job from its submission to its end, as its owner sees it: a handle.
import type { JobProgress } from './progress.js';

export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

/**
 * Iterating gives its progress, from the oldest report that is kept, and ends with the job, whatever becomes of it: result says
 * that. Who reads slowly misses old reports; who stops reading does not stop the job.
 */
export interface Job<Result> extends AsyncIterable<JobProgress> {
  /** Of this engine, in order of submission, from 1. */
  readonly id: number;
  readonly kind: string;
  readonly priority: number;
  readonly state: JobState;
  /** The last report. */
  readonly progress: JobProgress | undefined;
  /**
   * What the call gives. Rejects with its error; with the reason of a cancel or of the signal; with ERR_CLOSED where the engine
   * closes. It need not be asked for: then a failure is silent.
   */
  result(): Promise<Result>;
  /**
   * A job that waits ends at once, one that runs as soon as its call does, at the next step. Afterwards it does nothing. `reason`:
   * what result rejects with; default an AbortError.
   */
  cancel(reason?: unknown): void;
}

/** Reports that are kept for those who read them late. */
const KEPT = 16;

/** The work of a job. `report` must not be called when it has ended. */
export type Work<Result> = (terms: {
  readonly signal: AbortSignal;
  readonly report: (progress: JobProgress) => void;
}) => Promise<Result>;

export interface JobTerms<Result> {
  readonly id: number;
  readonly kind: string;
  readonly priority: number;
  readonly work: Work<Result>;
  /** It has ended, or is cancelled while it waits. */
  readonly onEnd: () => void;
}

/** The queue's side of it: it says when the job begins. */
export class QueuedJob<Result> implements Job<Result> {
  readonly id: number;
  readonly kind: string;
  readonly priority: number;
  readonly #work: Work<Result>;
  readonly #onEnd: () => void;
  readonly #abort = new AbortController();
  readonly #result: Promise<Result>;
  #resolve: (result: Result) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #state: JobState = 'waiting';
  /** The newest reports, and how many there have been. */
  readonly #reports: JobProgress[] = [];
  #count = 0;
  /** Those that wait for the next report, or the end. */
  readonly #readers: (() => void)[] = [];

  constructor({ id, kind, priority, work, onEnd }: JobTerms<Result>) {
    this.id = id;
    this.kind = kind;
    this.priority = priority;
    this.#work = work;
    this.#onEnd = onEnd;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whether anybody asks for it or not.
    this.#result.catch(() => {});
  }

  get state(): JobState {
    return this.#state;
  }

  get progress(): JobProgress | undefined {
    return this.#reports.at(-1);
  }

  result(): Promise<Result> {
    return this.#result;
  }

  cancel(reason: unknown = new DOMException('The job was cancelled', 'AbortError')): void {
    if (this.#state === 'running') this.#abort.abort(reason);
    if (this.#state === 'waiting') this.#end('cancelled', () => this.#reject(reason));
  }

  /** To be called once, of a job that waits. */
  async begin(): Promise<void> {
    this.#state = 'running';
    const { signal } = this.#abort;
    try {
      const result = await this.#work({ signal, report: (progress) => this.#report(progress) });
      this.#end('done', () => this.#resolve(result));
    } catch (error) {
      const isCancelled = signal.aborted && error === signal.reason;
      this.#end(isCancelled ? 'cancelled' : 'failed', () => this.#reject(error));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JobProgress, void, void> {
    for (let next = 0; ; ) {
      const first = this.#count - this.#reports.length;
      const progress = this.#reports[Math.max(next, first) - first];
      if (progress !== undefined) {
        next = Math.max(next, first) + 1;
        yield progress;
      } else if (this.#state === 'waiting' || this.#state === 'running') {
        await new Promise<void>((resolve) => this.#readers.push(resolve));
      } else return;
    }
  }

  #report(progress: JobProgress): void {
    if (this.#state !== 'running') return;
    this.#reports.push(progress);
    if (this.#reports.length > KEPT) this.#reports.shift();
    this.#count++;
    this.#tell();
  }

  #end(state: JobState, settle: () => void): void {
    this.#state = state;
    settle();
    this.#tell();
    this.#onEnd();
  }

  #tell(): void {
    for (const read of this.#readers.splice(0)) read();
  }
}

// The line of an engine's jobs: some at a time, by priority, and first come first served within one.
import { checkInteger } from '../checks.js';
import { resourcesOf } from '../dispatch/resources.js';
import type { Engine } from '../engine.js';
import type { Calibration } from '../models/calibration.js';
import type { Evaluation } from '../models/evaluation.js';
import type { FitResult } from '../training/fit-result.js';
import type { FitManyResult } from '../training/many/many-result.js';
import { type Job, QueuedJob } from './job.js';
import {
  type CalibrateJob,
  checkJob,
  type EvaluateJob,
  type FitJob,
  type FitManyJob,
  type JobSpec,
  type PredictJob,
  type TaskJob,
  workOf,
} from './job-specs.js';

/** Jobs take turns with each other; calls beside them need no job, and get their turn between steps (docs/jobs.md). */
export class Jobs {
  readonly #engine: Engine;
  #concurrency = 1;
  #submitted = 0;
  /** In the order in which they begin. */
  readonly #waiting: QueuedJob<unknown>[] = [];
  readonly #running = new Set<QueuedJob<unknown>>();

  /** Throws ERR_CLOSED. */
  constructor(engine: Engine) {
    this.#engine = engine;
    const { closing } = resourcesOf(engine);
    closing.addListener(() => {
      for (const job of this.list) job.cancel(closing.reason);
    });
  }

  /** How many run at once; default 1. Jobs that run go on where it is lowered. */
  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(count: number) {
    this.#concurrency = checkInteger('concurrency', count, 1, Number.MAX_SAFE_INTEGER);
    this.#beginNext();
  }

  /** Those that run, then those that wait, in the order in which they begin. Ended ones are forgotten. */
  get list(): readonly Job<unknown>[] {
    return [...this.#running, ...this.#waiting];
  }

  /**
   * Puts a job in the line and gives its handle. Throws ERR_OPTION for what is no job, and ERR_CLOSED; what its call finds wrong,
   * the handle's result rejects with.
   */
  submit(job: FitJob): Job<FitResult>;
  submit(job: FitManyJob): Job<FitManyResult>;
  submit(job: EvaluateJob): Job<Evaluation>;
  submit(job: CalibrateJob): Job<Calibration>;
  submit(job: PredictJob): Job<Int32Array>;
  submit<Result>(job: TaskJob<Result>): Job<Result>;
  submit(spec: JobSpec): Job<unknown> {
    resourcesOf(this.#engine);
    const { priority, signal } = checkJob(spec);
    const onAbort = () => job.cancel(signal?.reason);
    const job = new QueuedJob<unknown>({
      id: ++this.#submitted,
      kind: spec.kind,
      priority,
      work: workOf(this.#engine, spec),
      onEnd: () => {
        signal?.removeListener(onAbort);
        this.#forget(job);
      },
    });
    const behind = this.#waiting.findIndex((other) => other.priority < priority);
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, job);
    signal?.addListener(onAbort);
    this.#beginNext();
    return job;
  }

  #forget(job: QueuedJob<unknown>): void {
    const place = this.#waiting.indexOf(job);
    if (place >= 0) this.#waiting.splice(place, 1);
    this.#running.delete(job);
    this.#beginNext();
  }

  #beginNext(): void {
    while (this.#running.size < this.#concurrency) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#running.add(job);
      void job.begin();
    }
  }
}

const jobsOf = new WeakMap<Engine, Jobs>();

/** The only ones of an engine. */
export function jobsOfEngine(engine: Engine): Jobs {
  const known = jobsOf.get(engine);
  if (known !== undefined) return known;
  const jobs = new Jobs(engine);
  jobsOf.set(engine, jobs);
  return jobs;
}

// Whether the row kernels fetch rows ahead, found out anew by each thread in each job large enough: on one processor rows from
// memory are a third faster with it, on another a third slower (see kernels/assembly/rows/prefetch.ts). No bit depends on it.
import type { Kernels } from '../../kernels/kernels.js';

/** Runs of shards that are timed, without and with fetching in turns. The shortest of each way counts. */
const TRIALS = 8;
/** With fewer runs to expect, trying would cost as much as it gains: rows are fetched. */
const LEAST_RUNS = 4 * TRIALS;

const clock = () => performance.now();

export class RowFetching {
  readonly #kernels: Kernels;
  readonly #now: () => number;
  readonly #shortest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #trial: number;
  #trialBegin = 0;
  #inRun = false;

  /** runs: of shards, as this thread can expect to get; now: a clock. */
  constructor(kernels: Kernels, runs: number, now = clock) {
    this.#kernels = kernels;
    this.#now = now;
    this.#trial = runs < LEAST_RUNS ? TRIALS + 1 : 0;
  }

  /** Before each shard. goesOn: the next one is this thread's too, and in the same run. */
  beginShard(goesOn: boolean): void {
    if (!this.#inRun && this.#trial <= TRIALS) this.#beginTrial();
    this.#inRun = goesOn;
    this.#kernels.prefetchBeyond(goesOn ? 1 : 0);
  }

  #beginTrial(): void {
    const now = this.#now();
    if (this.#trial > 0) {
      const way = (this.#trial - 1) % 2;
      this.#shortest[way] = Math.min(this.#shortest[way]!, now - this.#trialBegin);
    }
    const [without, fetched] = this.#shortest as [number, number];
    const fetches = this.#trial < TRIALS ? this.#trial % 2 === 1 : fetched <= without;
    this.#kernels.usePrefetch(fetches ? 1 : 0);
    this.#trialBegin = now;
    this.#trial++;
  }
}

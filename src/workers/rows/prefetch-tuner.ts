// Decides whether the row kernels prefetch the next rows. Prefetching makes rows from memory a third faster on one processor
// and a third slower on another (see kernels/assembly/rows/prefetch.ts), so each thread times both ways in each large job. No bit
// depends on it.
import type { Kernels } from '../../kernels/kernels.js';

/** Timed runs of shards, alternating without and with prefetching. The shortest of each way counts. */
const TRIALS = 8;
/** With fewer runs a trial costs as much as it gains: rows are prefetched. */
const LEAST_RUNS = 4 * TRIALS;

const clock = () => performance.now();

export class PrefetchTuner {
  readonly #kernels: Kernels;
  readonly #now: () => number;
  readonly #shortest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #trial: number;
  #trialBegin = 0;
  #inRun = false;

  /** runs: the number of runs of shards that this thread can expect; now: a clock. */
  constructor(kernels: Kernels, runs: number, now = clock) {
    this.#kernels = kernels;
    this.#now = now;
    this.#trial = runs < LEAST_RUNS ? TRIALS + 1 : 0;
  }

  /** Before each shard. hasNext: this thread computes the next one too, in the same run. */
  beginShard(hasNext: boolean): void {
    if (!this.#inRun && this.#trial <= TRIALS) this.#beginTrial();
    this.#inRun = hasNext;
    this.#kernels.prefetchBeyond(hasNext ? 1 : 0);
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

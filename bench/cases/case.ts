// What the runner needs of a benchmark case, whatever it measures.
import type { Engine } from '#softshard/main/index.js';
import type { MemoryPattern } from '#softshard/main/scaling/roofs.js';

/** How a call uses memory that does not fit into caches. */
export interface Traffic {
  /** The probe that uses it in the same way. */
  readonly pattern: MemoryPattern;
  /** That programs ask for, of a call: each matrix once for each reading and each writing. */
  readonly bytes: number;
}

export interface BenchCase {
  readonly name: string;
  readonly shape: string;
  /** Part of --quick. */
  readonly quick: boolean;
  /** What prepare allocates, for each engine. */
  readonly bytes: number;
  /** Work of one timed call (or of the duration it reports), in units of 10^9 of `rateUnit` a second. */
  readonly work: number;
  readonly rateUnit: 'Ge/s' | 'GFLOP/s';
  /** Where the matrices are larger than caches. */
  readonly traffic?: Traffic;
  prepare(engine: Engine): PreparedCase;
}

export interface PreparedCase {
  /** Throws where the engine's result is not the reference's. Called once, before any timing. */
  check(): Promise<void>;
  /** As a Contestant's. */
  run(): Promise<number | undefined>;
  free(): void;
}

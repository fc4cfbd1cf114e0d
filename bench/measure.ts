// What the benchmarks keep of timings in turns: the package's own measuring code, with the percentiles of their pages.
import {
  type Contestant,
  type Effort,
  measureInTurns as timeInTurns,
} from '#softshard/main/scaling/measure.js';
import type { CoreUse } from '#softshard/main/scaling/processor-time.js';
import { type Summary, summarize } from './statistics.js';

export interface Measurement extends Summary {
  readonly cores: CoreUse;
}

/** One measurement a contestant, in their order. */
export async function measureInTurns(
  contestants: readonly Contestant[],
  effort: Effort,
): Promise<Measurement[]> {
  const timings = await timeInTurns(contestants, effort);
  return timings.map(({ samplesMs, cores }) => ({ ...summarize(samplesMs), cores }));
}

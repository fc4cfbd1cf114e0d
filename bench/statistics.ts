// What a set of timings is summed up to.
import { quantile } from '#softshard/main/scaling/statistics.js';

export interface Summary {
  readonly medianMs: number;
  /** The 20th and 80th percentile: how far apart they are says how noisy the machine was. */
  readonly p20Ms: number;
  readonly p80Ms: number;
  readonly samples: number;
}

/** Throws RangeError for no samples. */
export function summarize(samplesMs: readonly number[]): Summary {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  return {
    medianMs: quantile(sorted, 0.5),
    p20Ms: quantile(sorted, 0.2),
    p80Ms: quantile(sorted, 0.8),
    samples: sorted.length,
  };
}

export const median = (samples: readonly number[]): number => summarize(samples).medianMs;

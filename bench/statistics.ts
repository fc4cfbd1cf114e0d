// What a set of timings is summed up to.

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

/** Of ascending values, linear between neighbors (type 7 of Hyndman and Fan, "Sample quantiles", 1996). */
export function quantile(sorted: readonly number[], fraction: number): number {
  if (sorted.length === 0) throw new RangeError('no samples: nothing was measured');
  const position = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(position)]!;
  const above = sorted[Math.ceil(position)]!;
  return below + (above - below) * (position - Math.floor(position));
}

export const median = (samples: readonly number[]): number => summarize(samples).medianMs;

// What a set of timings is summed up to.

/** How far apart the quartiles may be, of the median, before a figure says more of the machine than of what was measured. */
export const MOST_SPREAD = 0.1;

export interface Quartiles {
  readonly medianMs: number;
  /** The first and the third quartile. */
  readonly q1Ms: number;
  readonly q3Ms: number;
  readonly samples: number;
}

/** Throws RangeError for no samples. */
export function quartiles(samplesMs: readonly number[]): Quartiles {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  return {
    medianMs: quantile(sorted, 0.5),
    q1Ms: quantile(sorted, 0.25),
    q3Ms: quantile(sorted, 0.75),
    samples: sorted.length,
  };
}

/** The interquartile range, of the median. */
export const spreadOf = ({ medianMs, q1Ms, q3Ms }: Quartiles): number => (q3Ms - q1Ms) / medianMs;

/** Of ascending values, linear between neighbors (type 7 of Hyndman and Fan, "Sample quantiles", 1996). */
export function quantile(sorted: readonly number[], fraction: number): number {
  if (sorted.length === 0) throw new RangeError('no samples: nothing was measured');
  const position = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(position)]!;
  const above = sorted[Math.ceil(position)]!;
  return below + (above - below) * (position - Math.floor(position));
}

// From timings to figures: speed-up, efficiency, rates, and shares of the roofs.
import type { Timings } from './measure.js';
import type { ScalingPoint } from './result.js';
import type { Roof } from './roofs.js';
import { quartiles, spreadOf } from './statistics.js';
import type { Work } from './workloads/workload.js';

export interface Timed {
  readonly threads: number;
  /** Left out: 1. */
  readonly ranks?: number;
  readonly rows: number;
  readonly work: Work;
  readonly timings: Timings;
}

/**
 * In the order of `timed`; the first has the fewest threads, and counts as that many times one. Where one of them is of several
 * ranks, ranks count in the place of threads, and roofs are of a rank.
 */
export function scalingPoints(timed: readonly Timed[], roofs: readonly Roof[]): ScalingPoint[] {
  const summaries = timed.map(({ timings }) => quartiles(timings.samplesMs));
  const rate = (index: number) => timed[index]!.rows / summaries[index]!.medianMs;
  const isOfRanks = timed.some(({ ranks = 1 }) => ranks > 1);
  const unitsOf = ({ threads, ranks = 1 }: Timed) => (isOfRanks ? ranks : threads);
  return timed.map((one, index) => {
    const { threads, ranks = 1, rows, work, timings } = one;
    const summary = summaries[index]!;
    const speedup = (unitsOf(timed[0]!) * rate(index)) / rate(0);
    // 10⁹ a second are 10⁶ a millisecond.
    const gbPerSecond = work.bytes / summary.medianMs / 1e6;
    const gflops = work.flops / summary.medianMs / 1e6;
    const roof = roofs.find((one) => one.threads === threads);
    return {
      threads,
      ranks,
      rows,
      ...summary,
      spread: spreadOf(summary),
      otherCores: timings.cores.others,
      speedup,
      efficiency: speedup / unitsOf(one),
      gbPerSecond,
      gflops,
      memoryShare: roof === undefined ? Number.NaN : gbPerSecond / ranks / roof.gbPerSecond[work.pattern],
      arithmeticShare: roof === undefined ? Number.NaN : gflops / ranks / roof.gflops,
    };
  });
}

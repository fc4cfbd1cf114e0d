// Measurements made up from rates, without a machine.
import type { Scaling } from '#softshard/main/index.js';
import { scalingPoints } from '#softshard/main/scaling/points.js';
import { scalingVerdict } from '#softshard/main/scaling/verdict.js';

/** 10 GB/s and 50 GFLOP/s a thread; memory stops at 20 GB/s. */
export const roofs: readonly Scaling.Roof[] = [1, 2, 4].map((threads) => {
  const rate = Math.min(20, 10 * threads);
  return {
    threads,
    gbPerSecond: { write: rate, read: rate, scale: rate, copy: rate },
    gflops: 50 * threads,
  };
});

export const CALL_ROWS = 1000;

/** Strong scaling on 1, 2, 4, … threads: times of a call in ms, of so many bytes and operations. */
export const strongPoints = (
  timesMs: readonly number[],
  { bytes = 0, flops = 0 }: { bytes?: number; flops?: number },
  spread = 0,
): Scaling.ScalingPoint[] =>
  scalingPoints(
    timesMs.map((ms, index) => ({
      threads: 2 ** index,
      rows: CALL_ROWS,
      work: { bytes, flops, pattern: 'copy' },
      timings: { samplesMs: [ms * (1 - spread), ms, ms * (1 + spread)], cores: { own: 1, others: 0 } },
    })),
    roofs,
  );

export function scalingResult(
  timesMs: readonly number[],
  changes: Partial<Scaling.WorkloadScaling> = {},
  environment: Partial<Scaling.ScalingEnvironment> = {},
): Scaling.ScalingResult {
  const strong = strongPoints(timesMs, { bytes: 1e8, flops: 1e8 });
  const workload: Scaling.WorkloadScaling = {
    operation: 'softmax',
    preset: 'vocab',
    rows: CALL_ROWS,
    columns: 100,
    features: undefined,
    classes: undefined,
    bitsEqual: true,
    strong,
    weak: strong,
    verdict: scalingVerdict(strong),
    tried: [],
    ...changes,
  };
  return {
    kind: 'softshard scaling',
    environment: {
      date: '2026-11-30T12:00:00.000Z',
      softshard: '0.1.0',
      node: '24.0.0',
      v8: '13',
      platform: 'linux x64',
      cpu: 'a processor',
      cores: 4,
      memoryBytes: 2 ** 34,
      loadBefore: 0,
      numerics: 'fast',
      wideSimd: false,
      blas: undefined,
      ...environment,
    },
    quick: false,
    durationMs: 1000,
    threads: [1, 2, 4],
    roofs,
    workloads: [workload],
    recommendation: { threads: 4, wideSimd: false, blas: false, text: '4 threads, the default.' },
    warnings: [],
  };
}

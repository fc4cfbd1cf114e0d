// What makes figures doubtful.
import type { CheckedScalingOptions } from './options.js';
import { shapeText } from './plan.js';
import type { ScalingEnvironment, ScalingPoint, WorkloadScaling } from './result.js';
import { MOST_SPREAD } from './statistics.js';

/** Cores that others may keep busy: clocks of processor time are coarse. */
const MOST_OTHER_CORES = 0.2;

export function scalingWarnings(
  workloads: readonly WorkloadScaling[],
  { cores }: Pick<ScalingEnvironment, 'cores'>,
  { threads, quick }: Pick<CheckedScalingOptions, 'threads' | 'quick'>,
): string[] {
  const warnings: string[] = [];
  const different = workloads.filter(({ bitsEqual }) => !bitsEqual);
  for (const workload of different) {
    warnings.push(
      `${workload.operation} ${shapeText(workload)}: the bits differ between numbers of threads, which is a bug of softshard: please report it`,
    );
  }
  if (quick) warnings.push('a quick run: shapes and rounds are too small for figures');
  const points = workloads.flatMap(({ strong, weak }) => [...strong, ...weak.slice(0, -1)]);
  const noisy = points.filter(({ spread }) => spread > MOST_SPREAD);
  if (noisy.length > 0) {
    const worst = Math.max(...noisy.map(({ spread }) => spread));
    warnings.push(
      `${noisy.length} of ${points.length} figures vary by more than ${percent(MOST_SPREAD)} between their quartiles, up to ${percent(worst)}: ` +
        'the machine was not quiet, or its clock rate changes; measure again, or for longer',
    );
  }
  const others = medianOf(points.map(({ otherCores }: ScalingPoint) => otherCores));
  if (others > MOST_OTHER_CORES) {
    warnings.push(
      `other processes kept ${others.toFixed(1)} cores busy: large numbers of threads did not have the cores they were counted on`,
    );
  }
  const most = threads.at(-1)!;
  if (most > cores) {
    warnings.push(`${most} threads are more than the ${cores} that this process may use at once`);
  }
  return warnings;
}

const medianOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const percent = (share: number): string => `${Math.round(100 * share)} %`;

// Two measurements of the same workloads set against each other: what is slower or faster beyond noise.
import { checkScalingResult } from './check-result.js';
import { shapeText } from './plan.js';
import type {
  ComparedPoint,
  ScalingComparison,
  ScalingPoint,
  ScalingResult,
  WorkloadScaling,
} from './result.js';
import type { Quartiles } from './statistics.js';

/** Two copies of one build differ by as much from run to run: what lies within is no change. */
const SAME = 1.06;

/** Throws ERR_FORMAT where one of them is no measurement. */
export function compareScaling(beforeGiven: ScalingResult, afterGiven: ScalingResult): ScalingComparison {
  const before = checkScalingResult('before', beforeGiven);
  const after = checkScalingResult('after', afterGiven);
  const points: ComparedPoint[] = [];
  let unmatched = 0;
  for (const workload of after.workloads) {
    const match = before.workloads.find((other) => keyOf(other) === keyOf(workload));
    for (const kind of ['strong', 'weak'] as const) {
      // That of the most threads is among the strong ones.
      for (const point of kind === 'strong' ? workload.strong : workload.weak.slice(0, -1)) {
        const old = match?.[kind].find(
          ({ threads, ranks, rows }) =>
            threads === point.threads && ranks === point.ranks && rows === point.rows,
        );
        if (old === undefined) unmatched++;
        else {
          const { threads, ranks } = point;
          points.push({ ...about(workload), kind, threads, ranks, ...changeOf(old, point) });
        }
      }
    }
  }
  return { points, differences: differencesOf(before, after), unmatched };
}

const about = (workload: WorkloadScaling) => ({
  operation: workload.operation,
  preset: workload.preset,
  shape: shapeText(workload),
});

const keyOf = (workload: WorkloadScaling): string => `${workload.operation} ${shapeText(workload)}`;

function changeOf(before: ScalingPoint, after: ScalingPoint) {
  const band = ratioOf(before, after);
  const { low, high } = band;
  const change: ComparedPoint['change'] = high * SAME < 1 ? 'slower' : low > SAME ? 'faster' : 'same';
  return { beforeMs: before.medianMs, afterMs: after.medianMs, ...band, change };
}

/** How many times as fast `after` is as `before`, by medians and by quartiles. */
export const ratioOf = (before: Quartiles, after: Quartiles) => ({
  ratio: before.medianMs / after.medianMs,
  low: before.q1Ms / after.q3Ms,
  high: before.q3Ms / after.q1Ms,
});

const COMPARED = ['cpu', 'cores', 'node', 'platform', 'softshard', 'numerics', 'wideSimd', 'blas'] as const;

const differencesOf = (before: ScalingResult, after: ScalingResult): string[] =>
  COMPARED.flatMap((name) => {
    const [old, now] = [before.environment[name] ?? 'none', after.environment[name] ?? 'none'];
    return old === now ? [] : [`${name}: ${old} before, ${now} now`];
  });

// The charts of a scaling measurement: speed-up, efficiency, and workloads below their roofs.
import type { ScalingPoint, WorkloadScaling } from '../../scaling/result.js';
import type { Roof } from '../../scaling/roofs.js';
import { lineChart, type Series } from '../charts/line-chart.js';

const SHORT_NAMES: Readonly<Record<string, string>> = {
  softmax: 'softmax',
  crossEntropyGradient: 'cross-entropy',
  linearCrossEntropy: 'linear cross-entropy',
  trainingStep: 'training step',
  fullBatchPass: 'full-batch pass',
};

const nameOf = (operation: string): string => SHORT_NAMES[operation] ?? operation;

/** What differs between the points of a workload. */
export type Units = 'threads' | 'ranks';

/** Speed-up, with what the quartiles leave open. */
export function strongChart(workloads: readonly WorkloadScaling[], units: Units): string {
  const counts = workloads[0]?.strong.map((point) => point[units]) ?? [];
  return lineChart({
    title: `Strong scaling: speed-up by number of ${units}`,
    xTitle: `${units} (log)`,
    yTitle: 'speed-up',
    isLogX: true,
    isLogY: true,
    series: [
      ...workloads.map(({ operation, strong }) => ({
        name: nameOf(operation),
        points: strong.map((point) => ({
          x: point[units],
          y: point.speedup,
          ...bandOf(point, point.speedup),
        })),
      })),
      { name: 'ideal', points: counts.map((count) => ({ x: count, y: count })) },
    ],
  });
}

/** Efficiency. */
export function weakChart(workloads: readonly WorkloadScaling[], units: Units): string {
  const counts = workloads[0]?.weak.map((point) => point[units]) ?? [];
  return lineChart({
    title: `Weak scaling: efficiency by number of ${units}`,
    xTitle: `${units} (log)`,
    yTitle: 'efficiency, %',
    isLogX: true,
    series: [
      ...workloads.map(({ operation, weak }) => ({
        name: nameOf(operation),
        points: weak.map((point) => ({
          x: point[units],
          y: 100 * point.efficiency,
          ...bandOf(point, 100 * point.efficiency),
        })),
      })),
      { name: 'ideal', points: counts.map((count) => ({ x: count, y: 100 })) },
    ],
  });
}

/** Of what is larger the faster a call is. */
const bandOf = ({ medianMs, q1Ms, q3Ms }: ScalingPoint, value: number) => ({
  low: (value * medianMs) / q3Ms,
  high: (value * medianMs) / q1Ms,
});

/** GFLOP/s by operations a byte, on the fewest and the most threads, both by logarithms. */
export function rooflineChart(workloads: readonly WorkloadScaling[], roofs: readonly Roof[]): string {
  const shown = [...new Set([roofs[0]!, roofs.at(-1)!])];
  const counts = new Set(shown.map(({ threads }) => threads));
  const dots = workloads.map(({ operation, strong }): Series => {
    const points = strong.filter(({ threads }) => counts.has(threads));
    return {
      name: nameOf(operation),
      points: points.map((point) => ({
        x: intensityOf(point),
        y: point.gflops,
        text: `${point.gflops.toFixed(1)} GFLOP/s on ${threadsText(point.threads)}`,
      })),
    };
  });
  const places = dots.flatMap(({ points }) => points.map(({ x }) => x));
  const ridges = shown.map(({ gflops, gbPerSecond }) => gflops / gbPerSecond.copy);
  const [from, to] = [Math.min(...places, ...ridges) / 4, Math.max(...places, ...ridges) * 2];
  return lineChart({
    title: 'Roofline: operations a second by operations a byte',
    xTitle: 'operations a byte (log)',
    yTitle: 'GFLOP/s',
    isLogX: true,
    isLogY: true,
    series: [...dots, ...shown.map((roof, index) => roofLine(roof, from, ridges[index]!, to))],
  });
}

const intensityOf = ({ gflops, gbPerSecond }: ScalingPoint): number => gflops / gbPerSecond;

const roofLine = (
  { threads, gflops, gbPerSecond }: Roof,
  from: number,
  ridge: number,
  to: number,
): Series => ({
  name: `roof, ${threadsText(threads)}`,
  points: [
    { x: from, y: from * gbPerSecond.copy },
    { x: ridge, y: gflops },
    { x: to, y: gflops },
  ],
});

const threadsText = (threads: number): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

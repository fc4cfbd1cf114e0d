// What a run of `npm run bench` results in: rows, their Markdown table, and the JSON file that other tools read.
import type { Numerics } from '#softshard/kernels/load.js';
import type { MemoryPattern } from '#softshard/main/scaling/roofs.js';
import type { Environment } from './environment.js';
import { environmentLine } from './environment.js';
import type { Latencies } from './latency/latency.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import type { Measurement } from './measure.js';
import type { Quantities } from './outcomes.js';
import type { Bandwidth, MachineLimits } from './probes/memory.js';
import type { Summary } from './statistics.js';

export interface BenchRow extends Measurement {
  readonly case: string;
  readonly shape: string;
  readonly numerics: Numerics;
  readonly threads: number;
  readonly rate: number;
  readonly rateUnit: string;
  /** Against one thread of the same case, shape and build; null where one thread was not measured. */
  readonly speedup: number | null;
  /** speedup / threads. */
  readonly efficiency: number | null;
  /** Of cases whose matrices are larger than caches: what they asked of memory, to be set against the same probe. */
  readonly traffic?: { readonly pattern: MemoryPattern; readonly gbPerSecond: number };
}

export interface BenchResults {
  readonly kind: 'softshard bench';
  readonly environment: Environment;
  /** Rounds too short for figures. */
  readonly quick: boolean;
  readonly rows: readonly BenchRow[];
  /** Cases that were left out, and why. */
  readonly skipped: readonly string[];
  /** What the targets take from here. */
  readonly quantities: Quantities;
  readonly latencies?: Latencies;
  readonly machine?: MachineLimits;
}

export type MeasuredRow = Omit<BenchRow, 'speedup' | 'efficiency'>;

export function withSpeedups(rows: readonly MeasuredRow[]): BenchRow[] {
  return rows.map((row) => {
    const single = rows.find(
      (other) =>
        other.threads === 1 &&
        other.case === row.case &&
        other.shape === row.shape &&
        other.numerics === row.numerics,
    );
    const speedup = single === undefined ? null : single.medianMs / row.medianMs;
    return { ...row, speedup, efficiency: speedup === null ? null : speedup / row.threads };
  });
}

const columnsOf = (machine: MachineLimits | undefined): readonly Column<BenchRow>[] => [
  { heading: 'case', align: 'left', cell: (row) => row.case },
  { heading: 'shape', align: 'left', cell: (row) => row.shape },
  { heading: 'build', align: 'left', cell: (row) => row.numerics },
  { heading: 'threads', align: 'right', cell: (row) => String(row.threads) },
  { heading: 'median ms', align: 'right', cell: (row) => threeDigits(row.medianMs) },
  { heading: 'p20', align: 'right', cell: (row) => threeDigits(row.p20Ms) },
  { heading: 'p80', align: 'right', cell: (row) => threeDigits(row.p80Ms) },
  { heading: 'samples', align: 'right', cell: (row) => String(row.samples) },
  { heading: 'cores', align: 'right', cell: (row) => row.cores.own.toFixed(1) },
  { heading: 'others', align: 'right', cell: (row) => row.cores.others.toFixed(1) },
  { heading: 'rate', align: 'right', cell: (row) => `${threeDigits(row.rate)} ${row.rateUnit}` },
  {
    heading: '× 1 thread',
    align: 'right',
    cell: ({ speedup }) => (speedup === null ? '' : speedup.toFixed(2)),
  },
  {
    heading: 'efficiency',
    align: 'right',
    cell: ({ efficiency }) => (efficiency === null ? '' : percent(efficiency)),
  },
  {
    heading: 'of bandwidth',
    align: 'right',
    cell(row) {
      const share = bandwidthShare(row, machine);
      return share === null ? '' : percent(share);
    },
  },
];

export const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** What a case reached of what the probe of the same pattern did on as many threads; null where that is not known. */
function bandwidthShare(
  { traffic, threads }: Pick<BenchRow, 'traffic' | 'threads'>,
  machine: MachineLimits | undefined,
): number | null {
  const limit = machine?.bandwidths.find((one) => one.threads === threads);
  if (traffic === undefined || limit === undefined) return null;
  return traffic.gbPerSecond / limit.gbPerSecond[traffic.pattern];
}

export const resultsMarkdown = (results: BenchResults): string =>
  [
    environmentLine(results.environment),
    ...(results.quick ? ['A quick run: its figures say little.'] : []),
    ...(results.rows.length === 0 ? [] : [markdownTable(columnsOf(results.machine), results.rows)]),
    ...results.skipped,
    ...(results.machine === undefined ? [] : [machineMarkdown(results.machine)]),
    ...(results.latencies === undefined ? [] : [latenciesMarkdown(results.latencies)]),
  ].join('\n\n');

/** Memory by pattern and threads, and arithmetic. */
export function machineMarkdown({ bandwidths, gflops }: MachineLimits): string {
  const column = (pattern: MemoryPattern, heading: string): Column<Bandwidth> => ({
    heading,
    align: 'right',
    cell: ({ gbPerSecond }) => threeDigits(gbPerSecond[pattern]),
  });
  const columns: readonly Column<Bandwidth>[] = [
    { heading: 'threads', align: 'right', cell: ({ threads }) => String(threads) },
    column('read', 'read GB/s'),
    column('write', 'write GB/s'),
    column('scale', 'scale in place GB/s'),
    column('copy', 'copy GB/s'),
  ];
  const arithmetic = `Multiply-adds of 128-bit vectors on one thread: ${threeDigits(gflops)} GFLOP/s.`;
  return `${markdownTable(columns, bandwidths)}\n\n${arithmetic}`;
}

export function latenciesMarkdown({ threads, startUp, importMs, oneOff, step }: Latencies): string {
  const microseconds = ({ medianMs, p20Ms, p80Ms }: Summary): string =>
    `${[medianMs, p20Ms, p80Ms].map((ms) => threeDigits(ms * 1000)).join(', ')} µs`;
  const lines: [what: string, times: string][] = [
    ...Object.entries(oneOff).map(([name, summary]): [string, string] => [
      `${name}, 64 × 1024, engine warm`,
      microseconds(summary),
    ]),
    ['training step, 32 × 16 × 4: all of it', microseconds(step)],
    [
      `engine start to first result (importing the package before that: ${threeDigits(importMs)} ms)`,
      `${[startUp.medianMs, startUp.p20Ms, startUp.p80Ms].map(threeDigits).join(', ')} ms`,
    ],
  ];
  return markdownTable(
    [
      { heading: `on ${threads} threads`, align: 'left', cell: ([what]) => what },
      { heading: 'median, p20, p80', align: 'right', cell: ([, times]) => times },
    ],
    lines,
  );
}

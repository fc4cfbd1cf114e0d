// What a run of `npm run bench` results in: rows, their Markdown table, and the JSON file that other tools read.
import type { Numerics } from '#softshard/kernels/load.js';
import type { Environment } from './environment.js';
import { environmentLine } from './environment.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import type { Measurement } from './measure.js';

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
}

export interface BenchResults {
  readonly kind: 'softshard bench';
  readonly environment: Environment;
  /** Rounds too short for figures. */
  readonly quick: boolean;
  readonly rows: readonly BenchRow[];
  /** Cases that were left out, and why. */
  readonly skipped: readonly string[];
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

const COLUMNS: readonly Column<BenchRow>[] = [
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
    cell: ({ efficiency }) => (efficiency === null ? '' : `${Math.round(100 * efficiency)} %`),
  },
];

export const resultsMarkdown = ({ environment, quick, rows, skipped }: BenchResults): string =>
  [
    environmentLine(environment),
    ...(quick ? ['A quick run: its figures say little.'] : []),
    markdownTable(COLUMNS, rows),
    ...skipped,
  ].join('\n\n');

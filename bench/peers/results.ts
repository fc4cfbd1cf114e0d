// What a run of `npm run bench:peers` results in.
import { type Environment, environmentLine } from '../environment.js';
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import type { ComparisonName } from './options.js';
import { type By, isOurs, type PeerRow } from './turns.js';

/** A contender, or a whole comparison, that has no figures, or none beyond those it has. */
export interface Missing {
  readonly who: By | ComparisonName;
  readonly comparison: ComparisonName;
  /** Why, and how to have it. */
  readonly reason: string;
}

/** What is measured at a time. */
export interface Part {
  readonly rows: readonly PeerRow[];
  /** What was checked, with the figures. */
  readonly remarks: readonly string[];
  /** Of all contenders, with the libraries they stand on. */
  readonly versions: readonly string[];
  readonly missing: readonly Missing[];
}

export interface PeerResults extends Part {
  readonly kind: 'softshard peers';
  readonly environment: Environment;
  /** Sizes and rounds too small for figures. */
  readonly quick: boolean;
  /** False while a run goes on, and for ever if it was ended. */
  readonly finished: boolean;
}

export const emptyResults = (environment: Environment, quick: boolean): PeerResults => ({
  kind: 'softshard peers',
  environment,
  quick,
  finished: false,
  versions: [],
  rows: [],
  remarks: [],
  missing: [],
});

/** Work that was done again takes the place of what was there. */
export function withPart(results: PeerResults, part: Partial<Part>): PeerResults {
  const { versions = [], rows = [], remarks = [], missing = [] } = part;
  const isDoneAgain = (row: PeerRow): boolean =>
    rows.some((other) => other.work === row.work && other.shape === row.shape);
  return {
    ...results,
    versions: distinct([...results.versions, ...versions]),
    rows: [...results.rows.filter((row) => !isDoneAgain(row)), ...rows],
    remarks: distinct([...results.remarks, ...remarks]),
    missing: [...results.missing, ...missing],
  };
}

const distinct = <Value>(values: readonly Value[]): Value[] => [...new Set(values)];

/** A line for each reason. */
export function missingLines(missing: readonly Missing[]): string[] {
  const lines = missing.map(({ who, reason }) => {
    const from = missing.filter((other) => other.who === who && other.reason === reason);
    const comparisons = distinct(from.map(({ comparison }) => comparison)).filter((name) => name !== who);
    const where = comparisons.length === 0 ? '' : ` of ${comparisons.join(', ')}`;
    return `${who} is left out${where}: ${reason}.`;
  });
  return distinct(lines);
}

/** Whose work is the whole of ours. */
export const WHOLE_PEERS: readonly By[] = ['PyTorch', 'scikit-learn'];

/** How many times as fast as the fastest of those on this work; for ours only. */
function timesTheBestPeer(row: PeerRow, rows: readonly PeerRow[]): number | null {
  const peers = rows.filter(
    (other) => other.work === row.work && other.shape === row.shape && WHOLE_PEERS.includes(other.by),
  );
  if (!isOurs(row) || peers.length === 0) return null;
  return Math.min(...peers.map(({ medianMs }) => medianMs)) / row.medianMs;
}

const columnsOf = (rows: readonly PeerRow[]): readonly Column<PeerRow>[] => [
  { heading: 'work', align: 'left', cell: (row) => row.work },
  { heading: 'shape', align: 'left', cell: (row) => row.shape },
  {
    heading: 'by',
    align: 'left',
    cell: ({ by, setting }) => (setting === '' ? by : `${by}, ${setting}`),
  },
  { heading: 'threads', align: 'right', cell: (row) => String(row.threads) },
  { heading: 'median ms', align: 'right', cell: (row) => threeDigits(row.medianMs) },
  { heading: 'p20', align: 'right', cell: (row) => threeDigits(row.p20Ms) },
  { heading: 'p80', align: 'right', cell: (row) => threeDigits(row.p80Ms) },
  { heading: 'samples', align: 'right', cell: (row) => String(row.samples) },
  { heading: 'cores', align: 'right', cell: (row) => row.cores.own.toFixed(1) },
  { heading: 'others', align: 'right', cell: (row) => row.cores.others.toFixed(1) },
  {
    heading: '× best peer',
    align: 'right',
    cell: (row) => timesTheBestPeer(row, rows)?.toFixed(2) ?? '',
  },
];

export const peersMarkdown = (results: PeerResults): string => {
  const { environment, versions, quick, finished, rows, remarks, missing } = results;
  return [
    `${environmentLine(environment)}; ${versions.join('; ')}`,
    ...(quick ? ['A quick run: its figures say little.'] : []),
    ...(finished ? [] : ['This run has not finished: it has what was measured so far.']),
    markdownTable(columnsOf(rows), rows),
    ...[...remarks, ...missingLines(missing)].map((remark) => `- ${remark}`),
  ].join('\n\n');
};

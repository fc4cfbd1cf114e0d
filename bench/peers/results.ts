// What a run of `npm run bench:peers` results in.
import { type Environment, environmentLine } from '../environment.js';
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import { type By, isOurs, type PeerRow } from './turns.js';

/** What one comparison gives. */
export interface Comparison {
  readonly rows: readonly PeerRow[];
  /** What was checked, with the figures. */
  readonly remarks: readonly string[];
  /** Of all contenders. */
  readonly versions: readonly string[];
  /** Contenders that were left out, why, and how to have them. */
  readonly missing: readonly string[];
}

export interface PeerResults {
  readonly kind: 'softshard peers';
  readonly environment: Environment;
  readonly versions: readonly string[];
  readonly rows: readonly PeerRow[];
  readonly remarks: readonly string[];
  readonly missing: readonly string[];
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

export const peersMarkdown = ({ environment, versions, rows, remarks, missing }: PeerResults): string =>
  [
    `${environmentLine(environment)}; ${versions.join('; ')}`,
    markdownTable(columnsOf(rows), rows),
    ...[...remarks, ...missing].map((remark) => `- ${remark}`),
  ].join('\n\n');

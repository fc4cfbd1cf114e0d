// What a run of `npm run bench:peers` results in.
import { type Environment, environmentLine } from '../environment.js';
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import type { PeerRow } from './turns.js';

export interface PeerResults {
  readonly kind: 'softshard peers';
  readonly environment: Environment;
  readonly peer: string;
  readonly rows: readonly PeerRow[];
  readonly remarks: readonly string[];
}

const COLUMNS: readonly Column<PeerRow>[] = [
  { heading: 'case', align: 'left', cell: (row) => row.case },
  { heading: 'contender', align: 'left', cell: (row) => row.contender },
  { heading: 'threads', align: 'right', cell: (row) => String(row.threads) },
  { heading: 'median ms', align: 'right', cell: (row) => threeDigits(row.medianMs) },
  { heading: 'p20', align: 'right', cell: (row) => threeDigits(row.p20Ms) },
  { heading: 'p80', align: 'right', cell: (row) => threeDigits(row.p80Ms) },
  { heading: 'samples', align: 'right', cell: (row) => String(row.samples) },
  { heading: 'cores', align: 'right', cell: (row) => row.cores.own.toFixed(1) },
  { heading: 'others', align: 'right', cell: (row) => row.cores.others.toFixed(1) },
  { heading: '× best PyTorch', align: 'right', cell: (row) => row.ratio.toFixed(2) },
];

export const peersMarkdown = ({ environment, peer, rows, remarks }: PeerResults): string =>
  [
    `${environmentLine(environment)}; ${peer}`,
    markdownTable(COLUMNS, rows),
    ...remarks.map((remark) => `- ${remark}`),
  ].join('\n\n');

// What of the results the README shows: few rows, wide enough to compare builds and threads at a glance.
import { environmentLine } from './environment.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import type { PeerResults } from './peers/results.js';
import type { PeerRow } from './peers/turns.js';
import type { BenchResults, BenchRow } from './results.js';

const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

/** Cases whose rows are shown, if the results have them. */
const CASES = ['softmax', 'crossEntropyGradient in place', 'training step'];

/** Markdown of one results file. Throws where it is none of ours, or one of a --quick run. */
export function readmeSections(path: string, json: string): string {
  const results = JSON.parse(json) as BenchResults | PeerResults;
  switch (results.kind) {
    case 'softshard bench':
      if (results.quick)
        throw new Error(`${path} is of a --quick run, which is not for figures: run without`);
      return benchSection(results);
    case 'softshard peers':
      return peersSection(results);
    default:
      throw new Error(`${path} is not a file that npm run bench or npm run bench:peers has written`);
  }
}

/** One line a case and shape, one column a build and thread count. */
function benchSection({ rows, environment }: BenchResults): string {
  const shown = rows.filter((row) => CASES.includes(row.case));
  const settings = distinct(shown, ({ numerics, threads }) => `${numerics}, ${threads} thr.`);
  const lines = distinct(shown, ({ case: name, shape }) => `${name} | ${shape}`);
  const columns: Column<readonly BenchRow[]>[] = [
    { heading: 'operation', align: 'left', cell: ([row]) => row!.case },
    { heading: 'shape', align: 'left', cell: ([row]) => row!.shape },
    ...[...settings.keys()].map(
      (setting): Column<readonly BenchRow[]> => ({
        heading: setting,
        align: 'right',
        cell: (line) => rateOf(line.find((row) => settings.get(setting)!.includes(row))),
      }),
    ),
  ];
  return `${environmentLine(environment)}\n\n${markdownTable(columns, [...lines.values()])}`;
}

const rateOf = (row: BenchRow | undefined): string =>
  row === undefined ? '' : `${threeDigits(row.rate)} ${row.rateUnit}`;

/** softshard's rows and the best of the peer's, in each case. */
function peersSection({ rows, environment, peer }: PeerResults): string {
  const shown = rows.filter((row) => !row.isPeer || row.ratio === 1);
  const columns: Column<PeerRow>[] = [
    { heading: 'work', align: 'left', cell: (row) => row.case },
    {
      heading: 'by',
      align: 'left',
      cell: (row) => (row.isPeer ? `${row.contender} (its best)` : row.contender),
    },
    { heading: 'threads', align: 'right', cell: (row) => String(row.threads) },
    { heading: 'median ms', align: 'right', cell: (row) => threeDigits(row.medianMs) },
    { heading: 'times as fast', align: 'right', cell: (row) => row.ratio.toFixed(2) },
  ];
  return `${environmentLine(environment)}; ${peer}\n\n${markdownTable(columns, shown)}`;
}

/** Grouped by key, in order of appearance. */
function distinct<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

/** The page with `table` between its two comments, in the place of what was there. */
export function replaceBetween(page: string, table: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) {
    throw new Error(
      `README.md: the table goes between the lines ${BEGIN} and ${END}, which are not there in this order`,
    );
  }
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}

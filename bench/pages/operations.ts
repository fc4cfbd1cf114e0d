// Rates of operations by build and thread count.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import type { BenchRow } from '../results.js';

/** One line a case and shape, one column a build and thread count. */
export function operationsSection(shown: readonly BenchRow[]): string {
  const settings = grouped(shown, ({ numerics, threads }) => `${numerics}, ${threads} thr.`);
  const lines = grouped(shown, ({ case: name, shape }) => `${name} | ${shape}`);
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
  return markdownTable(columns, [...lines.values()]);
}

const rateOf = (row: BenchRow | undefined): string =>
  row === undefined ? '' : `${threeDigits(row.rate)} ${row.rateUnit}`;

/** The rows of the fastest build that was measured. */
export function ofFastestBuild(rows: readonly BenchRow[]): BenchRow[] {
  const build = rows.some(({ numerics }) => numerics === 'fast') ? 'fast' : 'portable';
  return rows.filter(({ numerics }) => numerics === build);
}

/** By key, in order of appearance. */
export function grouped<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

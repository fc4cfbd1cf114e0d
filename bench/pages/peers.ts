// softshard compared with others: the best time of each, one line for each piece of work.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import { WHOLE_PEERS } from '../peers/results.js';
import { type By, isOurs, type PeerRow } from '../peers/turns.js';
import { grouped } from './operations.js';

const OURS: readonly By[] = ['softshard', 'softshard wide', 'softshard BLAS'];
/** Ours, and those that do the whole of our work. */
export const COMPARED: readonly By[] = [...OURS, ...WHOLE_PEERS];
/** And those that bound what anybody can reach. */
const EVERYBODY: readonly By[] = [...COMPARED, 'C limit', 'BLAS'];

interface Line {
  readonly work: string;
  readonly shape: string;
  readonly best: Readonly<Partial<Record<By, PeerRow>>>;
}

export function peersSection(rows: readonly PeerRow[], by: readonly By[] = EVERYBODY): string {
  const lines = [...grouped(rows, ({ work, shape }) => `${work} | ${shape}`).values()].map((group): Line => {
    const best: Partial<Record<By, PeerRow>> = {};
    for (const row of group) {
      const before = best[row.by];
      if (before === undefined || row.medianMs < before.medianMs) best[row.by] = row;
    }
    return { work: group[0]!.work, shape: group[0]!.shape, best };
  });
  const shown = by.filter((one) => rows.some((row) => row.by === one));
  const columns: readonly Column<Line>[] = [
    { heading: 'best times, ms', align: 'left', cell: ({ work }) => work },
    { heading: 'shape', align: 'left', cell: ({ shape }) => shape },
    ...shown.map(
      (one): Column<Line> => ({
        heading: one,
        align: 'right',
        cell: ({ best }) =>
          best[one] === undefined ? '' : `${threeDigits(best[one].medianMs)} (${best[one].threads})`,
      }),
    ),
    { heading: 'times as fast', align: 'right', cell: timesAsFast },
  ];
  return `${markdownTable(columns, lines)}\n\nIn parentheses: the number of threads.`;
}

/** The best of PyTorch and scikit-learn over softshard's best. */
function timesAsFast({ best }: Line): string {
  const all = Object.values(best);
  const fastest = (rows: readonly PeerRow[]) => Math.min(...rows.map(({ medianMs }) => medianMs));
  const theirs = fastest(all.filter(({ by }) => WHOLE_PEERS.includes(by)));
  const ours = fastest(all.filter(isOurs));
  return Number.isFinite(theirs) ? (theirs / ours).toFixed(2) : '';
}

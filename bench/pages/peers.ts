// softshard beside others, one line a piece of work: everybody's best time.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import { type PeerResults, WHOLE_PEERS } from '../peers/results.js';
import { type By, isOurs, type PeerRow } from '../peers/turns.js';
import { grouped } from './operations.js';

const OURS: readonly By[] = ['softshard', 'softshard wide', 'softshard BLAS'];
/** After ours and those whose work is the whole of ours: limits. */
const LIMITS: readonly By[] = ['C limit', 'BLAS'];

interface Line {
  readonly work: string;
  readonly shape: string;
  readonly best: Readonly<Partial<Record<By, PeerRow>>>;
}

export function peersSection({ rows }: PeerResults): string {
  const lines = [...grouped(rows, ({ work, shape }) => `${work} | ${shape}`).values()].map((group): Line => {
    const best: Partial<Record<By, PeerRow>> = {};
    for (const row of group) {
      const before = best[row.by];
      if (before === undefined || row.medianMs < before.medianMs) best[row.by] = row;
    }
    return { work: group[0]!.work, shape: group[0]!.shape, best };
  });
  const shown = [...OURS, ...WHOLE_PEERS, ...LIMITS].filter((by) => rows.some((row) => row.by === by));
  const columns: readonly Column<Line>[] = [
    { heading: 'best times, ms', align: 'left', cell: ({ work }) => work },
    { heading: 'shape', align: 'left', cell: ({ shape }) => shape },
    ...shown.map(
      (by): Column<Line> => ({
        heading: by,
        align: 'right',
        cell: ({ best }) =>
          best[by] === undefined ? '' : `${threeDigits(best[by].medianMs)} (${best[by].threads})`,
      }),
    ),
    { heading: 'times as fast', align: 'right', cell: timesAsFast },
  ];
  return `${markdownTable(columns, lines)}\n\nIn parentheses: on how many threads.`;
}

/** softshard's best over the best of PyTorch and scikit-learn. */
function timesAsFast({ best }: Line): string {
  const all = Object.values(best);
  const fastest = (rows: readonly PeerRow[]) => Math.min(...rows.map(({ medianMs }) => medianMs));
  const theirs = fastest(all.filter(({ by }) => WHOLE_PEERS.includes(by)));
  const ours = fastest(all.filter(isOurs));
  return Number.isFinite(theirs) ? (theirs / ours).toFixed(2) : '';
}

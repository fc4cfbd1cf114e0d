// How much faster than PyTorch hand-written C is: the bound for everybody.
import { type Column, markdownTable, threeDigits } from '../markdown-table.js';
import { bestMs, quotient, type TimedRow } from '../outcomes.js';
import type { By } from '../peers/turns.js';
import { GRADIENT, LOG_SOFTMAX, ROW_SHAPES, SOFTMAX, shapeText } from '../targets.js';

interface Line {
  readonly work: string;
  readonly shape: string;
  readonly threads: number;
  /** How many times as fast as PyTorch, at its best setting on as many threads; null: not measured. */
  readonly times: (by: By) => number | null;
}

const COMPARED: readonly By[] = ['C limit', 'softshard wide', 'softshard'];

/** Undefined where no limit was measured. */
export function limitsSection(rows: readonly TimedRow[]): string | undefined {
  const lines = [GRADIENT, SOFTMAX, LOG_SOFTMAX].flatMap((work) =>
    ROW_SHAPES.map(shapeText).flatMap((shape) =>
      [1, 2].map((threads): Line => {
        const best = (by: By) => bestMs(rows, { work, shape }, by, threads);
        return { work, shape, threads, times: (by) => quotient(best('PyTorch'), best(by)) };
      }),
    ),
  );
  const measured = lines.filter(({ times }) => times('C limit') !== null);
  if (measured.length === 0) return undefined;
  const columns: readonly Column<Line>[] = [
    { heading: 'times as fast as PyTorch', align: 'left', cell: ({ work }) => work },
    { heading: 'shape', align: 'left', cell: ({ shape }) => shape },
    { heading: 'threads', align: 'right', cell: ({ threads }) => String(threads) },
    ...COMPARED.map(
      (by): Column<Line> => ({ heading: by, align: 'right', cell: ({ times }) => ratio(times(by)) }),
    ),
  ];
  return markdownTable(columns, measured);
}

const ratio = (value: number | null): string => (value === null ? '' : threeDigits(value));

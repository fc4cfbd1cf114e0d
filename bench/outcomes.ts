// Which targets have been measured, and which are missed.
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import type { By, PeerRow } from './peers/turns.js';
import type { MeasuredName, Target } from './targets.js';

/** null: not measured. */
export interface Outcome {
  readonly target: Target;
  readonly measured: number | null;
  readonly wide: number | null;
}

export type Quantities = Readonly<Partial<Record<MeasuredName, number>>>;

export type TimedRow = Pick<PeerRow, 'work' | 'shape' | 'by' | 'threads' | 'medianMs'>;

/** rows: those of npm run bench:peers; quantities: those of npm run bench. Either may be missing, in part or whole. */
export function outcomes(
  targets: readonly Target[],
  rows: readonly TimedRow[],
  quantities: Quantities,
): Outcome[] {
  return targets.map((target) => ({
    target,
    measured: measure(target, target.by ?? 'softshard', rows, quantities),
    wide: target.wide === undefined ? null : measure(target, 'softshard wide', rows, quantities),
  }));
}

function measure(
  { work, shape, threads, against }: Target,
  by: By,
  rows: readonly TimedRow[],
  quantities: Quantities,
): number | null {
  if (against.kind === 'measured') return quantities[against.name] ?? null;
  const best = (who: By, count: number | undefined) => bestMs(rows, { work, shape }, who, count);
  const speedup = (who: By) => quotient(best(who, 1), best(who, threads));
  switch (against.kind) {
    case 'peer':
      return quotient(best(against.by, against.threads === 'same' ? threads : undefined), best(by, threads));
    case 'scaling':
      return quotient(speedup(by), speedup(against.by));
    default:
      return against satisfies never;
  }
}

/** The fastest setting on this number of threads; undefined: on any number. */
export function bestMs(
  rows: readonly TimedRow[],
  { work, shape }: Pick<Target, 'work' | 'shape'>,
  by: By,
  threads: number | undefined,
): number | null {
  const times = rows
    .filter((row) => row.work === work && row.shape === shape && row.by === by)
    .filter((row) => threads === undefined || row.threads === threads)
    .map((row) => row.medianMs);
  return times.length === 0 ? null : Math.min(...times);
}

export const quotient = (above: number | null, below: number | null): number | null =>
  above === null || below === null ? null : above / below;

/** The larger the better for ratios, the smaller for all else. */
const isMet = ({ unit }: Target, goal: number, value: number): boolean =>
  unit === '×' ? value >= goal : value <= goal;

const againstText = ({ against, unit }: Target): string => {
  switch (against.kind) {
    case 'peer':
      return against.threads === 'same' ? against.by : `${against.by}, its best threads`;
    case 'scaling':
      return `the speedup of ${against.by}`;
    case 'measured':
      return unit === '×' ? 'our row-wise kernel' : '';
    default:
      return against satisfies never;
  }
};

function cell(target: Target, goal: number | undefined, value: number | null): string {
  if (goal === undefined) return '';
  if (value === null) return 'not measured';
  const mark = isMet(target, goal, value) ? '' : ' (short)';
  return `${threeDigits(value)} ${target.unit}${mark}`;
}

const goalText = ({ unit }: Target, goal: number | undefined): string =>
  goal === undefined ? '' : `${unit === '×' ? '≥' : '≤'} ${goal} ${unit}`;

const COLUMNS: readonly Column<Outcome>[] = [
  { heading: 'work', align: 'left', cell: ({ target }) => target.work + variant(target) },
  { heading: 'shape', align: 'left', cell: ({ target }) => target.shape },
  { heading: 'threads', align: 'right', cell: ({ target }) => String(target.threads) },
  { heading: 'against', align: 'left', cell: ({ target }) => againstText(target) },
  {
    heading: 'measured',
    align: 'right',
    cell: ({ target, measured }) => cell(target, target.goal, measured),
  },
  { heading: 'target', align: 'right', cell: ({ target }) => goalText(target, target.goal) },
  { heading: 'wide', align: 'right', cell: ({ target, wide }) => cell(target, target.wide, wide) },
  { heading: 'target', align: 'right', cell: ({ target }) => goalText(target, target.wide) },
];

const variant = ({ by }: Target): string => (by === undefined ? '' : ` (${by.replace('softshard ', '')})`);

export const outcomesMarkdown = (all: readonly Outcome[]): string => markdownTable(COLUMNS, all);

/** One line: how many of the measured promises are kept. */
export function outcomesSummary(all: readonly Outcome[]): string {
  const judged = all.flatMap(({ target, measured, wide }) => [
    ...(measured === null ? [] : [isMet(target, target.goal, measured)]),
    ...(wide === null ? [] : [isMet(target, target.wide!, wide)]),
  ]);
  const promises = all.reduce((sum, { target }) => sum + (target.wide === undefined ? 1 : 2), 0);
  const met = judged.filter(Boolean).length;
  return `${met} of ${judged.length} measured targets are met; ${promises - judged.length} of ${promises} were not measured.`;
}

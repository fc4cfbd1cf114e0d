// How the models of a sweep came out: a ranked table for people, facts for --json.

import { messageOf } from '../../errors.js';
import { shortened } from '../../printable.js';
import type { Training } from '../index.js';
import type { Combination } from './grid.js';
import { loss, percent, table } from './output.js';
import { columnsOf } from './terminal.js';

/** What fits a terminal; more is for --json. */
const MOST_LINES = 100;

/** In progress or at the end. */
type Head = Training.HeadReport;

/** The chosen one first, then from the best to the worst, those that were dropped first at the end, last those that failed. */
function inOrder(
  { heads, best }: { readonly heads: readonly Head[]; readonly best?: number | undefined },
  rankBy: Training.RankedBy,
): readonly Head[] {
  const epochs = ({ droppedAfter = Number.POSITIVE_INFINITY }: Head) => droppedAfter;
  const cost = ({ head, score }: Head) => {
    if (head === best) return Number.NEGATIVE_INFINITY;
    const value = rankBy === 'loss' ? score?.loss : score && -score.accuracy;
    return value === undefined || Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
  };
  // Not by a difference: infinities have none.
  return [...heads].sort((a, b) => {
    const [ofA, ofB] = [cost(a), cost(b)];
    const hasFailed = !Number.isFinite(ofA) || !Number.isFinite(ofB);
    if (!hasFailed && epochs(a) !== epochs(b)) return epochs(a) > epochs(b) ? -1 : 1;
    return ofA === ofB ? a.head - b.head : ofA < ofB ? -1 : 1;
  });
}

/** A table of the options that differ and of how the models do. */
export function sweepText(
  result: Training.FitManyResult,
  combinations: readonly Combination[],
  varied: readonly string[],
  rankBy: Training.RankedBy,
  columns = columnsOf(process.stdout),
): string {
  const ordered = inOrder(result, rankBy);
  const shown = ordered.slice(0, MOST_LINES);
  const rest = ordered.length - shown.length;
  const more = rest === 0 ? '' : `and ${rest} more, which --json has\n`;
  const errors = ordered.filter(({ error }) => error !== undefined);
  const failures = errors.map(
    ({ head, error }) => `failed: ${describe(combinations[head], varied)}: ${messageOf(error)}\n`,
  );
  const isAnyWorse = shown.some(({ fits }) => fits.some(isWorse));
  const table = headTable(shown, combinations, varied, columns);
  const note = `${isAnyWorse ? WORSE_NOTE : ''}${table.includes(OPEN) ? OPEN_NOTE : ''}`;
  return `${table}${more}${note}${failures.join('')}`;
}

/** Of the best so far, for a live block: the lines of a table, and how many more there are. */
export function rankedLines(
  heads: readonly Head[],
  combinations: readonly Combination[],
  varied: readonly string[],
  rankBy: Training.RankedBy,
  { most, columns }: { readonly most: number; readonly columns: number },
): { readonly lines: readonly string[]; readonly rest: number } {
  const shown = inOrder({ heads }, rankBy).slice(0, most);
  const lines = headTable(shown, combinations, varied, columns).trimEnd().split('\n');
  return { lines, rest: heads.length - shown.length };
}

/** As wide as it may be: with errors and passes, without them, or with the score that fits. */
function headTable(
  heads: readonly Head[],
  combinations: readonly Combination[],
  varied: readonly string[],
  columns: number,
): string {
  const tableOf = (cell: number, isWide: boolean) =>
    table([
      [
        '',
        ...varied.map(titleOf),
        'loss',
        ...(isWide ? ['± error'] : []),
        'accuracy',
        ...(isWide ? ['passes'] : []),
      ],
      ...heads.map((head, place) => [
        `${place + 1}`,
        ...varied.map((name) => shortened(cellOf(combinations[head.head]?.[name]), cell)),
        ...scoreCells(head, isWide),
      ]),
    ]);
  const fits = (text: string) => text.split('\n').every((line) => line.length <= columns);
  const options = [tableOf(60, true), tableOf(60, false), tableOf(12, false)];
  return options.find(fits) ?? tableOf(6, false);
}

const isWorse = ({ stopReason }: Training.FitResult): boolean => stopReason === 'worse';

const WORSE_NOTE =
  '>: clearly worse than a stronger penalty, and left while it still got worse\n' +
  '   (--tol solves all to the end)\n';

const OPEN = '(open)';
const OPEN_NOTE = `${OPEN}: stopped before it converged (--max-passes, --tol)\n`;

function scoreCells({ score, fits, error, droppedAfter }: Head, isWide: boolean): readonly string[] {
  if (error !== undefined || score === undefined) return ['failed'];
  const passes = fits.reduce((sum, fit) => sum + (fit.passes ?? fit.epochs.length), 0);
  const isLeft = fits.some(isWorse);
  const isOpen = !isLeft && fits.some(({ converged }) => converged === false);
  return [
    `${isLeft ? '> ' : ''}${lossOf(score.loss)}`,
    ...(isWide ? [score.lossError === undefined ? '-' : lossOf(score.lossError)] : []),
    percent(score.accuracy),
    ...(isWide
      ? [`${Math.ceil(passes)}${isOpen ? ` ${OPEN}` : ''}${droppedAfter === undefined ? '' : ' (dropped)'}`]
      : []),
  ];
}

/** One of a rate that is too large has many digits. */
const lossOf = (value: number): string => (value < 1e6 ? loss(value) : value.toExponential(2));

/** learningRate -> learning rate. */
const titleOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter : ` ${letter.toLowerCase()}`));

const cellOf = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value);

const describe = (combination: Combination | undefined, varied: readonly string[]): string =>
  varied.map((name) => `${titleOf(name)} ${cellOf(combination?.[name])}`).join(', ');

/** For --json, in the order of the table. */
export function headFacts(
  result: Training.FitManyResult,
  combinations: readonly Combination[],
  rankBy: Training.RankedBy,
): readonly object[] {
  return inOrder(result, rankBy).map(({ head, score, error, fits, droppedAfter }) => ({
    head,
    options: combinations[head] ?? {},
    loss: score?.loss ?? null,
    lossError: score?.lossError ?? null,
    accuracy: score?.accuracy ?? null,
    accuracyError: score?.accuracyError ?? null,
    losses: score?.losses ?? [],
    accuracies: score?.accuracies ?? [],
    droppedAfter: droppedAfter ?? null,
    passes: fits.map(({ passes, epochs }) => passes ?? epochs.length),
    tol: fits[0]?.tol ?? null,
    gapRelative: fits.map(({ gapRelative }) => gapRelative ?? null),
    converged: fits.map(({ converged }) => converged ?? null),
    stopReason: fits.map(({ stopReason }) => stopReason ?? null),
    error: error === undefined ? null : messageOf(error),
  }));
}

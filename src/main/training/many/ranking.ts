// How heads do on rows that they were not trained on, and which is the best.
import type { FitResult } from '../fit-result.js';
import type { HeadOptions } from './head-options.js';
import type { HeadReport, HeadScore } from './head-report.js';
import type { CheckedManyOptions } from './many-options.js';

/** Of the fits of a head, one for each part; undefined where nothing was evaluated. */
export function scoreOf(fits: readonly FitResult[]): HeadScore | undefined {
  const losses = fits.flatMap(({ validationLoss }) => validationLoss ?? []);
  const accuracies = fits.flatMap(({ validationAccuracy }) => validationAccuracy ?? []);
  if (losses.length === 0) return undefined;
  return {
    loss: meanOf(losses),
    accuracy: meanOf(accuracies),
    lossError: standardErrorOf(losses),
    accuracyError: standardErrorOf(accuracies),
    losses,
    accuracies,
  };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function standardErrorOf(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

type Ranking = Pick<CheckedManyOptions, 'rankBy' | 'oneStandardError'>;

/** The best first: of equals, the one that was given first; heads without a score are left out. */
export function ranked<Report extends HeadReport>(
  reports: readonly Report[],
  { rankBy }: Pick<Ranking, 'rankBy'>,
): readonly Report[] {
  return reports
    .filter(({ score }) => !Number.isNaN(costOf(score, rankBy)))
    .sort((a, b) => costOf(a.score, rankBy) - costOf(b.score, rankBy) || a.head - b.head);
}

/** The number of the head to choose: none that was left early, whose loss might have risen further, or was dropped. */
export function bestOf(reports: readonly HeadReport[], ranking: Ranking): number | undefined {
  const [best] = ranked(
    reports.filter(
      ({ fits, droppedAfter }) =>
        droppedAfter === undefined && !fits.some(({ stopReason }) => stopReason === 'worse'),
    ),
    ranking,
  );
  if (best === undefined || !ranking.oneStandardError) return best?.head;
  const { rankBy } = ranking;
  const error = rankBy === 'loss' ? best.score?.lossError : best.score?.accuracyError;
  const limit = costOf(best.score, rankBy) + (error ?? 0);
  const candidates = reports.filter(
    ({ score, options }) => costOf(score, rankBy) <= limit && isSameBut(PENALTIES, options, best.options),
  );
  return candidates.reduce((strongest, report) =>
    penaltyOf(report) > penaltyOf(strongest) ? report : strongest,
  ).head;
}

/** What is to be small; NaN where there is nothing to go by. */
function costOf(score: HeadScore | undefined, rankBy: Ranking['rankBy']): number {
  if (score === undefined) return Number.NaN;
  return rankBy === 'loss' ? score.loss : -score.accuracy;
}

const PENALTIES: readonly string[] = ['C', 'l2', 'l1'];

const penaltyOf = ({ fits, options }: HeadReport): number => {
  const { l2 = options.weightDecay, l1 = 0 } = fits[0] ?? {};
  return l1 + (typeof l2 === 'number' ? l2 : 0);
};

/** Whether two heads have the same options, but for some. Arrays and objects are the same only if they are one. */
export function isSameBut(names: readonly string[], a: HeadOptions, b: HeadOptions): boolean {
  const others = (options: HeadOptions) =>
    new Map(Object.entries(options).filter(([name]) => !names.includes(name)));
  const [ofA, ofB] = [others(a), others(b)];
  return (
    ofA.size === ofB.size &&
    [...ofA].every(([name, value]) => ofB.has(name) && Object.is(ofB.get(name), value))
  );
}

/** Puts together what has the same options but for some, in order of the first of each group. */
export function groupedBy<Item extends { readonly options: HeadOptions }>(
  items: readonly Item[],
  names: readonly string[],
): readonly (readonly [Item, ...Item[]])[] {
  const groups: [Item, ...Item[]][] = [];
  for (const item of items) {
    const group = groups.find(([first]) => isSameBut(names, first.options, item.options));
    if (group === undefined) groups.push([item]);
    else group.push(item);
  }
  return groups;
}

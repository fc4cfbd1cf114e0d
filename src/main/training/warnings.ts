// What fit warns of in its result: a model that is likely not what was meant, and what to do. Thresholds are such that a good
// fit has no warning. Here is what all solvers have in common.
import { editDistance } from '../../nearest-name.js';
import { listed, quoted } from '../../printable.js';
import type { BaselineLosses, ClassCounts } from './class-counts.js';

export type FitWarningCode =
  /** The solver stopped before it reached tol; or the loss still fell fast when the last epoch ended. */
  | 'not-converged'
  /** The training loss is above that of equal probabilities, or of the classes' shares. */
  | 'loss-above-baseline'
  /** All rows trained on (of training step by step: to validate on) are predicted as the same class. */
  | 'one-class-predicted'
  | 'class-without-rows'
  /** A class of one row is called almost as one of many. */
  | 'class-like-typo'
  /** Many classes of one or two rows whose names are numbers with gaps: rather amounts than classes. */
  | 'labels-like-amounts'
  /** More classes than half the rows. */
  | 'few-rows-per-class'
  /** The C that was chosen is the largest or the smallest that was tried. */
  | 'choice-at-end'
  /** A quarter of the features or more have the same value in all rows. */
  | 'constant-features';

export interface FitWarning {
  /** Does not change from version to version, as the message may. */
  readonly code: FitWarningCode;
  /** What is wrong, and what to do. */
  readonly message: string;
}

export interface NamedClasses {
  readonly classNames?: readonly string[] | undefined;
}

/** Of rows whose targets are classes. */
export function labelWarnings(counts: ClassCounts, { classNames }: NamedClasses): FitWarning[] {
  const classes = counts.rows.length;
  const occurring = [...counts.rows.keys()].filter((index) => counts.rows[index]! > 0);
  const amounts = amountsWarning(counts, occurring, classNames);
  // The others would say the same less well.
  if (amounts !== undefined) return [amounts];
  const warnings: FitWarning[] = [];
  if (occurring.length < classes) {
    const empty = [...counts.rows.keys()].filter((index) => counts.rows[index] === 0);
    const names = empty.map((index) => nameOf(index, classNames));
    const are = empty.length === 1 ? 'has' : 'have';
    const message =
      `${number(empty.length)} of ${number(classes)} classes ${are} no row to train on, and will hardly be predicted: ` +
      `${listed(names)}. Give rows of all classes, or leave these out`;
    warnings.push({ code: 'class-without-rows', message });
  }
  if (occurring.length > counts.all / 2) {
    const message =
      `there are rows of ${number(occurring.length)} classes, but only ${number(counts.all)} rows: of a class with one or two ` +
      'hardly anything can be learned. Give more rows, or join rare classes';
    warnings.push({ code: 'few-rows-per-class', message });
  }
  const typos = classNames && typosWarning(counts, occurring, classNames);
  if (typos) warnings.push(typos);
  return warnings;
}

/** A class that others may be misspelled from has so many rows. */
const ROWS_OF_MANY = 20;
/** Below it names that mean different things are often one letter apart. */
const LEAST_LETTERS = 4;
const MOST_COMPARED = 1e6;

const LISTED_PAIRS = 5;

function typosWarning(
  { rows }: ClassCounts,
  occurring: readonly number[],
  names: readonly string[],
): FitWarning | undefined {
  const single = occurring.filter((index) => rows[index] === 1);
  const common = occurring.filter((index) => rows[index]! >= ROWS_OF_MANY);
  if (single.length * common.length > MOST_COMPARED) return undefined;
  const known = common.map((index) => spellingOf(names[index]!));
  const pairs = single.flatMap((index) => {
    const spelling = spellingOf(names[index]!);
    const place = known.findIndex((other) => isLikeTypo(spelling, other));
    return place < 0 ? [] : [`${quoted(names[index]!)} as ${quoted(names[common[place]!]!)}`];
  });
  if (pairs.length === 0) return undefined;
  const are =
    pairs.length === 1 ? 'a class of one row is' : `${number(pairs.length)} classes of one row each are`;
  const message = `${are} called almost as one of many: ${listed(pairs, LISTED_PAIRS)}. If it is one class, spell its labels alike`;
  return { code: 'class-like-typo', message };
}

interface Spelling {
  /** Without case and space. */
  readonly letters: string;
  /** "group 1" and "group 2" mean different things. */
  readonly digits: string;
}

function spellingOf(name: string): Spelling {
  const letters = name.replace(/\s+/gu, '').toLowerCase();
  return { letters, digits: letters.replace(/\D+/gu, ' ').trim() };
}

/** At most one letter apart. */
function isLikeTypo(a: Spelling, b: Spelling): boolean {
  if (a.letters === b.letters) return true;
  const [shorter, longer] = [a.letters.length, b.letters.length].sort((x, y) => x - y) as [number, number];
  if (shorter < LEAST_LETTERS || longer > shorter + 1 || a.digits !== b.digits) return false;
  return editDistance(a.letters, b.letters) === 1;
}

/** Beyond this many different numbers with so few rows each, and this much of their range without rows. */
const MANY_AMOUNTS = 20;
const ROWS_OF_AN_AMOUNT = 2;
const GAPS_OF_AMOUNTS = 1.25;

/** Numbers of classes have no gaps, and classes have more rows. */
function amountsWarning(
  { rows, all }: ClassCounts,
  occurring: readonly number[],
  classNames: readonly string[] | undefined,
): FitWarning | undefined {
  if (occurring.length <= MANY_AMOUNTS) return undefined;
  const rare = occurring.filter((index) => rows[index]! <= ROWS_OF_AN_AMOUNT);
  if (rare.length <= occurring.length / 2) return undefined;
  const values = occurring.map((index) => (classNames === undefined ? index : amountOf(classNames[index]!)));
  if (!values.every(Number.isFinite)) return undefined;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const isWhole = values.every(Number.isInteger);
  if (isWhole && most - least + 1 < GAPS_OF_AMOUNTS * values.length) return undefined;
  const message =
    `the labels of ${number(all)} rows are ${number(values.length)} different numbers from ${least} to ${most}, most of them of ` +
    'one or two rows: they look like amounts (regression), of which a classifier knows no order. Divide them into a few ranges, and ' +
    'take the range as class';
  return { code: 'labels-like-amounts', message };
}

const amountOf = (name: string): number => (name.trim() === '' ? Number.NaN : Number(name));

/** Above a baseline by more than the noise of steps. */
const MARGIN = 1.01;
/** Of rows that are all of one class, where the shares alone give 0. */
const LEAST_LOSS = 1e-6;

/** `remedy`: of the solver. */
export function lossWarning(
  loss: number,
  baselines: BaselineLosses | undefined,
  classes: number,
  remedy: string,
): FitWarning | undefined {
  if (baselines === undefined) return undefined;
  const { uniform, prior } = baselines;
  const code = 'loss-above-baseline';
  if (loss > MARGIN * uniform) {
    const message = `the training loss ${short(loss)} is above ln ${classes} = ${short(uniform)}, which the same probability for all classes gives, so the model is worse than none: ${remedy}`;
    return { code, message };
  }
  if (!(loss > MARGIN * prior + LEAST_LOSS)) return undefined;
  const message = `the training loss ${short(loss)} is above ${short(prior)}, which the shares of the classes give without a look at the features: ${remedy}`;
  return { code, message };
}

/** `prediction`: the only class that is predicted, if there is only one; `rows`: of which rows; `remedy`: of the solver. */
export function predictionWarning(
  prediction: number | undefined,
  counts: ClassCounts,
  { classNames }: NamedClasses,
  { rows, remedy }: { readonly rows: 'trained on' | 'to validate on'; readonly remedy: string },
): FitWarning | undefined {
  if (prediction === undefined || counts.rows[prediction] === counts.all) return undefined;
  const share = percent(counts.rows[prediction]! / counts.all);
  const message =
    `all ${number(counts.all)} rows ${rows} are predicted as class ${nameOf(prediction, classNames)}, which ${share} of them are: ` +
    `the model does not tell the classes apart. ${remedy}, ` +
    "weigh rare classes more (weight 'balanced'), or give features that have more to do with the classes";
  return { code: 'one-class-predicted', message };
}

const nameOf = (index: number, names: readonly string[] | undefined): string =>
  names === undefined ? String(index) : quoted(names[index]!);

export const number = (count: number): string => count.toLocaleString('en-US');
export const short = (value: number): string => String(Number(value.toPrecision(4)));
export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

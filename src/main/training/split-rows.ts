// Rows to train on, to validate on and to test on, by fractions and a seed of their own.
import { SoftshardError } from '../../errors.js';
import type { TargetArray } from '../arguments/targets.js';
import {
  checkBoolean,
  checkIgnoreIndex,
  checkInteger,
  checkNumber,
  checkOptionNames,
  inspectValue,
} from '../checks.js';
import { checkAttached } from '../memory/attached.js';
import { heldOutOf, rowsWithout, TEST_STREAM } from './rows/folds.js';
import { cutAtRandom, holdsOutNone, type Split, splitRows as splitByFraction } from './rows/row-order.js';

export interface SplitOptions {
  /** Fractions of the rows to hold out, rounded down; default 0. Together below 1. */
  validation?: number | undefined;
  test?: number | undefined;
  /** Each class has its share in every part (default); the only row of a class is never held out. */
  stratify?: boolean | undefined;
  /** A whole number from 0 to 2^53 - 1; default 0. */
  seed?: number | undefined;
  /** Rows with this target are never held out where the split is stratified; default -100. */
  ignoreIndex?: number | undefined;
}

/** Row numbers, ascending; every row is in one of the three. */
export interface SplitInThree extends Split {
  readonly test: Uint32Array;
}

/** As fit with validationSplit and seed chooses them. Throws ERR_OPTION. */
export function splitRows(rows: number, fraction: number, seed: number): Split;
/**
 * By the class of each row: a number or a name. Without `test`, the validation rows are those that fitMany and softshard sweep
 * hold out with this fraction and splitSeed. Throws ERR_OPTION, also where a fraction holds out no row.
 */
export function splitRows(targets: TargetArray | readonly string[], options: SplitOptions): SplitInThree;
export function splitRows(
  targets: number | TargetArray | readonly string[],
  options: number | SplitOptions,
  seed?: number,
): Split | SplitInThree {
  if (typeof targets === 'number') return splitByFraction(targets, options as number, seed as number);
  return splitInThree(targets, options as SplitOptions);
}

function splitInThree(targets: TargetArray | readonly string[], options: SplitOptions): SplitInThree {
  checkOptionNames('options', options, ['validation', 'test', 'stratify', 'seed', 'ignoreIndex']);
  const { length: rows } = checkList(targets);
  const fractions = {
    validation: checkNumber('options.validation', options.validation ?? 0, 0, 1),
    test: checkNumber('options.test', options.test ?? 0, 0, 1),
  };
  if (fractions.validation + fractions.test >= 1) {
    const message = `options.validation is ${fractions.validation} and options.test is ${fractions.test}, which leaves nothing to train on: they must be less than 1 together`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.test', value: fractions.test });
  }
  const seed = checkInteger('options.seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER);
  const ignoreIndex = checkIgnoreIndex(options.ignoreIndex);
  const split = checkBoolean('options.stratify', options.stratify ?? true)
    ? stratified(targets, fractions, seed, ignoreIndex)
    : shuffled(rows, fractions, seed);
  for (const part of ['validation', 'test'] as const) {
    if (fractions[part] > 0 && split[part].length === 0) {
      throw holdsOutNone(`options.${part}`, fractions[part], rows, part);
    }
  }
  return split;
}

function checkList(targets: TargetArray | readonly string[]): { readonly length: number } {
  checkAttached('targets', targets);
  if (Array.isArray(targets) || (ArrayBuffer.isView(targets) && 'length' in targets)) return targets;
  const message = `targets is ${inspectValue(targets)}: it must be an array with the class of each row, or the number of rows`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'targets', value: targets });
}

interface Fractions {
  readonly validation: number;
  readonly test: number;
}

/** Without a test, the rows of splitByFraction. */
function shuffled(rows: number, fractions: Fractions, seed: number): SplitInThree {
  const counts = [fractions.validation, fractions.test].map((fraction) => Math.floor(rows * fraction));
  const [validation, test, training] = cutAtRandom(rows, counts[0]!, counts[1]!, seed);
  return { training, validation, test };
}

/** The test rows first, then validation rows from the others. */
function stratified(
  targets: TargetArray | readonly string[],
  fractions: Fractions,
  seed: number,
  ignoreIndex: number,
): SplitInThree {
  const { classes, count } = classCodes(targets, ignoreIndex);
  const all = Uint32Array.from(targets.keys());
  const counted = all.filter((row) => classes[row] !== UNCOUNTED);
  const test = heldOutOf(counted, classes, count, fractions.test, seed, TEST_STREAM);
  const rest = rowsWithout(counted, test);
  // Half a row more than wanted, so that rounding takes none away.
  const wanted = Math.floor(counted.length * fractions.validation) + 0.5;
  const share =
    fractions.test === 0 || fractions.validation === 0 ? fractions.validation : wanted / rest.length;
  const validation = heldOutOf(rest, classes, count, share, seed);
  return { training: rowsWithout(rowsWithout(all, test), validation), validation, test };
}

const UNCOUNTED = -1;

/** Classes counted from 0 in the order of their names or numbers. */
function classCodes(targets: TargetArray | readonly string[], ignoreIndex: number) {
  const names = Array.from<unknown, string | number>(targets as ArrayLike<unknown>, (target, row) => {
    if (typeof target === 'string' || typeof target === 'number') return target;
    if (typeof target === 'bigint') return Number(target);
    const message = `targets[${row}] is ${inspectValue(target)}: it must be the number or name of a class`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'targets', row, value: target });
  });
  const distinct = [...new Set(names)].filter((name) => name !== ignoreIndex);
  distinct.sort((a, b) => (a < b ? -1 : 1));
  const codes = new Map(distinct.map((name, code) => [name, code]));
  return { classes: Int32Array.from(names, (name) => codes.get(name) ?? UNCOUNTED), count: distinct.length };
}

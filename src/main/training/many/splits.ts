// Which rows are held out to compare heads by: stratified, and by a seed of its own.
import { SoftshardError } from '../../../errors.js';
import { IGNORED } from '../../models/row-targets.js';
import { foldsOf, heldOutOf, rowsWithout } from '../rows/folds.js';
import { noValidation, type Split } from '../rows/row-order.js';
import type { CheckedManyOptions } from './many-options.js';

/** One: heads are trained on its rows alone. Several: each head once for each of them. */
export type Splits = readonly [Split, ...Split[]];

/** A fraction of the rows held out, or each part once, or none. Throws ERR_OPTION where there are too few rows. */
export function splitsOf(
  targets: Int32Array,
  classes: number,
  { cv, validationSplit, splitSeed }: Pick<CheckedManyOptions, 'cv' | 'validationSplit' | 'splitSeed'>,
): Splits {
  if (cv === undefined) {
    if (validationSplit === 0) return [noSplit(targets)];
    const split = holdoutSplit(targets, classes, validationSplit, splitSeed);
    if (split.validation.length === 0) throw noValidation(targets.length, validationSplit);
    return [split];
  }
  const [first, ...others] = crossValidationSplits(targets, classes, cv, splitSeed);
  if (first === undefined || [first, ...others].some(({ validation }) => validation.length === 0)) {
    throw tooManyParts(cv, targets.length);
  }
  return [first, ...others];
}

/**
 * Each part held out once. The rows of a class are dealt in turn, and the next class goes on where the last one ended. The only
 * row of a class is never held out.
 */
export function crossValidationSplits(
  targets: Int32Array,
  classes: number,
  parts: number,
  seed: number,
): readonly Split[] {
  const counted = countedRows(targets);
  const own = Int32Array.from(counted, (row) => targets[row]!);
  const folds = foldsOf(own, classes, parts, seed);
  return Array.from({ length: parts }, (_, part) =>
    splitBy(
      targets,
      counted.filter((__, index) => folds[index] === part),
    ),
  );
}

/** A fraction of the rows held out. */
export const holdoutSplit = (targets: Int32Array, classes: number, fraction: number, seed: number): Split =>
  splitBy(targets, heldOutOf(countedRows(targets), targets, classes, fraction, seed));

/** All rows to train on. */
export const noSplit = (targets: Int32Array): Split => splitBy(targets, new Uint32Array());

const countedRows = (targets: Int32Array): Uint32Array =>
  Uint32Array.from(targets.keys()).filter((row) => targets[row] !== IGNORED);

const splitBy = (targets: Int32Array, validation: Uint32Array): Split => ({
  training: rowsWithout(Uint32Array.from(targets.keys()), validation),
  validation,
});

function tooManyParts(cv: number, rows: number): SoftshardError {
  const message = `options.cv is ${cv}, but of ${rows} rows fewer belong to classes of at least two: lower it, or give more rows`;
  return new SoftshardError('ERR_OPTION', message, { argument: 'options.cv', value: cv });
}

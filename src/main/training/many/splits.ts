// Which rows are held out to compare heads by: stratified, and by a seed of its own.
import { IGNORED } from '../../models/row-targets.js';
import type { Split } from '../rows/row-order.js';
import { foldsOf, heldOutOf } from '../solver/folds.js';

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
  const folds = foldsOf(classesOf(targets, counted), classes, parts, seed);
  return Array.from({ length: parts }, (_, part) =>
    splitBy(
      targets.length,
      counted.filter((_, index) => folds[index] === part),
    ),
  );
}

/** A fraction of the rows held out. */
export function holdoutSplit(targets: Int32Array, classes: number, fraction: number, seed: number): Split {
  const counted = countedRows(targets);
  const isHeldOut = heldOutOf(classesOf(targets, counted), classes, fraction, seed);
  return splitBy(
    targets.length,
    counted.filter((_, index) => isHeldOut[index] === 1),
  );
}

/** All rows to train on. */
export const noSplit = (rows: number): Split => splitBy(rows, new Uint32Array());

const countedRows = (targets: Int32Array): Uint32Array =>
  Uint32Array.from(targets.keys()).filter((row) => targets[row] !== IGNORED);

const classesOf = (targets: Int32Array, rows: Uint32Array): Int32Array =>
  Int32Array.from(rows, (row) => targets[row]!);

function splitBy(rows: number, validation: Uint32Array): Split {
  const isHeldOut = new Uint8Array(rows);
  for (const row of validation) isHeldOut[row] = 1;
  const training = Uint32Array.from({ length: rows }, (_, row) => row).filter((row) => isHeldOut[row] === 0);
  return { training, validation };
}

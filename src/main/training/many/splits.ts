// Which rows are held out to compare heads by: stratified, each class with its share in every part, and by a seed of its own.
import { IGNORED } from '../../models/row-targets.js';
import { RandomStream } from '../random.js';
import type { Split } from '../rows/row-order.js';

/** Of a seed, beside those of row-order.ts. */
const PARTS_STREAM = 2 ** 31;

/** The rows that count, class by class, those of a class in an order of chance. */
function shuffledByClass(targets: Int32Array, classes: number, seed: number): Uint32Array[] {
  const counts = new Uint32Array(classes);
  for (const target of targets) if (target !== IGNORED) counts[target]!++;
  const rows = Array.from(counts, (count) => new Uint32Array(count));
  counts.fill(0);
  for (const [row, target] of targets.entries()) {
    if (target !== IGNORED) rows[target]![counts[target]!++] = row;
  }
  const random = new RandomStream(seed, PARTS_STREAM);
  for (const own of rows) random.shuffle(own);
  return rows;
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
  const part = new Int32Array(targets.length).fill(-1);
  let dealt = 0;
  for (const rows of shuffledByClass(targets, classes, seed)) {
    if (rows.length < 2) continue;
    for (const row of rows) part[row] = dealt++ % parts;
  }
  return Array.from({ length: parts }, (_, index) => splitBy(targets.length, (row) => part[row] === index));
}

/** A fraction of the rows held out. */
export function holdoutSplit(targets: Int32Array, classes: number, fraction: number, seed: number): Split {
  const isHeldOut = new Uint8Array(targets.length);
  let dealt = 0;
  for (const rows of shuffledByClass(targets, classes, seed)) {
    if (rows.length < 2) continue;
    for (const row of rows) {
      isHeldOut[row] = Math.floor((dealt + 1) * fraction) - Math.floor(dealt * fraction);
      dealt++;
    }
  }
  return splitBy(targets.length, (row) => isHeldOut[row] === 1);
}

/** All rows to train on. */
export const noSplit = (rows: number): Split => splitBy(rows, () => false);

function splitBy(rows: number, isHeldOut: (row: number) => boolean): Split {
  const all = Uint32Array.from({ length: rows }, (_, row) => row);
  return { training: all.filter((row) => !isHeldOut(row)), validation: all.filter(isHeldOut) };
}

// Which rows are held out, stratified: each class has its share in every fold.
import { RandomStream } from '../random.js';

/** Streams of a seed, beside those of row-order.ts. */
const FOLD_STREAM = 2 ** 31;
const SAMPLE_STREAM = FOLD_STREAM + 1;
export const TEST_STREAM = FOLD_STREAM + 2;

/** The rows of each class, in an order of chance. */
function shuffledByClass(classes: Int32Array, count: number, random: RandomStream): Uint32Array[] {
  const counts = new Uint32Array(count);
  for (const target of classes) counts[target]!++;
  const rows = Array.from(counts, (length) => new Uint32Array(length));
  counts.fill(0);
  for (const [row, target] of classes.entries()) {
    const own = rows[target]!;
    own[counts[target]!++] = row;
  }
  for (const own of rows) random.shuffle(own);
  return rows;
}

/** The fold of each row; -1 of the only row of a class, which is always trained on. `classes` [rows]: those of the rows. */
export function foldsOf(classes: Int32Array, count: number, folds: number, seed: number): Int32Array {
  const result = new Int32Array(classes.length).fill(-1);
  let next = 0;
  for (const rows of shuffledByClass(classes, count, new RandomStream(seed, FOLD_STREAM))) {
    if (rows.length < 2) continue;
    for (const row of rows) result[row] = next++ % folds;
  }
  return result;
}

/** Which of some rows are held out, where a fraction of them is; not the only row of a class. `classes`: by row number. */
export function heldOutOf(
  rows: Uint32Array,
  classes: Int32Array,
  count: number,
  fraction: number,
  seed: number,
  stream = FOLD_STREAM,
): Uint32Array {
  const isHeldOut = new Uint8Array(rows.length);
  let dealt = 0;
  const own = Int32Array.from(rows, (row) => classes[row]!);
  for (const positions of shuffledByClass(own, count, new RandomStream(seed, stream))) {
    if (positions.length < 2) continue;
    for (const position of positions) {
      isHeldOut[position] = Math.floor((dealt + 1) * fraction) - Math.floor(dealt * fraction);
      dealt++;
    }
  }
  return rows.filter((_, position) => isHeldOut[position] === 1);
}

/** Those of the rows that are not among the others. */
export function rowsWithout(rows: Uint32Array, others: Uint32Array): Uint32Array {
  const gone = new Set(others);
  return gone.size === 0 ? rows : rows.filter((row) => !gone.has(row));
}

/** Numbers of some of the rows, ascending: of each class about its share, at least one. */
export function stratifiedSample(
  classes: Int32Array,
  count: number,
  size: number,
  seed: number,
): Uint32Array {
  if (size >= classes.length) return Uint32Array.from(classes, (_, row) => row);
  const taken: number[] = [];
  for (const rows of shuffledByClass(classes, count, new RandomStream(seed, SAMPLE_STREAM))) {
    const share = Math.min(rows.length, Math.ceil((rows.length * size) / classes.length));
    for (const row of rows.subarray(0, share)) taken.push(row);
  }
  return Uint32Array.from(taken).sort();
}

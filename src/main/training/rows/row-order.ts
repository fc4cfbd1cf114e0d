// Which rows are trained on, in which order, and which are kept for validation; a function of the seed alone.
import { checkInteger, checkNumber } from '../../arguments/checks.js';
import { RandomStream } from '../random.js';

/** Stream 0 of a seed chooses the validation rows; epoch e (from 1) is shuffled by stream e. */
const SPLIT_STREAM = 0;

export interface Split {
  /** Row numbers, ascending. */
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

export function splitRows(rows: number, fraction: number, seed: number): Split {
  checkInteger('rows', rows, 0, 2 ** 32 - 1);
  checkNumber('fraction', fraction, 0, 1);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  const validationRows = Math.floor(rows * fraction);
  if (validationRows === 0) return { training: order, validation: order.subarray(0, 0) };
  new RandomStream(seed, SPLIT_STREAM).shuffle(order);
  return {
    training: order.slice(validationRows).sort(),
    validation: order.slice(0, validationRows).sort(),
  };
}

/** Writes the order of epoch `epoch` (from 1) into `order`. */
export function orderEpoch(
  order: Uint32Array,
  training: Uint32Array,
  epoch: number,
  { shuffle, seed }: { readonly shuffle: boolean; readonly seed: number },
): void {
  order.set(training);
  if (shuffle) new RandomStream(seed, epoch).shuffle(order);
}

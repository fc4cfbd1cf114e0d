// The rows that a caller chooses to train and to validate on.
import { SoftshardError } from '../../../errors.js';
import { inspectValue } from '../../checks.js';
import { isArrayOf } from '../../memory/arrays.js';
import type { Split } from './row-order.js';

export type RowNumbers = Uint32Array | readonly number[];

/** What splitRows gives, or row numbers of any order, each once; those of a test are not looked at. */
export interface RowSplit {
  readonly training: RowNumbers;
  readonly validation?: RowNumbers | undefined;
  readonly test?: RowNumbers | undefined;
}

/** In ascending order. Throws ERR_OPTION for a number that is no row, or one that occurs twice. */
export function checkRowSplit({ training, validation = [] }: RowSplit, rows: number): Split {
  const isTaken = new Uint8Array(rows);
  return {
    training: checkRowNumbers('options.split.training', training, isTaken).sort(),
    validation: checkRowNumbers('options.split.validation', validation, isTaken).sort(),
  };
}

/** A copy. `isTaken` [rows] has 1 for rows that may not occur again. */
export function checkRowNumbers(argument: string, rowNumbers: RowNumbers, isTaken: Uint8Array): Uint32Array {
  const isList = Array.isArray(rowNumbers) || isArrayOf('uint32', rowNumbers);
  const refuse = (at: string, value: unknown, expected: string) =>
    new SoftshardError('ERR_OPTION', `${at} is ${inspectValue(value)}: it must be ${expected}`, {
      argument: at,
      value,
    });
  if (!isList) throw refuse(argument, rowNumbers, 'an array of row numbers');
  for (const [index, row] of rowNumbers.entries()) {
    const at = `${argument}[${index}]`;
    if (!Number.isInteger(row) || row < 0 || row >= isTaken.length) {
      throw refuse(at, row, `the number of a row, from 0 to ${isTaken.length - 1}`);
    }
    if (isTaken[row] === 1) throw refuse(at, row, 'another row: this one is there already');
    isTaken[row] = 1;
  }
  return Uint32Array.from(rowNumbers);
}

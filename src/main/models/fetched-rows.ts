// What operations on unscaled rows need of a FeatureSource: how many there are, and fetching some of them.
import { SoftshardError } from '../../errors.js';
import { checkInteger, checkOneOf, INT32_MAX, inspectValue } from '../checks.js';
import { isArrayOf } from '../memory/arrays.js';

export interface FetchedRows {
  readonly rows: number;
  readonly features: number;
  readonly type: 'float32' | 'uint8';
  gather(rowNumbers: Uint32Array, into: Float32Array | Uint8Array): void | Promise<void>;
}

export const areFetched = (inputs: unknown): inputs is FetchedRows =>
  typeof inputs === 'object' && inputs !== null && 'gather' in inputs && typeof inputs.gather === 'function';

export function checkFetched(inputs: FetchedRows): FetchedRows {
  return {
    rows: checkInteger('inputs.rows', inputs.rows, 0, 2 ** 32 - 1),
    features: checkInteger('inputs.features', inputs.features, 1, INT32_MAX),
    type: checkOneOf('inputs.type', inputs.type, ['float32', 'uint8'], 'ERR_TYPE'),
    gather: (rowNumbers, into) => inputs.gather(rowNumbers, into),
  };
}

/** The chosen ones of this many rows. */
export function checkChosen(chosen: unknown, rows: number): Uint32Array {
  const message = `rowNumbers is ${inspectValue(chosen)}: it must be a Uint32Array of row numbers below ${rows}`;
  const isRight = isArrayOf('uint32', chosen) && chosen.every((row) => row < rows);
  if (isRight) return chosen;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'rowNumbers', value: chosen });
}

// Rows of features that are fetched on demand.
import { SoftshardError } from '../../errors.js';
import { checkInteger, checkOneOf, INT32_MAX, inspectValue } from '../checks.js';
import { isArrayOf } from '../memory/arrays.js';
import { type TensorData, type TypeFor, typesFor } from '../memory/element-types.js';

export type FeatureType = TypeFor<'features'>;

/**
 * Rows that are fetched on demand, from files, a database or a formula: for data sets larger than memory. Results have the
 * bits that an array of the same rows gives.
 */
export interface FeatureSource<Type extends FeatureType = FeatureType> {
  readonly rows: number;
  readonly features: number;
  readonly type: Type;
  /**
   * Writes the rows with these numbers, in this order, into `into` [rowNumbers.length × features], before it returns or
   * before its promise resolves; what it does not write is 0. Called for a few megabytes at a time, for any row as often as
   * needed. A call that is aborted does not wait for it.
   */
  gather(rowNumbers: Uint32Array, into: TensorData[Type]): void | Promise<void>;
}

/** Or is meant to be one, and lacks gather. */
export const isFeatureSource = (value: unknown): value is FeatureSource =>
  typeof value === 'object' &&
  value !== null &&
  ('gather' in value || (!('data' in value) && ('rows' in value || 'features' in value)));

export const checkSourceFeatures = (argument: string, { features }: FeatureSource): number =>
  checkInteger(`${argument}.features`, features, 1, INT32_MAX);

/** All but the number of features, which may be that of a model. A copy: its fields may change. */
export function checkFeatureSource(argument: string, source: FeatureSource): FeatureSource {
  const rows = checkInteger(`${argument}.rows`, source.rows, 0, 2 ** 32 - 1);
  const type = checkOneOf(`${argument}.type`, source.type, typesFor('features'), 'ERR_TYPE');
  const { gather, features } = source;
  if (typeof gather !== 'function') {
    const message = `${argument}.gather is ${inspectValue(gather)}: it must be a function (rowNumbers, into) that writes the rows with these numbers into the array \`into\``;
    throw new SoftshardError('ERR_OPTION', message, { argument: `${argument}.gather`, value: gather });
  }
  return { rows, features, type, gather: (rowNumbers, into) => source.gather(rowNumbers, into) };
}

/** The chosen ones of this many rows. */
export function checkChosen(chosen: unknown, rows: number): Uint32Array {
  const message = `rowNumbers is ${inspectValue(chosen)}: it must be a Uint32Array of row numbers below ${rows}`;
  const isRight = isArrayOf('uint32', chosen) && chosen.every((row) => row < rows);
  if (isRight) return chosen;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'rowNumbers', value: chosen });
}

// Rows of features as servers have them: typed arrays, and arrays of numbers as JSON gives them. Checked before anything is
// computed, and converted to float32 as they are copied.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { arrayClassOf, checkedDims, dataOf, dimsOf, product } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { Tensor } from '../memory/tensor.js';

/** A Float16Array (Node 24 and newer), which TypeScript's older libraries do not have. */
export interface Float16Elements {
  readonly [Symbol.toStringTag]: 'Float16Array';
  readonly length: number;
  readonly [index: number]: number;
  slice(begin?: number, end?: number): Float16Elements;
  subarray(begin?: number, end?: number): Float16Elements;
}

/** Elements are numbers, computed in float32. */
export type RowElements = Float32Array | Float64Array | Float16Elements | Uint8Array | Uint8ClampedArray;

/** The unscaled features of one row. */
export type Row = RowElements | readonly number[];

/** Unscaled rows: [rows × features] in one typed array or tensor, or an array of rows. */
export type Rows = RowElements | Tensor<'float32'> | Tensor<'uint8'> | readonly Row[];

const CLASSES: ReadonlySet<string | undefined> = new Set([
  'Float32Array',
  'Float64Array',
  'Float16Array',
  'Uint8Array',
  'Uint8ClampedArray',
]);

const isRowElements = (value: unknown): value is RowElements => CLASSES.has(arrayClassOf(value));

/** The row itself if it is a typed array, else a copy in `room` [features]. `argument` names it in errors. */
export function checkRow(argument: string, row: unknown, room: Float32Array): RowElements {
  const features = room.length;
  if (isRowElements(row)) {
    if (row.length !== features) throw lengthError(argument, row, features);
    return row;
  }
  if (!Array.isArray(row)) throw rowError(argument, row);
  if (row.length !== features) throw lengthError(argument, row, features);
  for (let feature = 0; feature < features; feature++) {
    const value: unknown = row[feature];
    if (typeof value !== 'number') throw numberError(argument, feature, value);
    room[feature] = value;
  }
  return room;
}

/** [rows × features] in one array: the caller's, or a copy. */
export function checkRows(rows: unknown, features: number): RowElements {
  const elements = dataOf(rows);
  if (isRowElements(elements)) {
    checkAttached('rows', elements);
    if (elements !== rows) checkDims(dimsOf(rows), elements.length, features);
    if (elements.length % features === 0) return elements;
    const message = `rows has ${elements.length} elements: not a whole number of rows of the model's ${features} features`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'rows', value: elements.length });
  }
  if (!Array.isArray(rows)) {
    const message = `rows is ${inspectValue(rows)}: pass a Float32Array, Float64Array, Float16Array or Uint8Array [rows × features], { type, dims, data }, or an array of rows`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'rows', value: rows });
  }
  const copies = new Float32Array(rows.length * features);
  for (let row = 0; row < rows.length; row++) {
    const room = copies.subarray(row * features, (row + 1) * features);
    const checked = checkRow(`rows[${row}]`, rows[row], room);
    if (checked !== room) room.set(checked);
  }
  return copies;
}

function checkDims(given: unknown, length: number, features: number): void {
  const dims = checkedDims(given) ?? [];
  if (dims.at(-1) === features && product(dims) === length) return;
  const message = `rows.dims is ${inspectValue(given)} for ${length} elements: it must be [rows, ${features}], the last the model's features`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'rows.dims', value: given });
}

function rowError(argument: string, row: unknown): SoftshardError {
  const message = `${argument} is ${inspectValue(row)}: pass the features of one row as a Float32Array, Float64Array, Float16Array, Uint8Array or an array of numbers`;
  return new SoftshardError('ERR_TYPE', message, { argument, value: row });
}

function lengthError(argument: string, row: ArrayLike<unknown>, features: number): SoftshardError {
  checkAttached(argument, row);
  const message = `${argument} has ${row.length} elements, the model has ${features} features: pass one for each`;
  return new SoftshardError('ERR_SHAPE', message, { argument, value: row.length });
}

function numberError(argument: string, feature: number, value: unknown): SoftshardError {
  const message = `${argument}[${feature}] is ${inspectValue(value)}: it must be a number (JSON has null for NaN: impute it, or pass NaN)`;
  return new SoftshardError('ERR_TYPE', message, { argument, feature, value });
}

/** Says why the logits of this row are not finite. `index` is its number where it is one of several. */
export function invalidRowError(argument: string, row: ArrayLike<number>, index?: number): SoftshardError {
  const remedy =
    "or create the predictor with onInvalidInput: 'ignore' (the row then has class -1 and probabilities NaN)";
  const details = index === undefined ? { argument } : { argument, row: index };
  for (let feature = 0; feature < row.length; feature++) {
    const value = row[feature]!;
    if (Number.isFinite(Math.fround(value))) continue;
    const place = index === undefined ? feature : `${index}, ${feature}`;
    const message = `${argument}[${place}] is ${value}, but features must be finite numbers of float32: impute it, ${remedy}`;
    return new SoftshardError('ERR_NOT_FINITE', message, { ...details, feature, value });
  }
  const place = index === undefined ? argument : `${argument}[${index}]`;
  const message = `${place} has finite features, but its logits overflow float32: scale the features (options.featureScaling of the classifier), ${remedy}`;
  return new SoftshardError('ERR_NOT_FINITE', message, details);
}

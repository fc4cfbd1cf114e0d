// The numbers of a row in any form, as float32: rounded to nearest, refused where they are no numbers or beyond its range.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { halfToNumber } from '../data/elements.js';
import { arrayClassOf, isBigInts } from '../memory/arrays.js';

/** Rows that lie one after the other in an array. */
export interface NumberRows {
  readonly argument: string;
  /** The number of the first of them. */
  readonly row: number;
  readonly columns: number;
  /** What columns are called in errors; else they are numbered. */
  readonly names?: readonly string[] | undefined;
}

/** float16 and bfloat16 as their bits. */
export type HalfType = 'float16' | 'bfloat16' | undefined;

/** Throws ERR_TYPE or ERR_NOT_FINITE, with row and column. NaN and infinities pass: what uses the rows judges them. */
export function writeNumbers(
  into: Float32Array,
  values: ArrayLike<unknown>,
  half: HalfType,
  rows: NumberRows,
): void {
  const isTyped = arrayClassOf(values) !== undefined;
  if (half !== undefined && isTyped) widen(into, values as Uint16Array, half);
  else if (isTyped && !isBigInts(values)) into.set(values as ArrayLike<number>);
  else for (let i = 0; i < into.length; i++) into[i] = numberOf(values[i], i, rows);
  if (isTyped && arrayClassOf(values) !== 'Float64Array') return;
  for (let i = 0; i < into.length; i++) {
    if (!Number.isFinite(into[i]) && Number.isFinite(Number(values[i]))) throw overflow(values[i], i, rows);
  }
}

function widen(into: Float32Array, bits: Uint16Array, half: 'float16' | 'bfloat16'): void {
  if (half === 'float16') {
    for (let i = 0; i < into.length; i++) into[i] = halfToNumber(bits[i]!);
    return;
  }
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < into.length; i++) words[i] = bits[i]! << 16;
}

function numberOf(value: unknown, index: number, rows: NumberRows): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
  const hint =
    typeof value === 'string'
      ? 'Number(…) converts text, and words belong into columns of 0 and 1'
      : 'impute it, or drop the row';
  const message = `${placeOf(index, rows)} is ${inspectValue(value)}, but features must be numbers: ${hint}`;
  throw new SoftshardError('ERR_TYPE', message, { ...detailsOf(index, rows), value });
}

function overflow(value: unknown, index: number, rows: NumberRows): SoftshardError {
  const message = `${placeOf(index, rows)} is ${value}, beyond float32's range of ±3.4e38: scale the values, or drop the row`;
  return new SoftshardError('ERR_NOT_FINITE', message, { ...detailsOf(index, rows), value });
}

const detailsOf = (index: number, { argument, row, columns }: NumberRows) => ({
  argument,
  row: row + Math.floor(index / columns),
  feature: index % columns,
});

function placeOf(index: number, rows: NumberRows): string {
  const { argument, row, feature } = detailsOf(index, rows);
  const name = rows.names?.[feature];
  return name === undefined ? `${argument}[${row}, ${feature}]` : `${argument}[${row}].${name}`;
}

// Checks the numeric options of losses and converts them to the type that kernels compute in.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { dataOf, isArrayOf, isFloats, isIntegers } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { arrayClass, type ComputeType } from '../memory/element-types.js';
import type { TensorLike } from '../memory/tensor.js';
import { type ArrowVector, elementsOf, isArrowVector } from './arrow.js';
import { adviceFor } from './foreign-values.js';
import { checkNotHalf, type TargetArray } from './targets.js';

/** One number for each class or row. */
export type NumericVector = Float32Array | Float64Array | readonly number[];

/** The same in any form: an array or tensor of any type of number, or an Arrow vector. */
export type AnyVector = NumericVector | TargetArray | TensorLike | ArrowVector;
export type FloatArray = Float32Array | Float64Array;

export function checkNumbers(
  argument: string,
  given: AnyVector | undefined,
  length: number,
  what: string,
  minimum: number,
  type: ComputeType,
): FloatArray | undefined {
  if (given === undefined) return undefined;
  const value = numbersOf(argument, given);
  checkAttached(argument, value);
  if (value.length !== length) {
    const message = `${argument} has ${value.length} entries for ${length} ${what}: it needs one for each`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: value.length });
  }
  for (let i = 0; i < length; i++) {
    const number = value[i];
    if (typeof number === 'number' && Number.isFinite(number) && number >= minimum) continue;
    const least = minimum === 0 ? ' of at least 0' : '';
    const message = `${argument}[${i}] is ${inspectValue(number)}: it must be a finite number${least}`;
    throw new SoftshardError('ERR_OPTION', message, { argument, row: i, value: number });
  }
  return storedAs(argument, value, type);
}

function numbersOf(argument: string, given: unknown): NumericVector {
  checkNotHalf(argument, given);
  const array = isArrowVector(given) ? elementsOf(given).values : dataOf(given);
  if (isFloats(array) || Array.isArray(array)) return array;
  if (isIntegers(array)) return Float64Array.from(array as TargetArray, Number);
  const advice = adviceFor(given);
  const message =
    advice === undefined
      ? `${argument} is ${inspectValue(array)}: pass a Float32Array, a Float64Array or an array of numbers`
      : `${argument} is ${advice}`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: array });
}

function storedAs(argument: string, value: NumericVector, type: ComputeType): FloatArray {
  if (type === 'float64') return isArrayOf('float64', value) ? value : Float64Array.from(value);
  if (isArrayOf('float32', value)) return value;
  const stored = Float32Array.from(value);
  const row = stored.findIndex((number) => !Number.isFinite(number));
  if (row < 0) return stored;
  const message = `${argument}[${row}] is ${value[row]}: computed in float32, it must be below 3.4e38 in size`;
  throw new SoftshardError('ERR_OPTION', message, { argument, row, value: value[row] });
}

export function checkFraction(argument: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  const message = `${argument} is ${inspectValue(value)}: it must be a number from 0 to 1`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

/** A divisor: both it and its inverse must be normal numbers of the compute type. */
export function checkPositive(argument: string, value: unknown, type: ComputeType): number {
  const least = type === 'float32' ? 2 ** -126 : 2 ** -1022;
  if (typeof value === 'number' && value >= least && value <= 1 / least) return value;
  const isPositive = typeof value === 'number' && value > 0 && Number.isFinite(value);
  const rule = isPositive
    ? `computed in ${type}, it must be from ${least.toPrecision(2)} to ${(1 / least).toPrecision(2)}`
    : 'it must be a finite number above 0';
  throw new SoftshardError('ERR_OPTION', `${argument} is ${inspectValue(value)}: ${rule}`, {
    argument,
    value,
  });
}

export function checkFinite(argument: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const message = `${argument} is ${inspectValue(value)}: it must be a finite number`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

export const newFloatArray = (type: ComputeType, length: number): FloatArray =>
  new (arrayClass(type))(length);

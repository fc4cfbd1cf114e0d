// Class indices in any integer array: checked before an operation touches its outputs, converted to Int32 on the way
// into the arena.

import { SoftshardError } from '../errors.js';
import type { Kernels, Ptr } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import type { Arena } from './arena.js';
import { residentPtr } from './arena-tensor.js';
import { shown } from './options.js';
import type { Tensor } from './tensor.js';

export type TargetArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array
  | readonly number[];

/** One class index for each row: a vector of the engine, any integer array, or a plain array. */
export type Targets = TargetArray | Tensor<'int32' | 'uint32' | 'uint16' | 'uint8'>;

export interface CheckedTargets {
  readonly rows: number;
  /** Where they lie in the arena as Int32, or undefined. */
  readonly ptr: Ptr | undefined;
  /** Writes targets [rowBegin, rowEnd) as Int32. */
  copyTo(destination: Int32Array, rowBegin: number, rowEnd: number): void;
}

const INTEGER_ARRAYS = [
  Uint8Array,
  Uint8ClampedArray,
  Uint16Array,
  Uint32Array,
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Throws ERR_TYPE, ERR_SHAPE (not `rows` of them) or ERR_TARGET_RANGE (names row and value). */
export function checkTargets(
  arena: Arena,
  kernels: Kernels,
  value: unknown,
  rows: number,
  classes: number,
): CheckedTargets {
  const ptr = residentPtr(arena, value);
  const array = targetArray(value);
  if (array.length !== rows) {
    const message = `targets has ${array.length} entries for ${rows} rows: it needs one class index for each row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'targets', value: array.length });
  }
  if (ptr !== undefined && array instanceof Int32Array) {
    const row = kernels.findInvalidTarget(ptr, rows, classes);
    if (row !== STATUS_OK) throw targetRangeError(row, array[row], classes);
    return { rows, ptr, copyTo: copier(array) };
  }
  checkRange(array, classes);
  return { rows, ptr: undefined, copyTo: copier(array) };
}

function targetArray(value: unknown): TargetArray {
  const array = typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
  if (Array.isArray(array) || INTEGER_ARRAYS.some((type) => array instanceof type)) {
    return array as TargetArray;
  }
  const message = `targets is ${shown(array)}: pass class indices as Uint8/16/32Array, Int8/16/32Array, BigInt64Array, a plain array of numbers, or an integer engine.vector(…)`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'targets', value: array });
}

function checkRange(array: TargetArray, classes: number): void {
  for (let row = 0; row < array.length; row++) {
    const target = array[row];
    const isClass =
      typeof target === 'bigint'
        ? target >= 0n && target < BigInt(classes)
        : Number.isInteger(target) && target! >= 0 && target! < classes;
    if (!isClass) throw targetRangeError(row, target, classes);
  }
}

export function targetRangeError(row: number, value: unknown, classes: number): SoftshardError {
  const message = `targets[${row}] is ${shown(value)}, not a class: targets must be whole numbers from 0 to ${classes - 1} (${classes} classes)`;
  return new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'targets', row, value });
}

function copier(array: TargetArray): CheckedTargets['copyTo'] {
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    return (destination, rowBegin, rowEnd) => {
      for (let row = rowBegin; row < rowEnd; row++) destination[row - rowBegin] = Number(array[row]);
    };
  }
  return (destination, rowBegin, rowEnd) => {
    const part = Array.isArray(array)
      ? array.slice(rowBegin, rowEnd)
      : (array as Int32Array).subarray(rowBegin, rowEnd);
    destination.set(part);
  };
}

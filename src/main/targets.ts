// Class indices in any integer array: checked before an operation touches its outputs, converted to Int32 on the way
// into the arena.

import { SoftshardError } from '../errors.js';
import type { Kernels, Ptr } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import type { Arena } from './arena.js';
import { checkNotFreed, residentPtr } from './arena-tensor.js';
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
  /** The caller's typed array, where it is one. */
  readonly elements: ArrayBufferView | undefined;
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
  argument = 'targets',
): CheckedTargets {
  checkNotFreed(argument, value);
  const ptr = residentPtr(arena, value);
  const array = targetArray(value, argument);
  if (array.length !== rows) {
    const message = `${argument} has ${array.length} entries for ${rows} rows: it needs one class index for each row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: array.length });
  }
  if (ptr !== undefined && array instanceof Int32Array) {
    const row = kernels.findInvalidTarget(ptr, rows, classes);
    if (row !== STATUS_OK) throw targetRangeError(row, array[row], classes, argument);
    return { rows, ptr, elements: array, copyTo: copier(array, argument) };
  }
  checkRange(array, classes, argument);
  const elements = ArrayBuffer.isView(array) ? array : undefined;
  return { rows, ptr: undefined, elements, copyTo: copier(array, argument) };
}

function targetArray(value: unknown, argument: string): TargetArray {
  const array = typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
  if (Array.isArray(array) || INTEGER_ARRAYS.some((type) => array instanceof type)) {
    return array as TargetArray;
  }
  const message = `${argument} is ${shown(array)}: pass class indices as Uint8/16/32Array, Int8/16/32Array, BigInt64Array, a plain array of numbers, or an integer engine.vector(…)`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: array });
}

function checkRange(array: TargetArray, classes: number, argument: string): void {
  const isBig = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let row = 0; row < array.length; row++) {
    const target = array[row];
    const isClass =
      isBig && typeof target === 'bigint'
        ? target >= 0n && target < BigInt(classes)
        : Number.isInteger(target) && target! >= 0 && target! < classes;
    if (!isClass) throw targetRangeError(row, target, classes, argument);
  }
}

export function targetRangeError(
  row: number,
  value: unknown,
  classes: number,
  argument = 'targets',
): SoftshardError {
  const message = `${argument}[${row}] is ${shown(value)}, not a class: ${argument} must be whole numbers from 0 to ${classes - 1} (${classes} classes)`;
  return new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value });
}

/** Arrays that are copied in windows may be resized or detached by their owner before the last one is. */
export function checkStillThere(argument: string, length: number, needed: number): void {
  if (length >= needed) return;
  const message = `${argument} was resized or detached while the call was running: leave it alone until the call has ended`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: length });
}

function copier(array: TargetArray, argument: string): CheckedTargets['copyTo'] {
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    return (destination, rowBegin, rowEnd) => {
      checkStillThere(argument, array.length, rowEnd);
      for (let row = rowBegin; row < rowEnd; row++) destination[row - rowBegin] = Number(array[row]);
    };
  }
  return (destination, rowBegin, rowEnd) => {
    checkStillThere(argument, array.length, rowEnd);
    const part = Array.isArray(array)
      ? array.slice(rowBegin, rowEnd)
      : (array as Int32Array).subarray(rowBegin, rowEnd);
    destination.set(part);
  };
}

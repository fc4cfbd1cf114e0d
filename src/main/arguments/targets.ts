// Class indices in any integer array: checked before an operation touches its outputs, converted to Int32 on the way
// into the arena.

import { SoftshardError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { WorkerResult } from '../../workers/protocol.js';
import { inspectValue } from '../checks.js';
import type { Arena } from '../memory/arena.js';
import { checkNotFreed, residentPtr } from '../memory/arena-tensor.js';
import { checkedDims, dataOf, dimsOf, isArrayOf, isBigInts, isIntegers, typeOf } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { holdsBits, type TypeFor } from '../memory/element-types.js';
import type { Tensor, TensorLike } from '../memory/tensor.js';
import { type ArrowVector, elementsOf, isArrowVector } from './arrow.js';
import { adviceFor } from './foreign-values.js';

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

/** One class index for each row: a vector of the engine, any integer array, tensor or Arrow vector, or a plain array. */
export type Targets = TargetArray | Tensor<TypeFor<'classes'>> | TensorLike | ArrowVector;

/** Which targets are neither classes nor errors. */
export interface TargetRules {
  /** Rows with this target are ignored. */
  readonly ignoreIndex?: number | undefined;
  /** 'ignore': so are rows with a target that is no class. */
  readonly onInvalidTarget?: 'throw' | 'ignore' | undefined;
  /** What errors call them; default "targets". */
  readonly argument?: string;
  /** What errors about a target that is no class add. */
  readonly hint?: string;
  /** The dimensions of the rows, where targets that are a tensor must have them too. */
  readonly rowDims?: readonly number[];
}

export interface CheckedTargets {
  readonly rows: number;
  /** How many rows are to be ignored. */
  readonly ignored: number;
  /** The class of a row, or -1 for an ignored one. */
  classOf(row: number): number;
  /** Where they lie in the arena as Int32, or undefined. */
  readonly ptr: Ptr | undefined;
  /** The caller's typed array, where it is one. */
  readonly elements: ArrayBufferView | undefined;
  /** Writes targets [rowBegin, rowEnd) as Int32. */
  copyTo(destination: Int32Array, rowBegin: number, rowEnd: number): void;
}

/** Throws ERR_TYPE, ERR_SHAPE (not `rows` of them) or ERR_TARGET_RANGE (names row and value). */
export function checkTargets(
  arena: Arena,
  kernels: Kernels,
  value: unknown,
  rows: number,
  classes: number,
  rules: TargetRules = {},
): CheckedTargets {
  const { argument = 'targets', ignoreIndex } = rules;
  checkNotFreed(argument, value);
  checkNotHalf(argument, value);
  const ptr = residentPtr(arena, value);
  const array = targetArray(value, argument);
  if (array.length !== rows) {
    const message = `${argument} has ${array.length} entries for ${rows} rows: it needs one class index for each row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: array.length });
  }
  checkRowDims(argument, value, rules.rowDims);
  const resident = ptr !== undefined && isArrayOf('int32', array);
  const found =
    resident && !isClass(ignoreIndex, classes) && kernels.findInvalidTarget(ptr, rows, classes) === STATUS_OK;
  const ignored = found ? 0 : countIgnored(array, classes, rules);
  return {
    rows,
    ignored,
    classOf: (row) => {
      const target = array[row];
      return isClass(target, classes) && Number(target) !== ignoreIndex ? Number(target) : -1;
    },
    ptr: resident ? ptr : undefined,
    elements: ArrayBuffer.isView(array) ? array : undefined,
    copyTo: copier(array, ignored, classes, rules),
  };
}

/** The bits of the half types are integers, and would be taken for classes or numbers. */
export function checkNotHalf(argument: string, value: unknown): void {
  const type = typeOf(value);
  if (!holdsBits(type)) return;
  const or = argument.endsWith('targets') ? ', or class indices in an integer array' : '';
  const message = `${argument} is ${type}: one entry for each class must be float32 or float64${or}`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: type });
}

/** Targets of rows in several dimensions must not be transposed; dimensions of 1 change no order. */
function checkRowDims(argument: string, value: unknown, rowDims: readonly number[] | undefined): void {
  const given = dimsOf(value);
  if (given === undefined || rowDims === undefined || (Array.isArray(given) && given.length === 0)) return;
  const dims = checkedDims(given);
  if (dims === undefined) {
    const message = `${argument}.dims is ${inspectValue(given)}: it must list whole numbers`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: `${argument}.dims`, value: given });
  }
  const [own, wanted] = [dims, rowDims].map((some) => some.filter((dim) => dim !== 1));
  if (own!.length <= 1 || wanted!.length <= 1 || own!.join() === wanted!.join()) return;
  const message = `${argument} has dims [${dims.join(', ')}]: they must be those of the logits without the classes, [${rowDims.join(', ')}]`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: dims });
}

const isClass = (target: number | bigint | undefined, classes: number): boolean =>
  typeof target === 'bigint'
    ? target >= 0n && target < BigInt(classes)
    : Number.isInteger(target) && target! >= 0 && target! < classes;

function targetArray(value: unknown, argument: string): TargetArray {
  const array = isArrowVector(value) ? elementsOf(value).values : dataOf(value);
  checkAttached(argument, array);
  if (Array.isArray(array) || isIntegers(array)) {
    return array as TargetArray;
  }
  const advice = adviceFor(value);
  if (advice !== undefined)
    throw new SoftshardError('ERR_TYPE', `${argument} is ${advice}`, { argument, value });
  const message = `${argument} is ${inspectValue(array)}: pass class indices as Uint8/16/32Array, Int8/16/32Array, BigInt64Array, a plain array of numbers, or an integer engine.vector(…)`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: array });
}

/** Throws at the first target that is neither a class nor to be ignored. */
function countIgnored(array: TargetArray, classes: number, rules: TargetRules): number {
  const { ignoreIndex, onInvalidTarget, argument, hint } = rules;
  const isBig = isBigInts(array);
  let ignored = 0;
  for (let row = 0; row < array.length; row++) {
    const target = array[row];
    // A bigint in a plain array is no class index: it cannot be copied to Int32.
    const isNumber = isBig || typeof target === 'number';
    if (isNumber && isClass(target, classes) && Number(target) !== ignoreIndex) continue;
    const mayBe = isNumber && (Number(target) === ignoreIndex || onInvalidTarget === 'ignore');
    if (!mayBe) {
      const ofNames =
        typeof target === 'string' ? 'matchLabels(labels, classNames) makes them of names' : hint;
      throw targetRangeError(row, target, classes, { argument, ignoreIndex, hint: ofNames });
    }
    ignored++;
  }
  return ignored;
}

/** Options in the place of targets that were forgotten. */
export function checkNotOptions(argument: string, value: unknown, optionNames: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    return;
  const names = Object.keys(value);
  if (names.length === 0 || !names.every((name) => optionNames.includes(name))) return;
  const message = `${argument} is missing: options come after it, and ${inspectValue(value)} is in its place`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value });
}

function targetRangeError(
  row: number,
  value: unknown,
  classes: number,
  {
    argument = 'targets',
    ignoreIndex,
    hint,
  }: Pick<TargetRules, 'ignoreIndex'> & { argument?: string | undefined; hint?: string | undefined } = {},
): SoftshardError {
  const or = ignoreIndex === undefined ? '' : `, or ${ignoreIndex} (options.ignoreIndex)`;
  const remedy = hint === undefined ? '' : ` (${hint})`;
  const message = `${argument}[${row}] is ${inspectValue(value)}, not a class: ${argument} must be whole numbers from 0 to ${classes - 1} (${classes} classes)${or}${remedy}`;
  return new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value });
}

/** The lowest row that a worker refuses, of a window. When each comes upon its own is a matter of time. */
export function refusedRow(results: readonly WorkerResult[]): number | undefined {
  const rows = results.flatMap((result) => (result.state === 'invalidTarget' ? [result.row] : []));
  return rows.length === 0 ? undefined : Math.min(...rows);
}

/** Of a class that was one when it was checked. */
export const changedTargetError = (row: number, classes: number): SoftshardError =>
  targetRangeError(row, 'changed while the call was running', classes);

/** Arrays that are copied in windows may be resized or detached by their owner before the last one is. */
export function checkStillThere(argument: string, length: number, needed: number): void {
  if (length >= needed) return;
  const message = `${argument} was resized or detached while the call was running: leave it alone until the call has ended`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: length });
}

/** What an ignored row's target is to the kernels when it is neither a class nor ignoreIndex. */
export const NO_CLASS = -(2 ** 31);

function copier(
  array: TargetArray,
  ignored: number,
  classes: number,
  { argument = 'targets', ignoreIndex }: TargetRules,
): CheckedTargets['copyTo'] {
  // Int32 would make a class of some targets that are none (0.5, 2^32), or become so while the call runs.
  const isExact = !Array.isArray(array) && !isBigInts(array);
  if (!isExact || (ignored > 0 && !isArrayOf('int32', array))) {
    return (destination, rowBegin, rowEnd) => {
      checkStillThere(argument, array.length, rowEnd);
      for (let row = rowBegin; row < rowEnd; row++) {
        const target = Number(array[row]);
        destination[row - rowBegin] = isClass(target, classes) || target === ignoreIndex ? target : NO_CLASS;
      }
    };
  }
  return (destination, rowBegin, rowEnd) => {
    checkStillThere(argument, array.length, rowEnd);
    destination.set((array as Int32Array).subarray(rowBegin, rowEnd));
  };
}

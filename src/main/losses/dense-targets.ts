// Targets with an entry for every class: soft targets (probabilities), one-hot rows, and masks.
import { SoftshardError } from '../../errors.js';
import { type AxisRows, computeType } from '../arguments/axis-rows.js';
import { checkNotHalf, type Targets } from '../arguments/targets.js';
import { inspectValue } from '../checks.js';
import { dense, readOperand } from '../dispatch/operands.js';
import type { ArrayRows } from '../dispatch/row-source.js';
import type { Operand } from '../dispatch/windows.js';
import type { Arena } from '../memory/arena.js';
import { residentPtr } from '../memory/arena-tensor.js';
import { checkedDims, dataOf, dimsOf, isArrayOf, isBigInts, isFloat16s, isFloats } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { Tensor } from '../memory/tensor.js';

/** One number for each element of the logits, in their order. */
export type DenseTargets = Float32Array | Float64Array | Tensor<'float32' | 'float64'>;
/** One byte for each element of the logits, in their order: 0 leaves the class out of its row. */
export type Mask = Uint8Array | Tensor<'uint8'>;

type DenseArray = Exclude<ArrayRows['elements'], never> | readonly number[];

/** The shape of the logits that dense targets belong to; linearCrossEntropy has no logits. */
export type LogitsShape = Pick<AxisRows, 'dims' | 'axis' | 'type' | 'rows' | 'columns' | 'inner'>;

/**
 * Whether targets have an entry for every class: floating ones always, integers (one-hot) if there are as many as elements
 * of the logits, unless that is one per row.
 */
export function areDense(
  targets: Targets | DenseTargets,
  logits: Pick<LogitsShape, 'rows' | 'columns'>,
): targets is DenseTargets {
  const array = dataOf(targets);
  if (isFloats(array)) return true;
  if (typeof array !== 'object' || array === null || !('length' in array)) return false;
  const { length } = array;
  return logits.columns > 1 && length === logits.rows * logits.columns && length !== logits.rows;
}

/**
 * Class indices could be mistaken for one-hot rows if there are as many as elements of the logits (where rows and columns
 * were mixed up), and the loss would be meaningless.
 */
export function checkOneHot(
  argument: string,
  targets: unknown,
  { rows, columns, inner }: Pick<LogitsShape, 'rows' | 'columns' | 'inner'>,
): void {
  const array = dataOf(targets) as ArrayLike<number | bigint>;
  if (isFloating(array)) return;
  for (let index = 0; index < array.length; index++) {
    const value = array[index]!;
    if (value >= 0 && value <= 1) continue;
    const row = Math.floor(index / (columns * inner)) * inner + (index % inner);
    const message = `${argument}[${index}] is ${value}: ${array.length} entries for ${rows} × ${columns} logits are one-hot, 0 or 1 (other shares: Float32Array); class indices need one entry for each of the ${rows} rows`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value });
  }
}

/** Includes Float16Array (Node 24 and newer). */
const isFloating = (array: unknown): boolean => isFloats(array) || isFloat16s(array);

/** Soft targets, converted to the type that kernels compute in. */
export function denseTargetsOperand(
  arena: Arena,
  targets: DenseTargets,
  logits: LogitsShape,
  hint?: string,
): Operand {
  const array = checkDense('targets', targets, logits, hint);
  const type = computeType(logits);
  const columns = logits.columns * logits.inner;
  const same = isArrayOf(type, array);
  const ptr = same ? residentPtr(arena, targets) : undefined;
  const operand = { what: 'targets', ptr, ...dense(columns, type) };
  if (ptr !== undefined) return operand;
  return {
    ...operand,
    load: (window, rowBegin, rowEnd) => {
      window.as(type).set(slice(array, rowBegin * columns, rowEnd * columns));
    },
  };
}

export function maskOperand(arena: Arena, mask: Mask, logits: LogitsShape): Operand {
  const bytes = maskBytes('options.mask', mask, logits);
  return readOperand('mask', {
    elements: bytes,
    columns: logits.columns * logits.inner,
    type: 'uint8',
    ptr: residentPtr(arena, mask),
  });
}

export function maskBytes(argument: string, mask: Mask, logits: DenseShape): Uint8Array {
  const bytes = dataOf(mask);
  if (!isArrayOf('uint8', bytes)) {
    const message = `${argument} is ${inspectValue(bytes)}: pass a Uint8Array with a byte for each element of the logits, 0 to leave a class out`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value: bytes });
  }
  checkDense(argument, mask, logits);
  return bytes;
}

type DenseShape = Pick<AxisRows, 'rows' | 'columns' | 'dims'>;

/** The array, checked to have an entry for each element of the logits; bigints become numbers. */
export function checkDense(
  argument: string,
  value: unknown,
  logits: DenseShape,
  hint = argument.endsWith('targets')
    ? ' (floating targets are probabilities; class indices come in integer arrays)'
    : '',
): DenseArray {
  const array = dataOf(value) as DenseArray | BigInt64Array | BigUint64Array;
  checkAttached(argument, array);
  checkNotHalf(argument, value);
  const given = dimsOf(value);
  const dims = checkedDims(given);
  const isLike = dims?.length === logits.dims.length && dims.every((dim, i) => dim === logits.dims[i]);
  const fits = array.length === logits.rows * logits.columns && (given === undefined || isLike);
  if (fits) return isBigInts(array) ? Float64Array.from(array, Number) : array;
  const had =
    given === undefined
      ? `${array.length} entries`
      : `dims ${dims ? `[${dims.join(', ')}]` : inspectValue(given)}`;
  const message = `${argument} has ${had}; with one entry for each class it needs the dims of the logits, [${logits.dims.join(', ')}]${hint}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: given ?? array.length });
}

const slice = (array: DenseArray, begin: number, end: number): ArrayLike<number> =>
  Array.isArray(array) ? array.slice(begin, end) : (array as Float32Array).subarray(begin, end);

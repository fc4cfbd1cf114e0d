// Checks matrices as callers pass them and brings them to one form: shape, elements, and the address of those in the arena.

import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import { checkInteger, inspectValue } from '../checks.js';
import type { Arena } from '../memory/arena.js';
import { checkNotFreed, residentPtr } from '../memory/arena-tensor.js';
import {
  arrayClassOf,
  bitsOf,
  checkedDims,
  dimsOf,
  isArrayOf,
  isBigInts,
  product,
  typeOf,
} from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import {
  arrayClass,
  type ElementType,
  holdsBits,
  type TensorData,
  type TypeFor,
} from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { adviceFor, conversionTo } from './foreign-values.js';

/** A tensor whose last dimension is the columns, or a bare Float32Array with the option `columns`. */
export type Float32Rows = Tensor<'float32'> | Float32Array;

type RowType = TypeFor<'layer' | 'features'>;

export interface RowsOf<Elements> {
  readonly dims: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly elements: Elements;
  /** The address of elements in the engine's arena. */
  readonly ptr: Ptr | undefined;
}

export type Batch = RowsOf<Float32Array>;

export function checkBatch<Type extends RowType = 'float32'>(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
  type: Type = 'float32' as Type,
): RowsOf<TensorData[Type]> {
  if (columns !== undefined) checkInteger('options.columns', columns, 1, Number.MAX_SAFE_INTEGER);
  checkAttached(argument, value);
  if (isArrayOf(type, value)) return { ...checkBareRows(argument, value, columns, type), ptr: undefined };
  const { dims, data } = checkTensor(argument, value, () => type, arrayClass(type).name);
  const last = dims.at(-1)!;
  if (last === 0) throw dimsError(argument, dims, 'the last one, the columns, must be at least 1');
  checkColumns(argument, columns, last, dims);
  return {
    dims,
    rows: data.length / last,
    columns: last,
    elements: data,
    ptr: residentPtr(arena, value),
  };
}

/** An array without dims, whose rows have the length of the option `columns`. */
export function checkBareRows<Type extends ElementType>(
  argument: string,
  elements: TensorData[Type],
  columns: number | undefined,
  type: Type,
): Omit<RowsOf<TensorData[Type]>, 'ptr'> {
  if (columns === undefined) {
    const message = `${argument} is a ${arrayClass(type).name} of ${elements.length} elements: say how many columns a row has with the option columns, or pass { type: '${type}', dims, data }`;
    throw new SoftshardError('ERR_SHAPE', message, { argument });
  }
  if (elements.length % columns !== 0) {
    const message = `${argument} has ${elements.length} elements, not a whole number of rows of ${columns} columns`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: elements.length });
  }
  const rows = elements.length / columns;
  return { dims: [rows, columns], rows, columns, elements };
}

/** A tensor needs no option `columns`; if given, it must agree with dims. */
export function checkColumns(
  argument: string,
  columns: number | undefined,
  found: number,
  dims: readonly number[],
): void {
  if (columns === undefined || columns === found) return;
  const message = `options.columns is ${columns}, but ${argument} has ${found} columns (dims [${dims.join(', ')}]): leave columns out`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.columns', value: columns });
}

/**
 * Reads each property once and copies dims, so that they cannot change after the check. `chooseType` maps the tensor's own
 * `type` to the expected one; `bare` names the arrays that the caller could have passed instead.
 */
export function checkTensor<Type extends ElementType>(
  argument: string,
  value: unknown,
  chooseType: (declared: unknown) => Type,
  bare: string,
): Tensor<Type> {
  checkNotFreed(argument, value);
  if (typeof value !== 'object' || value === null || !('dims' in value) || !('data' in value)) {
    const advice = adviceFor(value);
    if (advice !== undefined)
      throw new SoftshardError('ERR_TYPE', `${argument} is ${advice}`, { argument, value });
    const isNumbers = Array.isArray(value) || (arrayClassOf(value) !== undefined && !isBigInts(value));
    const hint = isNumbers ? ` (${conversionTo('Float32Array', value)})` : '';
    const message = `${argument} is ${inspectValue(value)}: pass an engine.matrix(…), { type, dims, data }, or a ${bare} with the option columns${hint}`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value });
  }
  const given = dimsOf(value);
  const type = chooseType(typeOf(value));
  const { data: elements } = value;
  checkAttached(argument, elements);
  const data = bitsOf(type, elements);
  if (!isArrayOf(type, data)) {
    const { name } = arrayClass(type);
    const remedy = holdsBits(type) ? '' : ` (${conversionTo(name, data)})`;
    const message = `${argument}.data is ${inspectValue(data)}: elements of type ${type} must be a ${name}${remedy}`;
    throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.data`, value: data });
  }
  const dims = checkedDims(given);
  if (dims === undefined) throw dimsError(argument, given, 'it must list whole numbers');
  if (product(dims) !== data.length) {
    const message = `${argument}.dims [${dims.join(', ')}] make ${product(dims)} elements, but ${argument}.data has ${data.length}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: data.length });
  }
  return { type, dims, data };
}

export const dimsError = (argument: string, dims: unknown, rule: string): SoftshardError =>
  new SoftshardError('ERR_SHAPE', `${argument}.dims is ${inspectValue(dims)}: ${rule}`, {
    argument: `${argument}.dims`,
    value: dims,
  });

/** `into` for a result of `rows` × `columns` that is computed row by row from `source`. */
export function checkInto(
  arena: Arena,
  into: unknown,
  { rows, columns }: Pick<Batch, 'rows' | 'columns'>,
  source: { readonly columns: number; readonly elements: ArrayBufferView | undefined },
): Batch {
  const target = checkBatch(arena, 'options.into', into, isArrayOf('float32', into) ? columns : undefined);
  if (target.rows === rows && target.columns === columns) {
    const { elements } = source;
    const inPlace = target.elements.byteOffset === elements?.byteOffset && columns === source.columns;
    if (!inPlace && elements !== undefined) checkApart(target, elements, 'the rows it is computed from');
    return target;
  }
  const message = `options.into has ${target.rows} rows of ${target.columns} columns; the result has ${rows} rows of ${columns}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into', value: target.dims });
}

/** Results are written while later rows are still unread, so the two must not overlap. */
export function checkApart(
  { elements }: { readonly elements: ArrayBufferView },
  source: ArrayBufferView,
  what: string,
): void {
  if (elements.buffer !== source.buffer) return;
  const begin = Math.max(elements.byteOffset, source.byteOffset);
  const end = Math.min(elements.byteOffset + elements.byteLength, source.byteOffset + source.byteLength);
  if (begin >= end) return;
  const message = `options.into overlaps ${what}: pass an array that lies apart (or the very same rows, for in-place work)`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into' });
}

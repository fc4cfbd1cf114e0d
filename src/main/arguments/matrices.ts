// What callers hand in as rows of numbers, brought to one form: shape, elements, and the address if they lie in the
// arena already.

import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import { type Arena, CONSTRUCTORS } from '../memory/arena.js';
import { checkNotFreed, residentPtr } from '../memory/arena-tensor.js';
import { checkedDims, isArrayOf, isFloat16s } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { ElementType, Tensor, TensorData } from '../memory/tensor.js';
import { checkInteger, inspectValue } from './checks.js';

/** A tensor whose last dimension is the columns, or a bare Float32Array with the option `columns`. */
export type Float32Rows = Tensor<'float32'> | Float32Array;

type RowType = 'float32' | 'bfloat16' | 'float16' | 'uint8';

export interface RowsOf<Elements> {
  readonly dims: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly elements: Elements;
  /** Where the elements lie in the engine's arena, or undefined. */
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
  if (isArrayOf(type, value)) return checkFlat(argument, value, columns, type);
  const { dims, data } = checkTensor(argument, value, type);
  const last = dims.at(-1)!;
  if (columns !== undefined && columns !== last) {
    const message = `options.columns is ${columns}, but ${argument} has ${last} columns (dims [${dims.join(', ')}]): leave columns out`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.columns', value: columns });
  }
  return {
    dims,
    rows: data.length / last,
    columns: last,
    elements: data,
    ptr: residentPtr(arena, value),
  };
}

function checkFlat<Type extends RowType>(
  argument: string,
  elements: TensorData[Type],
  columns: number | undefined,
  type: Type,
): RowsOf<TensorData[Type]> {
  if (columns === undefined) {
    const message = `${argument} is a ${CONSTRUCTORS[type].name} of ${elements.length} elements: say how many columns a row has with the option columns, or pass { type: '${type}', dims, data }`;
    throw new SoftshardError('ERR_SHAPE', message, { argument });
  }
  if (elements.length % columns !== 0) {
    const message = `${argument} has ${elements.length} elements, not a whole number of rows of ${columns} columns`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: elements.length });
  }
  const rows = elements.length / columns;
  return { dims: [rows, columns], rows, columns, elements, ptr: undefined };
}

/** Float16Array, which Node 24 and newer have, is taken as its bits. */
export const bitsOf = (type: ElementType, data: unknown): unknown =>
  type === 'float16' && isFloat16s(data)
    ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
    : data;

/** Each property is read once, and dims copied: nobody can change them after their check. */
function checkTensor<Type extends RowType>(
  argument: string,
  value: unknown,
  type: Type,
): Pick<Tensor<Type>, 'dims' | 'data'> {
  checkNotFreed(argument, value);
  if (typeof value !== 'object' || value === null || !('dims' in value) || !('data' in value)) {
    const message = `${argument} is ${inspectValue(value)}: pass an engine.matrix(…), { type: 'float32', dims, data } or a Float32Array with the option columns`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value });
  }
  const { dims: given } = value;
  checkAttached(argument, value.data);
  const data = bitsOf(type, value.data);
  if (!isArrayOf(type, data)) {
    const { name } = CONSTRUCTORS[type];
    const message = `${argument}.data is ${inspectValue(data)}: rows must be a ${name} (${name}.from(…) converts)`;
    throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.data`, value: data });
  }
  const dims = checkedDims(given);
  if (dims === undefined || dims.at(-1) === 0) {
    const message = `${argument}.dims is ${inspectValue(given)}: it must list whole numbers, the last one (the columns) at least 1`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: `${argument}.dims`, value: given });
  }
  const length = dims.reduce((product: number, dim: number) => product * dim, 1);
  if (length !== data.length) {
    const message = `${argument}.dims [${dims.join(', ')}] make ${length} elements, but ${argument}.data has ${data.length}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: data.length });
  }
  return { dims, data };
}

/** `into` for a result of `rows` × `columns` that is computed row by row from `source`. */
export function checkInto(
  arena: Arena,
  into: unknown,
  { rows, columns }: Pick<Batch, 'rows' | 'columns'>,
  source: RowsOf<ArrayBufferView>,
): Batch {
  const target = checkBatch(arena, 'options.into', into, isArrayOf('float32', into) ? columns : undefined);
  if (target.rows === rows && target.columns === columns) {
    const inPlace = target.elements.byteOffset === source.elements.byteOffset && columns === source.columns;
    if (!inPlace) checkApart(target, source.elements, 'the rows it is computed from');
    return target;
  }
  const message = `options.into has ${target.rows} rows of ${target.columns} columns; the result has ${rows} rows of ${columns}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into', value: target.dims });
}

/** Results are written while later rows are still to be read, so they must not lie on top of what is read. */
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

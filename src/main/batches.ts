// What callers hand in as rows of float32, brought to one form: shape, elements, and the address if they lie in the
// arena already.

import { SoftshardError } from '../errors.js';
import type { Ptr } from '../kernels/kernels.js';
import type { Arena } from './arena.js';
import { residentPtr } from './arena-tensor.js';
import { checkInteger, shown } from './options.js';
import type { Tensor } from './tensor.js';

/** A tensor whose last dimension is the columns, or a bare Float32Array with the option `columns`. */
export type Float32Rows = Tensor<'float32'> | Float32Array;

export interface Batch {
  readonly dims: readonly number[];
  readonly rows: number;
  readonly columns: number;
  readonly elements: Float32Array;
  /** Where the elements lie in the engine's arena, or undefined. */
  readonly ptr: Ptr | undefined;
}

export function checkBatch(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
): Batch {
  if (value instanceof Float32Array) return checkFlat(argument, value, columns);
  const tensor = checkTensor(argument, value);
  const { dims, data } = tensor;
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
    ptr: residentPtr(arena, tensor),
  };
}

function checkFlat(argument: string, elements: Float32Array, columns: number | undefined): Batch {
  if (columns === undefined) {
    const message = `${argument} is a Float32Array of ${elements.length} elements: say how many columns a row has with the option columns, or pass { type: 'float32', dims, data }`;
    throw new SoftshardError('ERR_SHAPE', message, { argument });
  }
  checkInteger('options.columns', columns, 1, Number.MAX_SAFE_INTEGER);
  if (elements.length % columns !== 0) {
    const message = `${argument} has ${elements.length} elements, not a whole number of rows of ${columns} columns (options.columns)`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: elements.length });
  }
  const rows = elements.length / columns;
  return { dims: [rows, columns], rows, columns, elements, ptr: undefined };
}

function checkTensor(argument: string, value: unknown): Tensor<'float32'> {
  if (typeof value !== 'object' || value === null || !('dims' in value) || !('data' in value)) {
    const message = `${argument} is ${shown(value)}: pass an engine.matrix(…), { type: 'float32', dims, data } or a Float32Array with the option columns`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value });
  }
  const { dims, data } = value;
  if (!(data instanceof Float32Array)) {
    const message = `${argument}.data is ${shown(data)}: rows must be a Float32Array (Float32Array.from(…) converts)`;
    throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.data`, value: data });
  }
  const valid =
    Array.isArray(dims) &&
    dims.length > 0 &&
    dims.every((dim) => Number.isInteger(dim) && dim >= 0) &&
    dims.at(-1) > 0;
  if (!valid) {
    const message = `${argument}.dims is ${shown(dims)}: it must list whole numbers, the last one (the columns) at least 1`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: `${argument}.dims`, value: dims });
  }
  const length = dims.reduce((product: number, dim: number) => product * dim, 1);
  if (length !== data.length) {
    const message = `${argument}.dims [${dims.join(', ')}] make ${length} elements, but ${argument}.data has ${data.length}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: data.length });
  }
  return value as Tensor<'float32'>;
}

/** `into` for a result of the same rows and columns as `batch`. */
export function checkInto(arena: Arena, into: unknown, batch: Batch): Batch {
  const target = checkBatch(
    arena,
    'options.into',
    into,
    into instanceof Float32Array ? batch.columns : undefined,
  );
  if (target.rows === batch.rows && target.columns === batch.columns) {
    checkOverlap(target, batch);
    return target;
  }
  const message = `options.into has ${target.rows} rows of ${target.columns} columns; the result has ${batch.rows} rows of ${batch.columns}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into', value: target.dims });
}

/** In place (the very same elements) is fine; a shifted overlap would overwrite rows before they are read. */
function checkOverlap(target: Batch, batch: Batch): void {
  if (target.elements.buffer !== batch.elements.buffer) return;
  const distance = Math.abs(target.elements.byteOffset - batch.elements.byteOffset);
  if (distance === 0 || distance >= batch.elements.byteLength) return;
  const message =
    'options.into overlaps the rows it is computed from: pass the same array for in-place work, or one that is apart';
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into' });
}

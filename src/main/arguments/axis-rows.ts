// AxisRows as callers hand them in, brought to one form: element type, elements, and where the class axis lies.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/kernels.js';
import * as layout from '../../kernels/loss-layout.js';
import { type Arena, CONSTRUCTORS } from '../memory/arena.js';
import { checkNotFreed, residentPtr } from '../memory/arena-tensor.js';
import { checkedDims, isArrayOf, isFloats } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { Tensor } from '../memory/tensor.js';
import { checkInteger, inspectValue } from './checks.js';
import { bitsOf, checkApart } from './matrices.js';

export type FloatType = 'float32' | 'float64' | 'bfloat16' | 'float16';

/**
 * A tensor of logits of any rank (float16 and bfloat16 as their bits in a Uint16Array), or a bare Float32Array or
 * Float64Array with the option `columns`.
 */
export type FloatInput = Tensor<FloatType> | Float32Array | Float64Array;

/** The element type of an input: that of its gradient too. */
export type TypeOf<Input> = Input extends Float32Array
  ? 'float32'
  : Input extends Float64Array
    ? 'float64'
    : Input extends Tensor<infer Type extends FloatType>
      ? Type
      : never;

export interface AxisOptions {
  /** How many columns a row has: needed for a bare array, else left out. */
  columns?: number | undefined;
  /** Which dimension holds the classes; negative ones count from the end. Default -1; PyTorch's and ONNX's is 1. */
  axis?: number | undefined;
}

/** [outer × columns × inner]; row r = o · inner + i has its columns `inner` elements apart. */
export interface AxisRows {
  readonly dims: readonly number[];
  readonly axis: number;
  readonly type: FloatType;
  readonly outer: number;
  readonly columns: number;
  readonly inner: number;
  readonly rows: number;
  readonly elements: Float32Array | Float64Array | Uint16Array;
  /** Where the elements lie in the engine's arena, or undefined. */
  readonly ptr: Ptr | undefined;
}

/** The dimensions of the logits without that of the classes: those of their targets. */
export const rowDimsOf = ({ dims, axis }: Pick<AxisRows, 'dims' | 'axis'>): readonly number[] =>
  dims.filter((_, dim) => dim !== axis);

/** The rows that the fastest kernels take. */
export const isContiguousFloat32 = ({ type, inner }: AxisRows): boolean => type === 'float32' && inner === 1;

/** What kernels call the element types. */
export const TYPES = {
  float32: layout.TYPE_FLOAT32,
  float64: layout.TYPE_FLOAT64,
  bfloat16: layout.TYPE_BFLOAT16,
  float16: layout.TYPE_FLOAT16,
} as const;

/** The element type of what is computed and of results that have one entry a row. */
export const computeType = ({ type }: Pick<AxisRows, 'type'>): 'float32' | 'float64' =>
  type === 'float64' ? 'float64' : 'float32';

export function checkLogits(arena: Arena, argument: string, value: unknown, options: AxisOptions): AxisRows {
  const { columns } = options;
  if (columns !== undefined) checkInteger('options.columns', columns, 1, Number.MAX_SAFE_INTEGER);
  if (isFloats(value)) {
    return checkFlat(argument, value, options);
  }
  const { type, dims, data } = checkTensor(argument, value);
  const axis = checkAxis(argument, options.axis ?? -1, dims.length);
  const classes = dims[axis]!;
  if (classes === 0) {
    throw shapeError(argument, dims, `${argument}.dims[${axis}], the columns, must be at least 1`);
  }
  if (columns !== undefined && columns !== classes) {
    const message = `options.columns is ${columns}, but ${argument} has ${classes} columns (dims [${dims.join(', ')}]): leave columns out`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.columns', value: columns });
  }
  const outer = product(dims.slice(0, axis));
  const inner = product(dims.slice(axis + 1));
  const ptr = residentPtr(arena, value);
  return { dims, axis, type, outer, columns: classes, inner, rows: outer * inner, elements: data, ptr };
}

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

function checkFlat(
  argument: string,
  elements: Float32Array | Float64Array,
  { columns, axis }: AxisOptions,
): AxisRows {
  const type = isArrayOf('float32', elements) ? 'float32' : 'float64';
  const { name } = CONSTRUCTORS[type];
  checkAttached(argument, elements);
  if (columns === undefined) {
    const message = `${argument} is a ${name} of ${elements.length} elements: say how many columns a row has with the option columns, or pass { type: '${type}', dims, data }`;
    throw new SoftshardError('ERR_SHAPE', message, { argument });
  }
  if (elements.length % columns !== 0) {
    const message = `${argument} has ${elements.length} elements, not a whole number of rows of ${columns} columns`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: elements.length });
  }
  if (axis !== undefined) checkAxis(argument, axis, 2);
  if (axis === 0 || axis === -2) {
    const message = `options.axis is ${axis} with a bare ${name}, whose rows are its columns' neighbors: pass { type, dims, data }`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.axis', value: axis });
  }
  const rows = elements.length / columns;
  return {
    dims: [rows, columns],
    axis: 1,
    type,
    outer: rows,
    columns,
    inner: 1,
    rows,
    elements,
    ptr: undefined,
  };
}

function checkAxis(argument: string, axis: unknown, rank: number): number {
  const valid = typeof axis === 'number' && Number.isInteger(axis) && axis >= -rank && axis < rank;
  if (valid) return axis < 0 ? axis + rank : axis;
  const message = `options.axis is ${inspectValue(axis)}: ${argument} has ${rank} dimensions, so it must be a whole number from ${-rank} to ${rank - 1}`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.axis', value: axis });
}

const FLOAT_TYPES: readonly FloatType[] = ['float32', 'float64', 'bfloat16', 'float16'];

const isFloatType = (type: unknown): type is FloatType => FLOAT_TYPES.includes(type as FloatType);

interface CheckedTensor {
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Float64Array | Uint16Array;
}

/** Each property is read once, and dims copied: nobody can change them after their check. */
function checkTensor(argument: string, value: unknown): CheckedTensor {
  checkNotFreed(argument, value);
  if (typeof value !== 'object' || value === null || !('dims' in value) || !('data' in value)) {
    const message = `${argument} is ${inspectValue(value)}: pass an engine.matrix(…), { type, dims, data }, or a Float32Array or Float64Array with the option columns`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value });
  }
  const { dims: given } = value;
  const type = 'type' in value ? value.type : 'float32';
  if (!isFloatType(type)) {
    const message = `${argument}.type is ${inspectValue(type)}: it must be one of ${FLOAT_TYPES.map(inspectValue).join(', ')}`;
    throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.type`, value: type });
  }
  const data = elementsOf(argument, type, value.data);
  const dims = checkedDims(given);
  if (dims === undefined) throw shapeError(argument, given, `${argument}.dims must list whole numbers`);
  if (product(dims) !== data.length) {
    const message = `${argument}.dims [${dims.join(', ')}] make ${product(dims)} elements, but ${argument}.data has ${data.length}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: data.length });
  }
  return { type, dims, data };
}

function elementsOf(argument: string, type: FloatType, given: unknown): CheckedTensor['data'] {
  checkAttached(argument, given);
  const data = bitsOf(type, given);
  if (isArrayOf(type, data)) return data;
  const message = `${argument}.data is ${inspectValue(data)}: elements of type ${type} must be a ${CONSTRUCTORS[type].name}`;
  throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.data`, value: data });
}

const shapeError = (argument: string, dims: unknown, rule: string): SoftshardError =>
  new SoftshardError('ERR_SHAPE', `${argument}.dims is ${inspectValue(dims)}: ${rule}`, {
    argument: `${argument}.dims`,
    value: dims,
  });

/** `into` for a result of the type and dims of `logits`; a bare array needs the same number of elements. */
export function checkLogitsInto(arena: Arena, into: unknown, logits: AxisRows): AxisRows {
  const bare = isFloats(into);
  checkAttached('options.into', into);
  const axis = bare ? {} : { axis: logits.axis };
  const target: AxisRows = bare
    ? {
        ...logits,
        type: isArrayOf('float32', into) ? 'float32' : 'float64',
        elements: into,
        ptr: undefined,
      }
    : checkLogits(arena, 'options.into', into, axis);
  const { outer, columns, inner } = target;
  const fits =
    target.elements.length === logits.elements.length &&
    outer === logits.outer &&
    columns === logits.columns &&
    inner === logits.inner;
  if (!fits) {
    const had = bare ? `${into.length} elements` : `dims [${target.dims.join(', ')}]`;
    const message = `options.into has ${had}; the result has dims [${logits.dims.join(', ')}]`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.into', value: target.dims });
  }
  if (target.type !== logits.type) {
    const message = `options.into is ${target.type}; the result is ${logits.type}, as the logits`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'options.into', value: target.type });
  }
  const inPlace = target.elements.byteOffset === logits.elements.byteOffset;
  if (!inPlace) checkApart(target, logits.elements, 'the logits');
  return target;
}

// Checks rows along an axis as callers pass them (logits, probabilities) and brings them to one form: element type, elements, and
// where the class axis lies.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import { checkInteger, inspectValue } from '../checks.js';
import type { Arena } from '../memory/arena.js';
import { residentPtr } from '../memory/arena-tensor.js';
import { isArrayOf, isFloats, product } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import {
  arrayClass,
  type ComputeType,
  ELEMENTS,
  holdsBits,
  isTypeFor,
  type TypeFor,
  typesFor,
} from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { checkApart, checkBareRows, checkColumns, checkTensor, dimsError } from './matrices.js';

export type FloatType = TypeFor<'logits'>;

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

/** Whether kernels cannot take the rows where they lie: tiles are made of them. */
export const needTiles = ({ type, inner }: AxisRows): boolean => inner > 1 || holdsBits(type);

/** The element type of what is computed and of results that have one entry a row. */
export const computeType = ({ type }: Pick<AxisRows, 'type'>): ComputeType => ELEMENTS[type].computedIn;

export function checkLogits(arena: Arena, argument: string, value: unknown, options: AxisOptions): AxisRows {
  const { columns } = options;
  if (columns !== undefined) checkInteger('options.columns', columns, 1, Number.MAX_SAFE_INTEGER);
  if (isFloats(value)) return checkBareLogits(argument, value, options);
  const { type, dims, data } = checkTensor(
    argument,
    value,
    (declared) => checkFloatType(argument, declared),
    'Float32Array or Float64Array',
  );
  const axis = checkAxis(argument, options.axis ?? -1, dims.length);
  const classes = dims[axis]!;
  if (classes === 0) {
    throw dimsError(argument, dims, `${argument}.dims[${axis}], the columns, must be at least 1`);
  }
  checkColumns(argument, columns, classes, dims);
  const outer = product(dims.slice(0, axis));
  const inner = product(dims.slice(axis + 1));
  const ptr = residentPtr(arena, value);
  return { dims, axis, type, outer, columns: classes, inner, rows: outer * inner, elements: data, ptr };
}

function checkBareLogits(
  argument: string,
  array: Float32Array | Float64Array,
  { columns: given, axis }: AxisOptions,
): AxisRows {
  const type = isArrayOf('float32', array) ? 'float32' : 'float64';
  checkAttached(argument, array);
  const { dims, rows, columns, elements } = checkBareRows<ComputeType>(argument, array, given, type);
  if (axis !== undefined) checkAxis(argument, axis, 2);
  if (axis === 0 || axis === -2) {
    const message = `options.axis is ${axis} with a bare ${arrayClass(type).name}, whose rows are its columns' neighbors: pass { type, dims, data }`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.axis', value: axis });
  }
  return { dims, axis: 1, type, outer: rows, columns, inner: 1, rows, elements, ptr: undefined };
}

function checkAxis(argument: string, axis: unknown, rank: number): number {
  const valid = typeof axis === 'number' && Number.isInteger(axis) && axis >= -rank && axis < rank;
  if (valid) return axis < 0 ? axis + rank : axis;
  const message = `options.axis is ${inspectValue(axis)}: ${argument} has ${rank} dimensions, so it must be a whole number from ${-rank} to ${rank - 1}`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.axis', value: axis });
}

function checkFloatType(argument: string, type: unknown = 'float32'): FloatType {
  if (isTypeFor('logits', type)) return type;
  const message = `${argument}.type is ${inspectValue(type)}: it must be one of ${typesFor('logits').map(inspectValue).join(', ')}`;
  throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.type`, value: type });
}

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

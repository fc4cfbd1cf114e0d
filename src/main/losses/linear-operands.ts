// The arrays of linearCrossEntropy: checked, brought into the arena, and results taken out of it.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import { conversionTo } from '../arguments/foreign-values.js';
import { type Batch, checkBatch, type Float32Rows, type RowsOf } from '../arguments/matrices.js';
import { inspectValue } from '../checks.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { arenaMatrix, arenaVector, checkNotFreed, residentPtr } from '../memory/arena-tensor.js';
import { bitsOf, dataOf, isArrayOf, typeOf } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { holdsBits, isTypeFor, type TensorData, type TypeFor } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';

/** The element types of operands; everything is computed in float32. */
export type LinearType = TypeFor<'layer'>;

/**
 * A tensor whose last dimension is the features (bfloat16 and float16 as their bits in a Uint16Array), or a bare
 * Float32Array.
 */
export type LinearInputs = Tensor<LinearType> | Float32Array;

interface LinearOperand extends RowsOf<Float32Array | Uint16Array> {
  readonly type: LinearType;
}

export interface LinearLayer {
  /** [rows × features]. */
  readonly inputs: LinearOperand;
  /** [features × classes]. */
  readonly weights: LinearOperand;
  /** [classes]. */
  readonly bias: LinearOperand | undefined;
}

export function checkLayer(arena: Arena, inputs: unknown, weights: unknown, bias: unknown): LinearLayer {
  if (isArrayOf('float32', weights)) {
    const message =
      'weights is a bare Float32Array: pass an engine.matrix(…) or { type, dims: [features, classes], data }';
    throw new SoftshardError('ERR_TYPE', message, { argument: 'weights' });
  }
  const layerWeights = checkOperand(arena, 'weights', weights, undefined);
  const features = layerWeights.rows;
  if (layerWeights.dims.length !== 2 || features === 0) {
    const message = `weights has dims [${layerWeights.dims.join(', ')}]: it must be [features, classes]`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'weights', value: layerWeights.dims });
  }
  const columns = isArrayOf('float32', inputs) ? features : undefined;
  const rows = checkOperand(arena, 'inputs', inputs, columns);
  if (rows.columns !== features) {
    const message = `inputs has ${rows.columns} columns, but weights [${layerWeights.dims.join(' × ')}] takes ${features} features (weights is [features × classes])`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'inputs', value: rows.columns });
  }
  return { inputs: rows, weights: layerWeights, bias: checkBias(arena, bias, layerWeights.columns) };
}

function checkOperand(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
): LinearOperand {
  const type = checkType(argument, value);
  return { ...checkBatch(arena, argument, value, columns, type), type };
}

/** A Float32Array is float32 whatever `type` says. */
function checkType(argument: string, value: unknown): LinearType {
  checkNotFreed(argument, value);
  if (isArrayOf('float32', value)) return 'float32';
  const data = dataOf(value);
  const isTensor = data !== value;
  checkAttached(argument, data);
  if (isTensor && isArrayOf('float32', data)) return 'float32';
  const type = isTensor ? typeOf(value) : undefined;
  if (isTypeFor('layer', type) && holdsBits(type) && isArrayOf(type, bitsOf(type, data))) return type;
  const at = isTensor ? `${argument}.data` : argument;
  const of = typeof type === 'string' ? ` of type ${inspectValue(type)}` : '';
  const message = `${at} is ${inspectValue(data)}${of}: pass float32 in a Float32Array (${conversionTo('Float32Array', data)}), or a tensor { type, dims, data } of bfloat16 or float16, its data the bits in a Uint16Array`;
  throw new SoftshardError('ERR_TYPE', message, { argument: at, value: data });
}

function checkBias(arena: Arena, bias: unknown, classes: number): LinearOperand | undefined {
  if (bias === undefined) return undefined;
  const type = checkType('bias', bias);
  return { ...checkVector(arena, 'bias', bias, classes, type), type };
}

function checkVector<Type extends LinearType = 'float32'>(
  arena: Arena,
  argument: string,
  value: unknown,
  length: number,
  type: Type = 'float32' as Type,
): RowsOf<TensorData[Type]> {
  const given = dataOf(value);
  checkAttached(argument, given);
  const data = bitsOf(type, given);
  if (!isArrayOf(type, data)) {
    const message = `${argument} is ${inspectValue(data)}: pass a Float32Array or an engine.vector('float32', …)`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value: data });
  }
  if (data.length !== length) {
    const message = `${argument} has ${data.length} entries: it needs ${length}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: data.length });
  }
  return { dims: [length], rows: 1, columns: length, elements: data, ptr: residentPtr(arena, value) };
}

/** The address of an array while the scope lasts; one outside the arena is copied in. */
export function placeArray(arena: Arena, scope: ArenaScope, what: string, operand: LinearOperand): Ptr {
  if (operand.ptr !== undefined) {
    scope.retain(operand.ptr);
    return operand.ptr;
  }
  const ptr = scope.allocateUncleared(operand.elements.byteLength, what);
  arena.view(operand.type, ptr, operand.elements.length).set(operand.elements);
  return ptr;
}

export interface LinearInto {
  /** As the inputs. */
  readonly gradInputs?: Float32Rows | undefined;
  /** As the weights. */
  readonly gradWeights?: Float32Rows | undefined;
  /** [classes]. */
  readonly gradBias?: Float32Array | Tensor<'float32'> | undefined;
}

export type GradientName = keyof LinearInto;

/** Where a gradient goes. */
export interface Output {
  readonly name: GradientName;
  readonly batch: Batch;
  /** What the caller gets. */
  readonly tensor: Tensor<'float32'>;
  /** Frees what was made for the caller, when the call fails. */
  readonly discard: () => void;
}

/** `into`, or a new array, in the arena if `like` is. */
export function openOutput(arena: Arena, name: GradientName, into: unknown, like: LinearOperand): Output {
  if (into !== undefined) {
    const argument = `options.into.${name}`;
    const batch =
      like.dims.length === 1
        ? checkVector(arena, argument, into, like.columns)
        : checkLike(arena, argument, into, like);
    const tensor: Tensor<'float32'> = isArrayOf('float32', into)
      ? { type: 'float32', dims: like.dims, data: into }
      : (into as Tensor<'float32'>);
    return { name, batch, tensor, discard: () => {} };
  }
  const { dims, rows, columns } = like;
  if (like.ptr === undefined) {
    const data = new Float32Array(like.elements.length);
    return {
      name,
      batch: { dims, rows, columns, elements: data, ptr: undefined },
      tensor: { type: 'float32', dims, data },
      discard: () => {},
    };
  }
  const tensor =
    dims.length === 1 ? arenaVector(arena, 'float32', columns) : arenaMatrix(arena, rows, columns);
  const batch = { dims, rows, columns, elements: tensor.data, ptr: residentPtr(arena, tensor) };
  return { name, batch, tensor, discard: () => tensor.free() };
}

function checkLike(arena: Arena, argument: string, into: unknown, like: LinearOperand): Batch {
  const columns = isArrayOf('float32', into) ? like.columns : undefined;
  const batch = checkBatch(arena, argument, into, columns);
  if (batch.rows === like.rows && batch.columns === like.columns) return batch;
  const message = `${argument} has ${batch.rows} rows of ${batch.columns} columns; the gradient has ${like.rows} of ${like.columns}`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: batch.dims });
}

interface Placed {
  readonly elements: ArrayBufferView;
}

/** No output may share memory with anything else: it would overwrite what is still needed. */
export function checkApart(
  outputs: readonly Output[],
  inputs: readonly (readonly [string, Placed | undefined])[],
): void {
  const others = [...inputs, ...outputs.map(({ name, batch }) => [`options.into.${name}`, batch] as const)];
  for (const { name, batch } of outputs) {
    for (const [other, otherBatch] of others) {
      if (
        otherBatch === undefined ||
        otherBatch === batch ||
        !overlaps(batch.elements, otherBatch.elements)
      ) {
        continue;
      }
      const argument = `options.into.${name}`;
      const message = `${argument} overlaps ${other}: pass an array that is apart from all others`;
      throw new SoftshardError('ERR_SHAPE', message, { argument });
    }
  }
}

const overlaps = (a: ArrayBufferView, b: ArrayBufferView): boolean =>
  a.buffer === b.buffer &&
  a.byteOffset < b.byteOffset + b.byteLength &&
  b.byteOffset < a.byteOffset + a.byteLength;

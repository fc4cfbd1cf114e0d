// Tensors of other libraries: { type, dims, data } with any type of number, as onnxruntime and Transformers.js have them.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { arrayClassOf, checkedDims, product } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { TensorLike } from '../memory/tensor.js';
import type { HalfType } from './numbers.js';

/** Types whose elements are turned into float32; float32 itself and bytes are used as they are. */
const CONVERTED: ReadonlySet<unknown> = new Set([
  ...[
    'float64',
    'float16',
    'bfloat16',
    'int8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'bool',
  ],
]);

export const isTensorLike = (value: unknown): value is TensorLike =>
  typeof value === 'object' && value !== null && 'dims' in value && 'data' in value;

/** Whether the elements of a tensor have to be converted. */
export const isConverted = (value: unknown): value is TensorLike =>
  isTensorLike(value) && CONVERTED.has(value.type);

export interface TensorRows {
  readonly values: ArrayLike<unknown>;
  readonly half: HalfType;
  readonly rows: number;
  readonly columns: number;
}

/** Rows along the last dimension. Throws ERR_TYPE or ERR_SHAPE. */
export function tensorRows(argument: string, tensor: TensorLike): TensorRows {
  checkOnCpu(argument, tensor);
  const { type, dims: given, data } = tensor;
  checkAttached(argument, data);
  const name = arrayClassOf(data);
  if (name === undefined) {
    const message = `${argument}.data is ${inspectValue(data)}: the elements must be in a typed array`;
    throw new SoftshardError('ERR_TYPE', message, { argument: `${argument}.data`, value: data });
  }
  const values = data as Float32Array;
  const dims = checkedDims(given);
  const columns = dims?.at(-1) ?? 0;
  if (dims === undefined || columns === 0 || product(dims) !== values.length) {
    const message = `${argument}.dims is ${inspectValue(given)} for ${values.length} elements: it must list whole numbers whose product is that`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: `${argument}.dims`, value: given });
  }
  const isHalf = name === 'Uint16Array' && (type === 'float16' || type === 'bfloat16');
  return { values, half: isHalf ? type : undefined, rows: values.length / columns, columns };
}

/** Elements on a GPU cannot be read at once. */
export function checkOnCpu(argument: string, tensor: object): void {
  if (!('location' in tensor) || typeof tensor.location !== 'string' || tensor.location.startsWith('cpu'))
    return;
  const message = `${argument} is a tensor whose data is at '${tensor.location}': pass { type, dims, data: await tensor.getData() }`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: tensor.location });
}

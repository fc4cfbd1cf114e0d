// Tells the class of an array from any realm: Jest, vm contexts and notebooks have their own classes of the same names, which
// instanceof does not recognise. Also reads the properties of values that may be tensors.
import {
  arrayClass,
  type ComputeType,
  ELEMENTS,
  type ElementType,
  type TensorData,
} from './element-types.js';

/** %TypedArray%.prototype[Symbol.toStringTag] looks at the object itself, not its prototypes: it cannot be faked. */
const classNameOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)!.get as (this: unknown) => string | undefined;

/** 'Float32Array' etc.; of a subclass, its base (Uint8Array for a Buffer); undefined for anything but a typed array. */
export const arrayClassOf = (value: unknown): string | undefined => classNameOf.call(value);

/** Whether the value is an array of the class that holds this element type. */
export const isArrayOf = <Type extends ElementType>(type: Type, value: unknown): value is TensorData[Type] =>
  arrayClassOf(value) === arrayClass(type).name;

/** ArrayBuffer.isView first: it costs nothing, the name of a class a tenth of a microsecond. */
export const isFloats = (value: unknown): value is TensorData[ComputeType] =>
  ArrayBuffer.isView(value) && (isArrayOf('float32', value) || isArrayOf('float64', value));

export const isBigInts = (value: unknown): value is BigInt64Array | BigUint64Array => {
  const name = arrayClassOf(value);
  return name === 'BigInt64Array' || name === 'BigUint64Array';
};

const INTEGER_CLASSES: ReadonlySet<string | undefined> = new Set([
  'Uint8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Uint32Array',
  'Int8Array',
  'Int16Array',
  'Int32Array',
  'BigInt64Array',
  'BigUint64Array',
]);

export const isIntegers = (value: unknown): boolean => INTEGER_CLASSES.has(arrayClassOf(value));

/** Node 24 and newer have them. */
export const isFloat16s = (value: unknown): value is ArrayBufferView =>
  arrayClassOf(value) === ELEMENTS.float16.numbers;

/** A Float16Array as the Uint16Array of its bits; other data unchanged. */
export const bitsOf = (type: ElementType, data: unknown): unknown =>
  type === 'float16' && isFloat16s(data)
    ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
    : data;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** A tensor's elements, or the array itself. */
export const dataOf = (value: unknown): unknown => (isObject(value) && 'data' in value ? value.data : value);

/** The value's `type`, if it has one. */
export const typeOf = (value: unknown): unknown =>
  isObject(value) && 'type' in value ? value.type : undefined;

/** The value's `dims`, if it has any. */
export const dimsOf = (value: unknown): unknown =>
  isObject(value) && 'dims' in value ? value.dims : undefined;

/** A copy of dims, each read once; undefined unless they are one or more counts. */
export function checkedDims(value: unknown): number[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const dims: number[] = [];
  // By index: every() and the like skip holes.
  for (let i = 0; i < value.length; i++) {
    const dim: unknown = value[i];
    if (typeof dim !== 'number' || !Number.isSafeInteger(dim) || dim < 0) return undefined;
    dims.push(dim);
  }
  return dims;
}

export const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

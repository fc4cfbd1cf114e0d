// How numbers lie in IDX and .npy files, and how they become float32 values or int32 labels.
import { isArrayOf, isBigInts } from '../memory/arrays.js';

export type StoredType =
  | 'bool'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'uint64'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64';

export interface StoredElements {
  readonly type: StoredType;
  readonly bigEndian: boolean;
}

export const BYTES_PER_ELEMENT: Readonly<Record<StoredType, 1 | 2 | 4 | 8>> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
};

/** A value that its destination cannot hold, and its index in the chunk. */
export interface Misfit {
  readonly index: number;
  readonly value: number;
}

/**
 * Stored values -> float32, each rounded to nearest. `bytes` starts at a multiple of 8 in its buffer, holds whole
 * elements, `values.length` of them, and is left byte-swapped. Gives the first finite value beyond float32's range
 * (only float64 has any). NaN and infinities pass. int64 beyond 2^53 is rounded twice, by way of float64.
 */
export function decodeFloat32(
  elements: StoredElements,
  bytes: Buffer,
  values: Float32Array,
): Misfit | undefined {
  const stored = typedView(elements, bytes);
  if (elements.type === 'float16') {
    for (let i = 0; i < values.length; i++) values[i] = halfToNumber(stored[i] as number);
  } else if (isBigInts(stored)) {
    for (let i = 0; i < values.length; i++) values[i] = Number(stored[i]);
  } else {
    values.set(stored);
    if (isArrayOf('float64', stored)) return firstOverflow(stored, values);
  }
  return undefined;
}

/** Stored numbers -> int32; gives the first value that is not an int32. The rules for `bytes` are the same. */
export function decodeInt32(elements: StoredElements, bytes: Buffer, values: Int32Array): Misfit | undefined {
  const stored = typedView(elements, bytes);
  const isHalf = elements.type === 'float16';
  for (let index = 0; index < values.length; index++) {
    const value = isHalf ? halfToNumber(stored[index] as number) : Number(stored[index]);
    values[index] = value;
    if (values[index] !== value) return { index, value };
  }
  return undefined;
}

/** Elements as stored: bool as uint8, float16 as its bits in uint16. */
export type StoredView =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/**
 * The rules for `bytes` as above. Host order is little-endian: WebAssembly's memory is, so softshard runs nowhere else.
 */
export function typedView({ type, bigEndian }: StoredElements, bytes: Buffer): StoredView {
  const width = BYTES_PER_ELEMENT[type];
  if (bigEndian) {
    if (width === 2) bytes.swap16();
    if (width === 4) bytes.swap32();
    if (width === 8) bytes.swap64();
  }
  const { buffer, byteOffset } = bytes;
  const length = bytes.length / width;
  switch (type) {
    case 'bool':
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'int8':
      return new Int8Array(buffer, byteOffset, length);
    case 'uint16':
    case 'float16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'int16':
      return new Int16Array(buffer, byteOffset, length);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    default:
      return type satisfies never;
  }
}

function firstOverflow(stored: Float64Array, values: Float32Array): Misfit | undefined {
  for (let index = 0; index < values.length; index++) {
    const value = stored[index]!;
    if (Number.isFinite(value) && !Number.isFinite(values[index])) return { index, value };
  }
  return undefined;
}

/** IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10 bits. Exact. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

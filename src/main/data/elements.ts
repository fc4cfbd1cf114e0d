// How numbers lie in IDX and .npy files, and how they become float32 values or int32 labels.
import { isArrayOf, isBigInts } from '../memory/arrays.js';

/** How a view shows the elements of each type: bool as uint8, float16 as its bits in uint16. */
const VIEWS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

export type StoredType = keyof typeof VIEWS;
export type StoredView = InstanceType<(typeof VIEWS)[StoredType]>;

export interface StoredElements {
  readonly type: StoredType;
  readonly bigEndian: boolean;
}

export const bytesPerElement = (type: StoredType): number => VIEWS[type].BYTES_PER_ELEMENT;

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

/** The rules for `bytes` are as above. The host is little-endian, as WebAssembly's memory is. */
export function typedView({ type, bigEndian }: StoredElements, bytes: Buffer): StoredView {
  const width = bytesPerElement(type);
  if (bigEndian) {
    if (width === 2) bytes.swap16();
    if (width === 4) bytes.swap32();
    if (width === 8) bytes.swap64();
  }
  return new VIEWS[type](bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / width);
}

function firstOverflow(stored: Float64Array, values: Float32Array): Misfit | undefined {
  for (let index = 0; index < values.length; index++) {
    const value = stored[index]!;
    if (Number.isFinite(value) && !Number.isFinite(values[index])) return { index, value };
  }
  return undefined;
}

/** IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10 bits. Exact. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// The bits of a value as they are recorded: whole, or of a large value block by block a hash and an element.
import { float64, type TypedArray, type Value } from './case.js';

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  int8: Int8Array,
} as const;

/** 'number' is one float64; 'text' is UTF-8. */
export type ValueType = keyof typeof ARRAYS | 'number' | 'text';

export interface Bits {
  readonly type: ValueType;
  /** Elements, of text bytes. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

export const widthOf = (type: ValueType): number =>
  type === 'number' ? 8 : type === 'text' ? 1 : ARRAYS[type].BYTES_PER_ELEMENT;

export function bitsOf(value: Value): Bits {
  if (typeof value === 'string') {
    const bytes = new TextEncoder().encode(value);
    return { type: 'text', length: bytes.length, bytes };
  }
  if (typeof value === 'number') {
    return { type: 'number', length: 1, bytes: new Uint8Array(float64([value]).buffer) };
  }
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return { type: typeOf(value), length: value.length, bytes };
}

function typeOf(array: TypedArray): ValueType {
  for (const [type, Elements] of Object.entries(ARRAYS)) {
    if (array instanceof Elements) return type as ValueType;
  }
  throw new TypeError(`${array.constructor.name} is not recorded: add it to ARRAYS`);
}

/** Values of at most so many bytes are recorded whole. */
const WHOLE_BYTES = 4096;
const FEWEST_BLOCK_ELEMENTS = 64;
const MOST_BLOCKS = 256;
const HASH_BYTES = 4;

const isWhole = (type: ValueType, length: number): boolean => length * widthOf(type) <= WHOLE_BYTES;

const blockElements = (length: number): number =>
  Math.max(FEWEST_BLOCK_ELEMENTS, Math.ceil(length / MOST_BLOCKS));

/** Of a block the element that is recorded: another one from block to block, so that all columns come in turn. */
const sampledElement = (block: number, length: number): number => {
  const begin = block * blockElements(length);
  return begin + ((block * 37) % Math.min(blockElements(length), length - begin));
};

/** What is recorded of a value; its length follows from the type and the length. */
export function payloadOf({ type, length, bytes }: Bits): Uint8Array {
  if (isWhole(type, length)) return bytes;
  const width = widthOf(type);
  const payload = new Uint8Array(payloadLength(type, length));
  const view = new DataView(payload.buffer);
  const blockBytes = blockElements(length) * width;
  for (let block = 0, at = 0; at < payload.length; block++, at += HASH_BYTES + width) {
    const begin = block * blockBytes;
    view.setUint32(at, hashOf(bytes.subarray(begin, begin + blockBytes)), true);
    const element = sampledElement(block, length) * width;
    payload.set(bytes.subarray(element, element + width), at + HASH_BYTES);
  }
  return payload;
}

export function payloadLength(type: ValueType, length: number): number {
  const width = widthOf(type);
  return isWhole(type, length)
    ? length * width
    : Math.ceil(length / blockElements(length)) * (HASH_BYTES + width);
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/** Where the bits of a value first differ from those recorded, in words; undefined where they do not. */
export function differenceOf(name: string, expected: Uint8Array, got: Bits): string | undefined {
  const payload = payloadOf(got);
  if (Buffer.compare(payload, expected) === 0) return undefined;
  const { type, length } = got;
  return isWhole(type, length)
    ? differenceOfElements(name, expected, payload, got)
    : differenceOfBlocks(name, expected, payload, got);
}

function differenceOfElements(
  name: string,
  expected: Uint8Array,
  payload: Uint8Array,
  { type, length }: Bits,
) {
  const width = widthOf(type);
  const indices = differing(expected, payload, width, 0, width);
  const first = indices[0]!;
  if (type === 'text') {
    const excerpt = (bytes: Uint8Array) =>
      JSON.stringify(new TextDecoder().decode(bytes.subarray(Math.max(0, first - 20), first + 40)));
    return `${name}, byte ${first}: expected ${excerpt(expected)}, got ${excerpt(payload)}`;
  }
  const at = first * width;
  const values = `expected ${inspectValue(type, expected, at)}, got ${inspectValue(type, payload, at)}`;
  if (type === 'number') return `${name}: ${values}`;
  return `${name}[${first}]: ${values}; ${indices.length} of ${length} elements differ`;
}

function differenceOfBlocks(name: string, expected: Uint8Array, payload: Uint8Array, { type, length }: Bits) {
  const width = widthOf(type);
  const stride = HASH_BYTES + width;
  const blocks = differing(expected, payload, stride, 0, stride);
  const first = blocks[0]!;
  const begin = first * blockElements(length);
  const end = Math.min(length, begin + blockElements(length));
  const [sampled] = differing(expected, payload, stride, HASH_BYTES, width);
  const recordedAt = (block: number) => {
    const at = block * stride + HASH_BYTES;
    return [
      `[${sampledElement(block, length)}]`,
      inspectValue(type, expected, at),
      inspectValue(type, payload, at),
    ] as const;
  };
  const [element, wanted, found] = recordedAt(sampled ?? first);
  const values =
    sampled === undefined
      ? `of these ${element} alone is recorded, ${wanted}, and the same`
      : `of the recorded ones ${element}: expected ${wanted}, got ${found}`;
  const count = `${blocks.length} of ${payload.length / stride} blocks of ${blockElements(length)} elements differ`;
  return `${name}, first in elements ${begin} to ${end - 1}; ${values}; ${count}`;
}

/** Which pieces of `stride` bytes differ in `count` bytes from `offset` on. */
function differing(a: Uint8Array, b: Uint8Array, stride: number, offset: number, count: number): number[] {
  const indices: number[] = [];
  for (let begin = offset; begin < a.length; begin += stride) {
    if (Buffer.compare(a.subarray(begin, begin + count), b.subarray(begin, begin + count)) !== 0) {
      indices.push(Math.floor(begin / stride));
    }
  }
  return indices;
}

/** A number and its bits. */
function inspectValue(type: ValueType, bytes: Uint8Array, at: number): string {
  const width = widthOf(type);
  const copy = bytes.slice(at, at + width);
  const Elements = type === 'number' ? Float64Array : type === 'text' ? Uint8Array : ARRAYS[type];
  const value = new Elements(copy.buffer)[0];
  if (type !== 'number' && !type.startsWith('float')) return String(value);
  const bits = Buffer.from(copy).reverse().toString('hex');
  return `${Object.is(value, -0) ? '-0' : value} (0x${bits})`;
}

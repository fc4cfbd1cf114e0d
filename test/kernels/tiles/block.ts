// A block of memory in the workbench between guards, seen as any element type, and the float types bit by bit.
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import type { Workbench } from '../workbench.js';

const GUARD_BYTES = 64;
/** 0x71717171 is 1.2e30 as float32, and spoils any result that it enters. */
const GUARD = 0x71;

export const TYPES = [
  { name: 'float32', type: TYPE_FLOAT32, bytes: 4 },
  { name: 'float64', type: TYPE_FLOAT64, bytes: 8 },
  { name: 'bfloat16', type: TYPE_BFLOAT16, bytes: 2 },
  { name: 'float16', type: TYPE_FLOAT16, bytes: 2 },
] as const;

export type StorageType = (typeof TYPES)[number];

export class Block {
  readonly ptr: Ptr;
  readonly #bytes: number;
  readonly #all: Uint8Array;

  /** Starts `offsetBytes` past a 16-byte boundary. */
  constructor(bench: Workbench, bytes: number, offsetBytes = 0) {
    const ptr = bench.allocate(bytes + 2 * GUARD_BYTES, offsetBytes);
    this.ptr = offsetBy(ptr, GUARD_BYTES);
    this.#bytes = bytes;
    // Bytes of the whole memory: views of other lengths come from its buffer.
    this.#all = new Uint8Array(bench.uint32(NULL_PTR, 1).buffer, ptr, bytes + 2 * GUARD_BYTES);
    this.#all.fill(GUARD);
  }

  get bytes(): Uint8Array {
    return this.#all.subarray(GUARD_BYTES, GUARD_BYTES + this.#bytes);
  }
  get float32(): Float32Array {
    return new Float32Array(this.#all.buffer, this.ptr, this.#bytes / 4);
  }
  get float64(): Float64Array {
    return new Float64Array(this.#all.buffer, this.ptr, this.#bytes / 8);
  }
  get uint16(): Uint16Array {
    return new Uint16Array(this.#all.buffer, this.ptr, this.#bytes / 2);
  }
  get uint32(): Uint32Array {
    return new Uint32Array(this.#all.buffer, this.ptr, this.#bytes / 4);
  }
  get uint64(): BigUint64Array {
    return new BigUint64Array(this.#all.buffer, this.ptr, this.#bytes / 8);
  }

  /** Puts elements of a storage type in, from numbers that it holds exactly. */
  put(storage: StorageType, values: ArrayLike<number>): this {
    if (storage.name === 'float32') this.float32.set(values);
    else if (storage.name === 'float64') this.float64.set(values);
    else this.uint16.set(Array.from(values, (value) => halfBits(storage, value)));
    return this;
  }

  elements(storage: StorageType): number[] {
    if (storage.name === 'float32') return [...this.float32];
    if (storage.name === 'float64') return [...this.float64];
    return Array.from(this.uint16, (bits) => halfNumber(storage, bits));
  }

  /** Throws where something around the block was written. */
  checkGuards(): void {
    for (let k = 0; k < this.#all.length; k++) {
      if (k >= GUARD_BYTES && k < GUARD_BYTES + this.#bytes) continue;
      if (this.#all[k] !== GUARD) {
        throw new Error(
          `byte ${k - GUARD_BYTES} beside a block of ${this.#bytes}: got 0x${this.#all[k]!.toString(16)}`,
        );
      }
    }
  }
}

const FRACTION_BITS = { bfloat16: 7, float16: 10 } as const;

/** The number that 16 bits stand for, by the definition of the formats. */
export function halfNumber(storage: StorageType, bits: number): number {
  const fractionBits = FRACTION_BITS[storage.name as keyof typeof FRACTION_BITS];
  const exponents = 1 << (15 - fractionBits);
  const bias = exponents / 2 - 1;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & ((1 << fractionBits) - 1)) / (1 << fractionBits);
  if (exponent === exponents - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

const tables = new Map<string, Float64Array>();

/** The bits of the nearest half, of two the even one: by search through all of them, without tricks. */
export function halfBits(storage: StorageType, value: number): number {
  const isNaNValue = Number.isNaN(value);
  const infinity = storage.name === 'bfloat16' ? 0x7f80 : 0x7c00;
  if (isNaNValue) return storage.name === 'bfloat16' ? 0x7fc0 : 0x7e00;
  let table = tables.get(storage.name);
  if (!table) {
    table = Float64Array.from({ length: infinity }, (_, bits) => halfNumber(storage, bits));
    tables.set(storage.name, table);
  }
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = infinity;
  // The last entry at most magnitude.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (table[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  // Beyond the largest number the next one would be an infinity: rounding goes as if it were the next power of two.
  const next = low + 1 === infinity ? 2 * table[low]! - table[low - 1]! : table[low + 1]!;
  const below = magnitude - table[low]!;
  const above = next - magnitude;
  const up = above < below || (above === below && (low & 1) === 1);
  return sign | (up ? low + 1 : low);
}

// Numbers for the recorded cases: the same on every machine and Node version, since they are made of integers and of
// float operations that IEEE 754 rounds in one way only.
import type { ElementType, FloatType, TensorData } from '#softshard/main/index.js';

/** What is drawn depends on the seed and on what was drawn before. */
export class Inputs {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) >>> 0;
  }

  /** Uniform in [0, 2^32): mulberry32. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.uint32() % limit;
  }

  /** In (-1, 1), near 0 more often than far from it. */
  number(): number {
    const sum = this.uint32() + this.uint32() + this.uint32() / 2 ** 20;
    return sum / 2 ** 32 - 1;
  }

  /** In (-scale, scale), in any float type. */
  floats<Type extends FloatType>(type: Type, length: number, scale: number): TensorData[Type] {
    const numbers = new Float64Array(length);
    for (let i = 0; i < length; i++) numbers[i] = this.number() * scale;
    return asType(type, numbers);
  }

  float32(length: number, scale: number): Float32Array {
    return this.floats('float32', length, scale);
  }

  /** In (0.05, 1.05). */
  positive<Type extends FloatType = 'float32'>(
    length: number,
    type: Type = 'float32' as Type,
  ): TensorData[Type] {
    const numbers = new Float64Array(length);
    for (let i = 0; i < length; i++) numbers[i] = this.uint32() / 2 ** 32 + 0.05;
    return asType(type, numbers);
  }

  /** In [0, 1]. */
  fractions<Type extends 'float32' | 'float64'>(type: Type, length: number): TensorData[Type] {
    const numbers = new Float64Array(length);
    for (let i = 0; i < length; i++) numbers[i] = this.below(2 ** 20 + 1) / 2 ** 20;
    return asType(type, numbers);
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  classes(length: number, classes: number): Int32Array {
    const targets = new Int32Array(length);
    for (let i = 0; i < length; i++) targets[i] = this.below(classes);
    return targets;
  }

  /** 0 for about one in five, never for the classes of the rows. */
  mask(targets: ArrayLike<number>, classes: number): Uint8Array {
    const mask = new Uint8Array(targets.length * classes);
    for (let i = 0; i < mask.length; i++) mask[i] = this.below(5) === 0 ? 0 : 1;
    for (let row = 0; row < targets.length; row++) mask[row * classes + targets[row]!] = 1;
    return mask;
  }
}

/** Numbers in an element type; half types are cut off, not rounded. */
export function asType<Type extends ElementType>(type: Type, numbers: ArrayLike<number>): TensorData[Type] {
  const make = {
    float32: () => Float32Array.from(numbers),
    float64: () => Float64Array.from(numbers),
    bfloat16: () => Uint16Array.from(float32Bits(numbers).map((bits) => bits >>> 16)),
    float16: () => Uint16Array.from(float32Bits(numbers).map(halfOf)),
    int32: () => Int32Array.from(numbers),
    uint32: () => Uint32Array.from(numbers),
    uint16: () => Uint16Array.from(numbers),
    uint8: () => Uint8Array.from(numbers),
  } satisfies { [Each in ElementType]: () => TensorData[Each] };
  return make[type]() as TensorData[Type];
}

const float32Bits = (numbers: ArrayLike<number>): Uint32Array =>
  new Uint32Array(Float32Array.from(numbers).buffer);

/** Of the bits of a float32: too large ones become infinite, those below the least normal half 0. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 112;
  const fraction = (bits >>> 13) & 1023;
  const isNoNumber = (bits & 0x7fffffff) > 0x7f800000;
  if (isNoNumber) return sign | 0x7e00;
  if (exponent <= 0) return sign;
  return exponent >= 31 ? sign | 0x7c00 : sign | (exponent << 10) | fraction;
}

export const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

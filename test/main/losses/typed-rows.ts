// What the tests of cross-entropy with options share: rows along any axis in any element type, and how close is close.
import { expect } from 'vitest';
import type { FloatType, Tensor } from '#softshard/main/index.js';

type NumericVector = Float32Array | Float64Array;

/** Rows of [outer × classes × inner] beside each other, in the order of the rows. */
export function toRows<T extends ArrayLike<number>>(
  values: T,
  outer: number,
  classes: number,
  inner: number,
): Float64Array {
  const rows = new Float64Array(values.length);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < classes; c++) {
      for (let i = 0; i < inner; i++)
        rows[(o * inner + i) * classes + c] = values[(o * classes + c) * inner + i]!;
    }
  }
  return rows;
}

/** The numbers that half types hold, exactly: multiples of 1/16 of few digits. */
export const coarse = (values: Float32Array) => values.map((value) => Math.round(value * 16) / 16);

const toBfloat16 = (values: Float32Array) =>
  Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16);

/** IEEE half bits of numbers that half precision holds exactly. */
function toFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
    return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
  });
}

export function tensorOf(type: FloatType, dims: readonly number[], values: Float32Array): Tensor<FloatType> {
  if (type === 'float64') return { type, dims, data: Float64Array.from(values) };
  if (type === 'bfloat16') return { type, dims, data: toBfloat16(values) };
  return type === 'float16' ? { type, dims, data: toFloat16(values) } : { type, dims, data: values.slice() };
}

const fromBfloat16 = (bits: Uint16Array) =>
  new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);

function fromFloat16(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
    return half & 0x8000 ? -size : size;
  });
}

export function numbersOf({ type, data }: Tensor<FloatType>): NumericVector {
  if (type === 'bfloat16') return fromBfloat16(data as Uint16Array);
  return type === 'float16' ? fromFloat16(data as Uint16Array) : (data as NumericVector);
}

/** How far results may be from float64: of a loss, and of a gradient that is stored in that type. */
export const BOUNDS: Readonly<Record<FloatType, { loss: number; gradient: number }>> = {
  float32: { loss: 4e-6, gradient: 4e-6 },
  float64: { loss: 1e-13, gradient: 1e-13 },
  bfloat16: { loss: 4e-6, gradient: 2 ** -8 },
  float16: { loss: 4e-6, gradient: 2 ** -11 },
};

export function expectClose(
  what: string,
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  relative: number,
  unit: number,
) {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (Math.abs(got[i]! - wanted[i]!) <= relative * Math.max(unit, Math.abs(wanted[i]!))) continue;
    expect.fail(`${what} at ${i}: expected ${wanted[i]}, got ${got[i]}`);
  }
}

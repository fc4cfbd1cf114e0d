// The error of the float64 vector exponential, measured against integer arithmetic of 256 bits.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { compileProbe } from '../probe.js';
import { builds, randomValues } from '../workbench.js';

const INPUT_PTR = 65536 as Ptr;

interface Probe {
  exp64Vectors(output: Ptr, input: Ptr, vectors: number): void;
}

const FRACTION_BITS = 256n;

/** x · 2^256 exactly (for |x| above 2^-200). */
function toFixed(x: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(x).buffer)[0]!;
  const exponent = ((bits >> 52n) & 0x7ffn) - 1075n;
  const mantissa = (bits & 0xfffffffffffffn) | 0x10000000000000n;
  const shift = FRACTION_BITS + exponent;
  const magnitude = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return x < 0 ? -magnitude : magnitude;
}

/** exp(x) / 2^scale as a float64, the scale such that the quotient is near 1: exp(x / 2^16) by Taylor, squared 16 times. */
function exactExp(x: number): { readonly fixed: bigint; readonly scale: bigint } {
  const small = toFixed(x) >> 16n;
  let power = 1n << FRACTION_BITS;
  let sum = power;
  for (let k = 1n; power !== 0n && k < 60n; k++) {
    power = ((power * small) >> FRACTION_BITS) / k;
    sum += power;
  }
  // Kept between 1/2 and 1 while it is squared, so that no digits are lost.
  let scale = 0n;
  for (let squaring = 0; squaring < 16; squaring++) {
    sum = (sum * sum) >> FRACTION_BITS;
    scale *= 2n;
    for (; sum < 1n << (FRACTION_BITS - 1n); scale--) sum <<= 1n;
  }
  return { fixed: sum, scale };
}

/** |got - exp(x)| in units of the last place of exp(x). */
function errorUlp(x: number, got: number): number {
  const { fixed, scale } = exactExp(x);
  // exp(x) = fixed · 2^(scale - 256) with fixed in [2^255, 2^256): its last place is 2^(scale - 53).
  const difference = toFixed(got * 2 ** Number(-scale / 2n) * 2 ** Number(-scale - -scale / 2n)) - fixed;
  return Number(difference >> (FRACTION_BITS - 53n - 32n)) / 2 ** 32;
}

describe.each(builds)('exp2 (%s)', (numerics) => {
  let exp: (inputs: ArrayLike<number>) => Float64Array;

  beforeAll(async () => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(await compileProbe('exp64-probe', numerics));
    const probe = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Probe;
    exp = (inputs) => {
      const view = new Float64Array(memory.buffer, INPUT_PTR, inputs.length);
      view.set(inputs);
      probe.exp64Vectors(INPUT_PTR, INPUT_PTR, inputs.length / 2);
      return view.slice();
    };
  });

  test('is within 1.25 ulp of exp for 24,000 numbers in [-708, 0]', () => {
    for (const [lowest, seed] of [
      [708, 1],
      [40, 2],
      [1, 3],
    ] as const) {
      const inputs = Float64Array.from(
        randomValues(8000, 1, seed),
        (v) => -Math.abs(v) * lowest * (1 - 1e-9),
      );
      exp(inputs).forEach((got, i) => {
        const error = Math.abs(errorUlp(inputs[i]!, got));
        if (!(error <= 1.25)) throw new Error(`exp2(${inputs[i]}) = ${got} is ${error} ulp off`);
      });
    }
  });

  test('the yardstick itself: Math.exp is within 1 ulp of it', () => {
    for (let x = -700; x < 0; x += 0.737) expect(Math.abs(errorUlp(x, Math.exp(x)))).toBeLessThanOrEqual(1);
  });

  test('is exactly 1 at 0 and -0, exactly 0 from -708.8 down to -Infinity, and NaN for NaN', () => {
    const inputs = [0, -0, -708.8, -709.1, -745, -1e4, -1e308, -Infinity, NaN, -1e-300];
    expect([...exp(inputs)]).toStrictEqual([1, 1, 0, 0, 0, 0, 0, 0, NaN, 1]);
  });
});

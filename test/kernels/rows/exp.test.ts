// The error of the vector exponential, measured one number at a time.

import { beforeAll, describe, expect, test } from 'vitest';
import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { compileProbe } from '../probe.js';
import { builds } from '../workbench.js';

const INPUT_PTR = 65536 as Ptr;
const CHUNK = 65536;
const OUTPUT_PTR = offsetBy(INPUT_PTR, CHUNK * 4);

interface Probe {
  expVectors(output: Ptr, input: Ptr, vectors: number): void;
}

/** The distance between two float32 numbers next to `value`, for normal ones. */
const ulp = (value: number): number => 2 ** (Math.max(Math.floor(Math.log2(value)), -126) - 23);

describe.each(builds)('exp4 (%s)', (numerics) => {
  let exp: (inputs: Float32Array) => Float32Array;

  beforeAll(async () => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(await compileProbe('exp-probe', numerics));
    const probe = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Probe;
    exp = (inputs) => {
      new Float32Array(memory.buffer, INPUT_PTR, inputs.length).set(inputs);
      probe.expVectors(OUTPUT_PTR, INPUT_PTR, inputs.length / 4);
      return new Float32Array(memory.buffer, OUTPUT_PTR, inputs.length);
    };
  });

  /** The largest error in units of the last place over every `step`th float32 from -0 down to `lowest`. */
  function worstUlp(lowest: number, step: number): { error: number; at: number } {
    const lastBits = new Uint32Array(Float32Array.of(lowest).buffer)[0]!;
    let worst = { error: 0, at: 0 };
    const bits = new Uint32Array(CHUNK);
    const inputs = new Float32Array(bits.buffer);
    for (let begin = 0x80000000; begin <= lastBits; begin += CHUNK * step) {
      for (let i = 0; i < CHUNK; i++) bits[i] = Math.min(begin + i * step, lastBits);
      const outputs = exp(inputs);
      for (let i = 0; i < CHUNK; i++) {
        const exact = Math.exp(inputs[i]!);
        const error = Math.abs(outputs[i]! - exact) / ulp(Math.fround(exact));
        if (!(error <= worst.error)) worst = { error, at: inputs[i]! };
      }
    }
    return worst;
  }

  test('is within 1.2 ulp of exp on [-87, 0]', () => {
    const worst = worstUlp(-87, 211);
    expect(worst.error, `at ${worst.at}`).toBeLessThanOrEqual(1.2);
  });

  test('is exactly 1 at 0 and -0, exactly 0 from -87.7 down to -Infinity, and NaN for NaN', () => {
    const inputs = [0, -0, -87.7, -88.0297, -88.5, -103, -1e4, -3.4e38, -Infinity, NaN, -1e-40, -1e-30];
    const outputs = [...exp(Float32Array.from(inputs))];
    expect(outputs).toStrictEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, NaN, 1, 1]);
  });

  test('never rises from one of 65,536 numbers on [-88, 0] to the next lower one', () => {
    const inputs = Float32Array.from({ length: CHUNK }, (_, i) => (-i * 88) / CHUNK);
    const outputs = exp(inputs);
    for (let i = 1; i < CHUNK; i++) {
      if (!(outputs[i]! <= outputs[i - 1]!)) {
        throw new Error(
          `exp4(${inputs[i]}) = ${outputs[i]}, more than exp4(${inputs[i - 1]}) = ${outputs[i - 1]}`,
        );
      }
    }
    expect(outputs[0]).toBe(1);
  });
});

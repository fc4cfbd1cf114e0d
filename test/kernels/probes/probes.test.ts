import { beforeEach, describe, expect, test } from 'vitest';
import { PROBE_SUMS } from '#softshard/kernels/layout.js';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { builds, randomValues, Workbench } from '../workbench.js';

describe.each(builds)('probes of the machine (%s)', (numerics) => {
  const bench = new Workbench(numerics, 8);
  beforeEach(() => bench.reset());

  test('read finds the largest number, wherever it is', () => {
    const values = randomValues(128, 1, 1);
    for (const at of [0, 15, 16, 37, 127]) {
      const ptr = bench.putFloat32(values.with(at, 5));
      expect(bench.kernels.readMemory(ptr, 512)).toBe(5);
    }
  });

  test('write leaves ones, and nothing behind its end', () => {
    const ptr = bench.putFloat32(new Float32Array(48));
    bench.kernels.writeMemory(ptr, 128);
    expect([...bench.float32(ptr, 48)]).toEqual([...new Float32Array(32).fill(1), ...new Float32Array(16)]);
  });

  test('copy keeps every bit, elsewhere and in place', () => {
    const values = randomValues(64, 3, 2);
    const ptr = bench.putFloat32([...values, ...new Float32Array(64)]);
    bench.kernels.copyMemory(offsetBy(ptr, 256), ptr, 256);
    expect(bench.float32(offsetBy(ptr, 256), 64)).toEqual(values);
    bench.kernels.copyMemory(ptr, ptr, 256);
    expect(bench.float32(ptr, 64)).toEqual(values);
  });

  test('multiply-adds depend on each other: sums tend to 0.5 from anywhere, and stay within theirs', () => {
    const ptr = bench.putFloat32([...randomValues(PROBE_SUMS, 1e6, 3), 7]);
    bench.kernels.multiplyAdd(ptr, 40);
    const sums = bench.float32(ptr, PROBE_SUMS + 1);
    // 12 vectors of four, in wide SIMD 24.
    expect([...sums.subarray(0, 48)]).toEqual(new Array(48).fill(0.5));
    expect(sums[PROBE_SUMS]).toBe(7);
  });
});

import { describe, expect, test } from 'vitest';
import { scaleFeatures, standardScaling } from '#softshard/main/index.js';

const tensor = (rows: number, row: (index: number) => number[]) => {
  const data = Float32Array.from(Array.from({ length: rows }, (_, index) => row(index)).flat());
  return { type: 'float32', dims: [rows, data.length / rows], data } as const;
};

describe('standardScaling', () => {
  test('gives each feature mean 0 and standard deviation 1 within 1e-6', () => {
    const inputs = tensor(1000, (row) => [row, 3 - row / 7, Math.sin(row)]);
    scaleFeatures(inputs, standardScaling(inputs));
    for (let feature = 0; feature < 3; feature++) {
      const values = [...inputs.data].filter((_, index) => index % 3 === feature);
      const mean = values.reduce((sum, value) => sum + value / 1000, 0);
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / 1000, 0);
      expect(Math.abs(mean)).toBeLessThan(1e-6);
      expect(Math.abs(variance - 1)).toBeLessThan(1e-6);
    }
  });

  test('a constant feature is only shifted, whatever rounding makes of its variance', () => {
    for (const rows of [1, 3, 10, 1000, 60_000]) {
      const { scale, shift } = standardScaling(tensor(rows, () => [0.1, 12345.678, 0, -3e30]));
      expect(scale).toEqual(Float32Array.of(1, 1, 1, 1));
      expect(shift).toEqual(Float32Array.of(0.1, 12345.678, 0, -3e30));
    }
  });
});

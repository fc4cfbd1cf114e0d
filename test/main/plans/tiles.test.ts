import { expect, test } from 'vitest';
import { tileStride } from '#softshard/kernels/layout.js';
import { planTile } from '#softshard/main/plans/tiles.js';

test('tiles have 8 to 64 rows; inputs and logits of more than 8 take at most 256 KiB each', () => {
  for (const features of [1, 784, 1023, 4096, 131_072]) {
    for (const classes of [1, 2, 10, 1000, 8192, 131_072]) {
      const { rows, scratchBytes } = planTile({ features, classes });
      expect(rows).toBeGreaterThanOrEqual(8);
      expect(rows).toBeLessThanOrEqual(64);
      if (rows > 8) expect(rows * Math.max(tileStride(features), classes) * 4).toBeLessThanOrEqual(2 ** 18);
      expect(scratchBytes % 128).toBe(0);
    }
  }
  expect(planTile({ features: 784, classes: 10 }).rows).toBe(64);
});

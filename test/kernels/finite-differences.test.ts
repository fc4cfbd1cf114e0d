// The finite differences themselves, on functions whose gradient is known.
import { describe, expect, it } from 'vitest';
import { centralDifferences } from './finite-differences.js';

describe('central differences', () => {
  it('give the gradient of x² y + sin z within 1e-9', () => {
    const [x, y, z] = [0.7, -1.3, 0.4];
    const gradient = centralDifferences((p) => p[0]! ** 2 * p[1]! + Math.sin(p[2]!), [x, y, z]);
    const expected = [2 * x * y, x ** 2, Math.cos(z)];
    for (const [k, value] of expected.entries()) expect(Math.abs(gradient[k]! - value)).toBeLessThan(1e-9);
  });

  it('leave the point that they were given unchanged', () => {
    const point = Float64Array.of(1, 2);
    centralDifferences((p) => p[0]! * p[1]!, point);
    expect([...point]).toEqual([1, 2]);
  });
});

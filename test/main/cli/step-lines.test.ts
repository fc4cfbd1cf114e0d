import { expect, test } from 'vitest';
import { stepsALine } from '#softshard/main/cli/step-lines.js';

test('an epoch of a few steps has no lines of steps, a long one 20 to 50', () => {
  expect(stepsALine(1, 1000)).toBe(Number.POSITIVE_INFINITY);
  expect(stepsALine(19, 10)).toBe(Number.POSITIVE_INFINITY);
  for (let steps = 20; steps < 5000; steps += 7) {
    const lines = Math.floor(steps / stepsALine(steps, 10));
    expect(lines, `${steps} steps`).toBeGreaterThanOrEqual(20);
    expect(lines, `${steps} steps`).toBeLessThanOrEqual(50);
  }
});

test('a training of many epochs has at most 10,000', () => {
  expect((235 * 5000) / stepsALine(235, 5000)).toBeLessThanOrEqual(10_000);
});

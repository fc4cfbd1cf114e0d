// findInvalidTarget finds the first bad class index wherever it stands.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, Workbench } from '../workbench.js';

describe.each(builds)('findInvalidTarget (%s)', (numerics) => {
  const bench = new Workbench(numerics, 16);

  function find(targets: ArrayLike<number>, classes: number, offsetBytes = 0): number {
    bench.reset();
    const ptr = bench.allocate((targets.length + 8) * 4, offsetBytes);
    // Invalid neighbors before and after must not be seen.
    bench.int32(ptr, targets.length + 8).fill(-1);
    bench.int32(offsetBy(ptr, 16), targets.length).set(targets);
    return bench.kernels.findInvalidTarget(offsetBy(ptr, 16), targets.length, classes);
  }

  test.each([1, 2, 10, 2 ** 31 - 1])('accepts 0 to classes - 1 of %i classes', (classes) => {
    for (const length of [0, 1, 3, 4, 5, 8, 67]) {
      expect(find(randomTargets(length, classes, length), classes)).toBe(STATUS_OK);
      expect(find(new Array(length).fill(0), classes)).toBe(STATUS_OK);
      expect(find(new Array(length).fill(classes - 1), classes)).toBe(STATUS_OK);
    }
  });

  test('finds a negative or too large target in each of 1 to 41 positions, at any 4-byte alignment', () => {
    for (let length = 1; length <= 41; length++) {
      for (let position = 0; position < length; position++) {
        for (const bad of [-1, 5, 6, -(2 ** 31), 2 ** 31 - 1]) {
          const targets = randomTargets(length, 5, length);
          targets[position] = bad;
          expect(find(targets, 5, (position % 4) * 4), `${bad} at ${position} of ${length}`).toBe(position);
        }
      }
    }
  });

  test('finds the first of several', () => {
    expect(find([0, 1, 2, 3, 4, 0, 9, -1, 9], 5)).toBe(6);
    expect(find([0, 1, 2, 9, 9], 5)).toBe(3);
  });
});

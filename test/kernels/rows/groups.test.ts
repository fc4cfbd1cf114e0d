// Rows of few columns, which kernels take in groups through scratch memory: where that lies, and how good its logarithms are.

import { describe, expect, test } from 'vitest';
import { GROUP_SCRATCH_BYTES, MOST_GROUP_COLUMNS, STATUS_OK } from '#softshard/kernels/layout.js';
import { alignUp, NULL_PTR, offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';

const ROWS = 37;
const GUARD = 0x7149f2ca;
const GUARD_LENGTH = 64;

describe.each(builds)('groups of rows (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;

  /** Everything that four kernels give, and losses alone, with scratch at ptr. */
  function runAll(scratch: Ptr, columns: number): Uint32Array {
    kernels.useScratch(scratch);
    const input = bench.putFloat32(randomValues(ROWS * columns, 8, columns));
    const targets = bench.putInt32(randomTargets(ROWS, columns, 3));
    const length = 3 * ROWS * columns + 3 * ROWS;
    const results = bench.allocate(length * 4);
    const matrix = ROWS * columns * 4;
    const rest = offsetBy(results, 3 * matrix);
    const sum = bench.allocate(8);
    kernels.softmaxRows(results, input, ROWS, columns, columns);
    kernels.logSoftmaxRows(offsetBy(results, matrix), input, ROWS, columns, columns);
    const status = kernels.crossEntropyGradientRows(
      offsetBy(results, 2 * matrix),
      rest,
      sum,
      input,
      targets,
      ROWS,
      columns,
      columns,
      0.25,
    );
    expect(status).toBe(STATUS_OK);
    expect(kernels.crossEntropyRows(offsetBy(rest, 4 * ROWS), sum, input, targets, ROWS, columns)).toBe(
      STATUS_OK,
    );
    kernels.logSumExpRows(offsetBy(rest, 8 * ROWS), input, ROWS, columns);
    return bench.uint32(results, length).slice();
  }

  test.each(Array.from({ length: MOST_GROUP_COLUMNS + 1 }, (_, index) => index + 1))(
    '%i columns: the same bits wherever the scratch memory lies and whatever is in it, and nothing written around it',
    (columns) => {
      const allBits: Uint32Array[] = [];
      for (const fill of [0, GUARD, 0x7fc00000]) {
        bench.reset();
        const around = bench.allocate(GROUP_SCRATCH_BYTES + 8 * GUARD_LENGTH + 64);
        const scratch = alignUp(offsetBy(around, 4 * GUARD_LENGTH), 64);
        const words = bench.uint32(
          offsetBy(scratch, -4 * GUARD_LENGTH),
          GROUP_SCRATCH_BYTES / 4 + 2 * GUARD_LENGTH,
        );
        words.fill(GUARD).subarray(GUARD_LENGTH, -GUARD_LENGTH).fill(fill);
        allBits.push(runAll(scratch, columns));
        const guards = [...words.subarray(0, GUARD_LENGTH), ...words.subarray(-GUARD_LENGTH)];
        expect(guards.every((word) => word === GUARD)).toBe(true);
      }
      expect(allBits[1]).toStrictEqual(allBits[0]);
      expect(allBits[2]).toStrictEqual(allBits[0]);
    },
  );

  test('the loss of equal logits of 1 to 80 columns is the logarithm of their number, with a relative error below 4e-11', () => {
    for (let columns = 1; columns <= 80; columns++) {
      bench.reset();
      const logits = bench.putFloat32(new Array(columns).fill(3.5));
      const { ptr, read } = bench.float64Cell();
      const target = bench.putInt32([columns - 1]);
      expect(kernels.crossEntropyRows(NULL_PTR, ptr, logits, target, 1, columns)).toBe(STATUS_OK);
      const expected = Math.log(columns);
      const error = Math.abs(read() - expected);
      expect(error, `${columns} columns: ${read()}, not ${expected}`).toBeLessThanOrEqual(4e-11 * expected);
    }
  });
});

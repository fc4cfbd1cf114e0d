import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planRows } from '#softshard/main/plans/rows.js';

describe('planRows', () => {
  test('shards cover all rows, none is empty', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.integer({ min: 1, max: 200_000 }), (rows, columns) => {
        const { shardRows, shards } = planRows(rows, columns);
        expect(shardRows * shards).toBeGreaterThanOrEqual(rows);
        expect(shardRows * (shards - 1)).toBeLessThan(Math.max(rows, 1));
      }),
    );
  });

  test('shardRows depends on the columns alone, so that a window of rows is cut as the whole batch is', () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.nat(1_000_000),
        fc.integer({ min: 1, max: 200_000 }),
        (a, b, columns) => {
          expect(planRows(a, columns).shardRows).toBe(planRows(b, columns).shardRows);
        },
      ),
    );
  });
});

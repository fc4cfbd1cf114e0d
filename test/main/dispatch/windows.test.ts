// Arrays from outside the arena, window by window.
import { describe, expect, test } from 'vitest';
import { Cancellation } from '#softshard/main/cancellation.js';
import { mapOperands } from '#softshard/main/dispatch/operands.js';
import { inWindows } from '#softshard/main/dispatch/windows.js';
import { Arena } from '#softshard/main/memory/arena.js';
import { planRows } from '#softshard/main/plans/rows.js';

const COLUMNS = 4096;
/** 16 MiB, which pass through an arena of 1 MiB in many windows. */
const ROWS = 1024;

describe('an AbortSignal', () => {
  test.each([1, 2, 3])(
    'that is aborted while window %i computes: none is copied after that',
    async (last) => {
      const arena = new Arena(1024 * 1024);
      const before = arena.usedBytes;
      const source = new Float32Array(ROWS * COLUMNS).fill(1);
      const output = new Float32Array(ROWS * COLUMNS);
      const rows = { columns: COLUMNS, ptr: undefined };
      const operands = mapOperands({ ...rows, elements: source }, { ...rows, elements: output });
      const reason = new Error('enough');
      const cancellation = new Cancellation();
      let windows = 0;
      let written = 0;
      const call = inWindows({ arena }, ROWS, planRows(ROWS, COLUMNS), operands, cancellation, async () => {
        windows++;
        if (windows !== last) return;
        // As a gang whose work was done just before: it does not look at the signal again.
        written = output.lastIndexOf(1);
        cancellation.abort(reason);
        source.fill(2);
      });
      await expect(call).rejects.toBe(reason);
      expect(windows).toBe(last);
      expect(output.lastIndexOf(1)).toBe(written);
      expect(output.includes(2)).toBe(false);
      expect(arena.usedBytes).toBe(before);
    },
  );
});

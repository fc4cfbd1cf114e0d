import { expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { FETCHED_ROWS } from '#softshard/kernels/layout.js';
import type { TrainTask } from '#softshard/workers/protocol.js';
import { NextStepRows } from '#softshard/workers/training/next-step-rows.js';

const BATCH = 100;
const LAST = 30;

/** Positions that `member` of 3 fetches of `step`, in order, of epochs of two steps. */
function fetched(member: number, step: number): number[] {
  const positions: number[] = [];
  const fetchInputs: Kernels['fetchInputs'] = (_inputs, _type, _indices, position, last) => {
    for (let i = position; i < position + FETCHED_ROWS && i <= last; i++) positions.push(i);
    return 0;
  };
  const task = {
    member,
    members: 3,
    stepEnd: 4,
    stepsAnEpoch: 2,
    fullStep: { rows: BATCH, shardRows: 16, shards: 7 },
    lastStep: { rows: LAST, shardRows: 16, shards: 2 },
  };
  const ahead = new NextStepRows({ fetchInputs } as Kernels, task as TrainTask);
  ahead.beginStep(step);
  for (let i = 0; i < 100; i++) ahead.fetch();
  return positions;
}

test.each([
  [0, 0, BATCH],
  [1, BATCH, BATCH + LAST],
  [2, BATCH + LAST, 2 * BATCH + LAST],
  [3, 2 * BATCH + LAST, 2 * (BATCH + LAST)],
])('of step %i all rows are fetched and no others, then nothing more', (step, begin, end) => {
  for (const member of [0, 1, 2]) {
    const positions = fetched(member, step);
    expect([...new Set(positions)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: end - begin }, (_, i) => begin + i),
    );
    expect(positions.length).toBeLessThan(end - begin + 2 * FETCHED_ROWS);
    expect(positions[0]).toBe(begin + Math.floor(((end - begin) / 3) * member));
  }
});

test('after the last step there is nothing to fetch', () => {
  expect(fetched(0, 4)).toEqual([]);
});

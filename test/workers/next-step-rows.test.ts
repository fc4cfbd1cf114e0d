import { expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { FETCHED_ROWS } from '#softshard/kernels/layout.js';
import { NextStepRows } from '#softshard/workers/next-step-rows.js';
import type { TrainTask } from '#softshard/workers/protocol.js';
import type { Step } from '#softshard/workers/train-step.js';

/** Positions that `member` of 3 fetches of `step`, in order. */
function fetched(member: number, step: Step | undefined): number[] {
  const positions: number[] = [];
  const fetchInputs: Kernels['fetchInputs'] = (_inputs, _type, _indices, position, last) => {
    for (let i = position; i < position + FETCHED_ROWS && i <= last; i++) positions.push(i);
    return 0;
  };
  const ahead = new NextStepRows({ fetchInputs } as Kernels, { member, members: 3 } as TrainTask);
  ahead.expect(step);
  for (let i = 0; i < 100; i++) ahead.fetch();
  return positions;
}

test.each([
  [0, 100],
  [100, 130],
  [130, 137],
])('of a step with rows %i to %i all are fetched and no others, then nothing more', (begin, end) => {
  const shape = { rows: end - begin, shardRows: 16, shards: Math.ceil((end - begin) / 16) };
  for (const member of [0, 1, 2]) {
    const positions = fetched(member, { rowBegin: begin, shape, learningRate: 0.1 });
    expect([...new Set(positions)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: end - begin }, (_, i) => begin + i),
    );
    expect(positions.length).toBeLessThan(end - begin + 2 * FETCHED_ROWS);
    expect(positions[0]).toBe(begin + Math.floor(((end - begin) / 3) * member));
  }
});

test('after the last step there is nothing to fetch', () => {
  expect(fetched(0, undefined)).toEqual([]);
});

// Which rows a step has.
import { expect, test } from 'vitest';
import { learningRateAt, type TrainTask } from '#softshard/workers/protocol.js';
import { stepOf } from '#softshard/workers/training/train-step.js';

const task = {
  stepsAnEpoch: 3,
  fullStep: { rows: 100, shardRows: 16, shards: 7 },
  lastStep: { rows: 30, shardRows: 16, shards: 2 },
  stepsBefore: 6,
} as TrainTask;

test.each([
  [0, 0, 100, 0.05],
  [1, 100, 100, 0.1 * (5 / 12)],
  [2, 200, 30, 0.1 * (4 / 12)],
  [3, 230, 100, 0.1 * (3 / 12)],
  [5, 430, 30, 0.1 * (1 / 12)],
])(
  'step %i begins at position %i, has %i rows and a learning rate by its place in the whole',
  (step, begin, rows, rate) => {
    const { rowBegin, shape } = stepOf(task, step);
    const learningRate = learningRateAt(
      { learningRate: 0.1, schedule: { kind: 'linear', warmupSteps: 0 } },
      6 + step,
      12,
    );
    expect(rowBegin).toBe(begin);
    expect(shape.rows).toBe(rows);
    expect(learningRate).toBeCloseTo(rate, 12);
  },
);

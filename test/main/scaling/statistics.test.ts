import { expect, test } from 'vitest';
import { measureInTurns } from '#softshard/main/scaling/measure.js';
import { quantile, quartiles, spreadOf } from '#softshard/main/scaling/statistics.js';

test('quartiles are linear between neighbors, whatever the order of the samples', () => {
  expect(quartiles([40, 10, 20, 30])).toEqual({ medianMs: 25, q1Ms: 17.5, q3Ms: 32.5, samples: 4 });
  expect(quartiles([7])).toEqual({ medianMs: 7, q1Ms: 7, q3Ms: 7, samples: 1 });
  expect(quantile([1, 2, 3], 0.9)).toBeCloseTo(2.8, 12);
  expect(() => quartiles([])).toThrow('no samples');
});

test('the spread is the interquartile range over the median', () => {
  expect(spreadOf(quartiles([8, 10, 12]))).toBeCloseTo(0.2, 12);
});

test('contestants take turns, round by round, and may give durations of their own', async () => {
  const calls: string[] = [];
  const contestants = ['a', 'b'].map((name, index) => ({
    run: async () => {
      calls.push(name);
      return index === 0 ? 5 : undefined;
    },
  }));
  const [a, b] = await measureInTurns(contestants, { rounds: 3, roundMs: 0, warmupMs: 0, warmupCalls: 2 });
  expect(calls.join('')).toBe('aabbababab');
  expect(a?.samplesMs).toEqual([5, 5, 5]);
  expect(b?.samplesMs).toHaveLength(3);
});

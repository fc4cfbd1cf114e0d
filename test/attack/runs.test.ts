import { expect, test } from 'vitest';
import { runs } from './runs.js';
import { MOST_MS, shortAttack } from './short.js';

/** One step by step, one by L-BFGS, one sweep; more by SOFTSHARD_KILLED_RUNS. */
const CASES = Number(process.env.SOFTSHARD_KILLED_RUNS ?? 3);

test(
  'runs may be killed at any moment: gone on with by other threads, they come to the same bits and the same metrics',
  async () => {
    const outcomes = await shortAttack(runs, CASES);
    expect([...outcomes.keys()].some((outcome) => outcome.endsWith('gone on with'))).toBe(true);
  },
  MOST_MS,
);

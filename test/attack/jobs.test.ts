import { expect, test } from 'vitest';
import { jobs } from './jobs.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 20;

test(
  'jobs whose threads end, and which are cancelled, all come to an end; what is done is right, and the line goes on',
  async () => {
    const outcomes = await shortAttack(jobs, CASES);
    expect([...outcomes.values()].reduce((sum, count) => sum + count)).toBe(CASES);
  },
  MOST_MS,
);

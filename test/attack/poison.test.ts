import { expect, test } from 'vitest';
import { poison } from './poison.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 120;

test(
  'free memory may hold anything: results have the bits they have where it is zero, and nothing else is written to',
  async () => {
    const outcomes = await shortAttack(poison, CASES);
    expect(outcomes.get('right')).toBeGreaterThan(CASES / 2);
  },
  MOST_MS,
);

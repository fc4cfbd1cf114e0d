import { expect, test } from 'vitest';
import { kills } from './kills.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 8;

test(
  'commands may be ended at any moment: an output is the former file or a whole new one, and nothing else is left',
  async () => {
    const outcomes = await shortAttack(kills, CASES);
    expect([...outcomes.keys()].some((outcome) => outcome.endsWith('former file'))).toBe(true);
  },
  MOST_MS,
);

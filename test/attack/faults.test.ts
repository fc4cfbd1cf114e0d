import { expect, test } from 'vitest';
import { faults } from './faults.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 40;

test(
  'worker threads may end, throw and go wrong at any moment: no call hangs, none is wrong, and the next one works',
  async () => {
    const outcomes = await shortAttack(faults, CASES);
    expect(outcomes.get('ERR_WORKER')).toBeGreaterThan(CASES / 8);
  },
  MOST_MS,
);

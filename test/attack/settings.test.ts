import { expect, test } from 'vitest';
import { settings } from './settings.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 12;

test(
  'calls of all kinds may run at once on engines of any threads and arena: each gives the bits it gives alone',
  async () => {
    const outcomes = await shortAttack(settings, CASES);
    expect(outcomes.get('right')).toBeGreaterThan(CASES / 4);
  },
  MOST_MS,
);

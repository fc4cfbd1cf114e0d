import { expect, test } from 'vitest';
import { bombs } from './bombs.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 14;

test(
  'small files may inflate to large ones: none ends the process, takes its memory or much time',
  async () => {
    const outcomes = await shortAttack(bombs, CASES);
    expect(outcomes.get('ERR_FORMAT')).toBeGreaterThan(CASES / 4);
  },
  MOST_MS,
);

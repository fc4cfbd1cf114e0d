import { expect, test } from 'vitest';
import { cancels } from './cancels.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 40;

test(
  'calls may be aborted by any signal at any moment: they reject with the reason or are right, and the others go on',
  async () => {
    const outcomes = await shortAttack(cancels, CASES);
    expect(outcomes.get('cancelled')).toBeGreaterThan(CASES / 8);
  },
  MOST_MS,
);

import { expect, test } from 'vitest';
import { diskTraining } from './disk-training.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 60;

test(
  'a file may change while rows of it are trained on: the bits stay the same, or there is an error that names it',
  async () => {
    const outcomes = await shortAttack(diskTraining, CASES);
    expect(outcomes.get('ERR_FORMAT')).toBeGreaterThan(CASES / 10);
    expect(outcomes.get('right')).toBeGreaterThan(0);
  },
  MOST_MS,
);

import { expect, test } from 'vitest';
import { files } from './files.js';
import { MOST_MS, shortAttack } from './short.js';

const CASES = 5000;

test(
  'files may be damaged in any way: readers give what they hold, or a short clean error with a code',
  async () => {
    const outcomes = await shortAttack(files, CASES);
    expect(outcomes.get('ERR_FORMAT')).toBeGreaterThan(CASES / 4);
  },
  MOST_MS,
);

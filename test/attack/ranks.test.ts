import { describe, test } from 'vitest';
import { mpiLaunchers } from '../mpi.js';
import { ranks } from './ranks.js';
import { MOST_MS, shortAttack } from './short.js';

/** One step by step, one by L-BFGS. */
const CASES = 2;

describe.skipIf(mpiLaunchers.length === 0)('under MPI', () => {
  test(
    'any rank may be lost at any moment: other numbers of ranks go on to the bits and metrics of one process',
    () => shortAttack(ranks, CASES),
    MOST_MS,
  );
});

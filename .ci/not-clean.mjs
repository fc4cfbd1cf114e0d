// Says what .ci/clean, which runs this on the built package, has not hidden; fails where it could have.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findBlas } from '../dist/main/index.js';

const search = findBlas();
const seen = [
  'library' in search && `${search.library.name} (${search.library.path})`,
  existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz') && 'the full Fashion-MNIST',
  ...['python3', '/usr/bin/python3'].map((python) => spawnSync(python, ['-V']).status === 0 && python),
].filter(Boolean);
console.log(seen.length === 0 ? 'no BLAS, no data set, no Python' : `NOT hidden: ${seen.join(', ')}`);
if (seen.length > 0 && process.env.CLEAN_INSIDE === '1') process.exitCode = 1;

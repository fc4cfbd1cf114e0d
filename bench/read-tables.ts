// How fast Parquet and Feather files of embeddings are read, beside pyarrow: node .bench/read-tables.js --python PATH
// PATH is a Python 3 that has pyarrow. "--rows 100000" and "--width 384" are the default, "--pairs 9" how often both read.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { availableThreads, hostMemory, readMatrix } from '#softshard/main/index.js';
import { PeerProcess } from './peers/peer-process.js';
import { median } from './statistics.js';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rows: { type: 'string', default: '100000' },
    width: { type: 'string', default: '384' },
    pairs: { type: 'string', default: '9' },
  },
});
const [rows, width, pairs] = [values.rows, values.width, values.pairs].map(Number) as [
  number,
  number,
  number,
];
const threads = availableThreads();

interface Reading {
  readonly ms: number;
  readonly dims: readonly number[];
  readonly sums: readonly number[];
}

/** To a matrix in memory that is new, as pyarrow's is, and the labels. */
async function read(path: string): Promise<Reading> {
  const begin = performance.now();
  const { matrix, targets, classNames } = await readMatrix(hostMemory, path, { labelColumn: 'label' });
  const ms = performance.now() - begin;
  let sum = 0;
  for (const value of matrix.data) sum += value;
  const labels = targets!.reduce((total, target) => total + Number(classNames![target]), 0);
  const { dims } = matrix;
  matrix.free();
  return { ms, dims, sums: [sum, labels] };
}

function expectSame(path: string, ours: Reading, theirs: Reading): void {
  const isSame =
    ours.dims.join() === theirs.dims.join() &&
    ours.sums[1] === theirs.sums[1] &&
    Math.abs(ours.sums[0]! - theirs.sums[0]!) < 1e-6 * rows * width;
  if (!isSame) throw new Error(`${path}: ${JSON.stringify(ours)} in place of ${JSON.stringify(theirs)}`);
}

const folder = await mkdtemp(join(tmpdir(), 'softshard-tables-'));
const pyarrow = await PeerProcess.python(
  { command: values.python, origin: values.python },
  'tables-pyarrow.py',
);
try {
  console.log(`${pyarrow.version}; ${rows} × ${width} float32, ${threads} threads`);
  await pyarrow.ask({ do: 'write', folder, rows, width });
  for (const name of ['plain.parquet', 'default.parquet', 'zstd.parquet', 'default.feather']) {
    const path = join(folder, name);
    const theirs = () => pyarrow.ask<Reading>({ do: 'read', path, threads });
    // The first reading fetches the file from the disk.
    expectSame(path, await read(path), await theirs());
    const pairsMs: [ours: number, theirs: number][] = [];
    for (let pair = 0; pair < pairs; pair++) {
      // Who begins takes turns.
      const first = pair % 2 === 0 ? await read(path) : undefined;
      const { ms } = await theirs();
      pairsMs.push([(first ?? (await read(path))).ms, ms]);
    }
    const [ours, other] = [median(pairsMs.map(([ms]) => ms)), median(pairsMs.map(([, ms]) => ms))];
    console.log(
      `${name.padEnd(16)} softshard ${ours.toFixed(0)} ms, pyarrow ${other.toFixed(0)} ms: ${(other / ours).toFixed(2)} times as fast`,
    );
  }
} finally {
  await pyarrow.close();
  await rm(folder, { recursive: true });
}

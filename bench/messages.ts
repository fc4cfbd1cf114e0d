// What one more of many small messages to and from another rank takes, in processor time: mpirun -np 2 node .bench/messages.js. The
// cost model of ranks (main/scaling/ranks/cost-model.ts) counts with it.

import { loadKoffi } from '#softshard/koffi.js';
import { findMpi } from '#softshard/main/distributed/find-mpi.js';
import { openMpiLibrary } from '#softshard/transport/mpi-library.js';
import { median } from './statistics.js';

const COUNT = 500;
const TURNS = 201;

const mpi = openMpiLibrary(loadKoffi(), findMpi(undefined).path);
const { rank } = mpi.init();
const peer = 1 - rank;
const requests = mpi.newRequests(2 * COUNT);
const at = Array.from({ length: 2 * COUNT }, (_, i) => requests.subarray(i, i + 1));
const bytes = new Uint8Array(new SharedArrayBuffer(64));

/** Of so many messages each way. */
function exchange(count: number): number {
  const begin = performance.now();
  for (let i = 0; i < count; i++) mpi.ireceive(bytes, 56, peer, at[i]!);
  for (let i = 0; i < count; i++) mpi.isend(bytes, 56, peer, at[count + i]!);
  while (!mpi.testAll(requests, 2 * count));
  return performance.now() - begin;
}

const times: number[] = [];
for (let turn = 0; turn < TURNS; turn++) {
  const few = exchange(1);
  times.push((exchange(COUNT) - few) / (COUNT - 1));
}
if (rank === 0) console.log(`${mpi.version}: ${(1000 * median(times)).toFixed(2)} µs a message each way`);
mpi.finalize();

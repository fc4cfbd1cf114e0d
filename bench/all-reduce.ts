// How long the sum along the canonical tree takes beside the library's own MPI_Allreduce, in turns:
// mpirun -np 2 node .bench/all-reduce.js. The library's is called at once by this thread, ours by way of the transport's.

import { loadKoffi } from '#softshard/koffi.js';
import { findMpi } from '#softshard/main/distributed/find-mpi.js';
import { openMpi } from '#softshard/main/index.js';
import { MPI_ABIS } from '#softshard/transport/mpi-abi.js';
import { median } from './statistics.js';

const LENGTHS = [2, 1024, 262_144, 1_048_576, 4_194_304];
const TURNS = 15;
const IN_PLACE = { 'Open MPI': 1n, MPICH: 0xffffffffffffffffn, 'MPI ABI': 1n };

const transport = await openMpi();
const { kind, path, version, constants } = findMpi(undefined);
const { handle } = MPI_ABIS[kind];
const parameters = ['void *', 'void *', 'int', handle, handle, handle];
const allReduce = loadKoffi().load(path, { global: true }).func('MPI_Allreduce', 'int', parameters);
const { FLOAT, SUM, COMM_WORLD } = constants;

const { rank, ranks } = transport;
if (rank === 0) console.log(`${version}, ${ranks} ranks, float32`);
for (const length of LENGTHS) {
  const values = new Float32Array(new SharedArrayBuffer(4 * length)).fill(1);
  const calls = Math.max(1, Math.min(100, Math.floor(2_000_000 / length)));
  const ratios: number[] = [];
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let turn = 0; turn <= TURNS; turn++) {
    await transport.barrier();
    const begin = performance.now();
    for (let call = 0; call < calls; call++) {
      await transport.treeSum({ begin: rank, branches: [values] }, ranks);
    }
    const ours = (performance.now() - begin) / calls;
    await transport.barrier();
    const middle = performance.now();
    for (let call = 0; call < calls; call++) {
      allReduce(IN_PLACE[kind], values, length, FLOAT, SUM, COMM_WORLD);
    }
    const theirs = (performance.now() - middle) / calls;
    values.fill(1);
    if (turn === 0) continue;
    ratios.push(ours / theirs);
    times.ours.push(ours);
    times.theirs.push(theirs);
  }
  if (rank > 0) continue;
  const us = (list: number[]) => `${(1000 * median(list)).toFixed(1)} µs`;
  console.log(
    `${4 * length} bytes: ours ${us(times.ours)}, MPI_Allreduce ${us(times.theirs)}, ratio ${median(ratios).toFixed(2)}`,
  );
}
await transport.close();

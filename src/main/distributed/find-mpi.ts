// The MPI library that fits the launcher.
import { existsSync } from 'node:fs';
import { messageOf, SoftshardError } from '../../errors.js';
import { type Koffi, loadKoffi } from '../../koffi.js';
import { type MpiLibrary, openMpiLibrary } from '../../transport/mpi-library.js';
import { findLaunch, mpiCandidates } from './launcher.js';

export const LIBRARY_VARIABLE = 'SOFTSHARD_MPI_LIBRARY';

/** `asked`: a file or a name. Throws ERR_DISTRIBUTED. Loads the library, and starts nothing. */
export function findMpi(asked: string | undefined): MpiLibrary {
  if (process.platform === 'win32') throw failure('MPI is not supported on Windows: use Linux or macOS');
  const koffi = openKoffi();
  tameUcx();
  planTcp();
  const named = asked ?? process.env[LIBRARY_VARIABLE];
  if (named) return openNamed(koffi, named);
  const launch = findLaunch();
  const reasons: string[] = [];
  for (const path of mpiCandidates(process.platform, process.env, launch?.library)) {
    if (path.includes('/') && !existsSync(path)) continue;
    try {
      return openMpiLibrary(koffi, path);
    } catch (error) {
      reasons.push(firstLine(error));
    }
  }
  const wanted = launch?.library ?? 'MPI';
  const apt = wanted === 'MPICH' ? 'libmpich12' : 'libopenmpi3';
  throw failure(
    `no ${wanted} library is found (${reasons.join('; ')}): install one (Debian: apt install ${apt}), or name its file (options.distributed.library, ${LIBRARY_VARIABLE})`,
  );
}

/**
 * UCX, the network layer of many MPI libraries, patches malloc, mmap and brk of a process when it starts, to know which memory goes
 * away, and takes over its signals. The patches crash Node now and then, whose threads are allocating meanwhile (with MPICH 4.0.2 and
 * UCX 1.13 one job in twenty), and V8 needs SIGSEGV for WebAssembly. Without them UCX does not cache what it registers with a network
 * card. What the environment says stays.
 */
function tameUcx(): void {
  process.env.UCX_MEM_EVENTS ??= 'n';
  process.env.UCX_MEM_MMAP_HOOK_MODE ??= 'none';
  process.env.UCX_MEM_MALLOC_HOOKS ??= 'n';
  process.env.UCX_ERROR_SIGNALS ??= '';
}

/**
 * Over TCP, Open MPI sends long messages by a protocol made for network cards that write to memory by themselves. Two ranks that send to
 * each other then often take turns: over 1 Gbit/s a sum of 4 MB takes 36 ms with plain messages, up to 72 ms without
 * (bench/notes/2026-11-ranks.md). What the environment or mpirun says stays.
 */
function planTcp(): void {
  process.env.OMPI_MCA_btl_tcp_flags ??= '1';
}

function openKoffi(): Koffi {
  try {
    return loadKoffi();
  } catch (cause) {
    throw failure(
      `the package koffi, which calls MPI, cannot be loaded (${firstLine(cause)}): npm install koffi`,
    );
  }
}

function openNamed(koffi: Koffi, path: string): MpiLibrary {
  try {
    return openMpiLibrary(koffi, path);
  } catch (error) {
    throw failure(`${path} cannot be used as MPI library: ${firstLine(error)}`);
  }
}

const failure = (message: string): SoftshardError => new SoftshardError('ERR_DISTRIBUTED', message);

const firstLine = (error: unknown): string => messageOf(error).split('\n', 1)[0]!;

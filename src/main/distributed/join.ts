// How an engine becomes one of several ranks.
import { findMpi, LIBRARY_VARIABLE } from './find-mpi.js';
import { ALONE_VARIABLE, findLaunch } from './launcher.js';
import { type MpiOptions, openMpi } from './mpi.js';
import { shareOfThreads } from './thread-shares.js';
import type { Transport } from './transport.js';

export interface Joined {
  readonly transport: Transport;
  /** How many threads this rank may start so that the ranks of its machine use each CPU once. */
  readonly threads: number;
  readonly leave?: () => Promise<void>;
}

/** Undefined for a process that no launcher has started, where there is no MPI to ask: it works alone. */
export async function joinRanks(distributed: MpiOptions | Transport): Promise<Joined | undefined> {
  const isOpen = 'treeSum' in distributed;
  if (!isOpen && isAlone(distributed)) return undefined;
  const transport = isOpen ? distributed : await openMpi(distributed);
  const threads = await shareOfThreads(transport);
  return { transport, threads, ...(!isOpen && { leave: () => transport.close() }) };
}

function isAlone({ library }: MpiOptions): boolean {
  if (process.env[ALONE_VARIABLE] === '0') return true;
  if (findLaunch() !== undefined || library !== undefined || process.env[LIBRARY_VARIABLE]) return false;
  try {
    // A launcher that sets no variables is known to its library.
    findMpi(undefined);
    return false;
  } catch {
    return true;
  }
}

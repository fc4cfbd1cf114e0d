// The public ways to other ranks. What talks to MPI is loaded by programs that ask for it.
import type { MpiOptions } from './mpi.js';
import type { Transport } from './transport.js';

/**
 * Joins the processes that mpirun started beside this one (docs/machines.md), for a program that needs ranks before it has an engine;
 * Engine.create takes the transport as `distributed`. Throws ERR_DISTRIBUTED or ERR_OPTION.
 */
export const openMpi = async (options: MpiOptions = {}): Promise<Transport> =>
  (await import('./mpi.js')).openMpi(options);

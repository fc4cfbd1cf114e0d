// Loads the BLAS in a worker thread when it is first needed, and tells the main thread meanwhile: a thread that is ended
// while koffi initializes aborts the whole process.
import { loadSgemm, type Sgemm } from '../kernels/blas/library.js';
import type { SharedMemory } from '../kernels/webassembly.js';
import { type Loading, newLoading, whileLoading } from './loading.js';

export interface BlasSetup extends Loading {
  /** The file of the library. */
  readonly path: string;
}

export const blasSetup = (path: string): BlasSetup => ({ path, loading: newLoading() });

export function lazySgemm(setup: BlasSetup, memory: SharedMemory): Sgemm {
  let sgemm: Sgemm | undefined;
  return (...product) => {
    sgemm ??= whileLoading(setup, () => loadSgemm(setup.path, memory));
    sgemm(...product);
  };
}

// Loads the BLAS in a worker thread when it is first needed, and tells the main thread meanwhile: a thread that is ended
// while koffi initializes aborts the whole process.
import { loadSgemm, type Sgemm } from '../kernels/blas/library.js';
import type { SharedMemory } from '../kernels/webassembly.js';

export interface BlasSetup {
  /** The file of the library. */
  readonly path: string;
  /** Shared, [2]: how many threads are loading it; not 0 once they must not begin to. */
  readonly loading: Int32Array;
}

const COUNT = 0;
const CLOSED = 1;

export const blasSetup = (path: string): BlasSetup => ({
  path,
  loading: new Int32Array(new SharedArrayBuffer(8)),
});

export function lazySgemm(setup: BlasSetup, memory: SharedMemory): Sgemm {
  const { loading } = setup;
  let sgemm: Sgemm | undefined;
  const load = (): Sgemm => {
    // Counted before CLOSED is read, and the main thread writes CLOSED before it reads the count: one sees the other.
    Atomics.add(loading, COUNT, 1);
    try {
      if (Atomics.load(loading, CLOSED) !== 0) throw new Error('the engine ends its threads');
      return loadSgemm(setup.path, memory);
    } finally {
      Atomics.sub(loading, COUNT, 1);
    }
  };
  return (...product) => {
    sgemm ??= load();
    sgemm(...product);
  };
}

/** Lets no thread begin to load; gives whether some still do. */
export function closeLoading({ loading }: BlasSetup): boolean {
  Atomics.store(loading, CLOSED, 1);
  return Atomics.load(loading, COUNT) > 0;
}

// What an operation needs of the engine.
import type { BlasLibrary } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { Arena } from '../memory/arena.js';
import type { CallMemory } from '../memory/call-memory.js';
import type { WorkerPool } from './pool.js';

export interface Resources {
  readonly arena: Arena;
  /** What the engine itself has of it: the memory of the pool's seats. */
  readonly seats: Ptr;
  /** What calls take from the arena while they run. */
  readonly callMemory: CallMemory;
  readonly pool: WorkerPool;
  /** The main thread's own instance. */
  readonly kernels: Kernels;
  /** What computes large matrix products; undefined: the kernels. */
  readonly blas: BlasLibrary | undefined;
  /** Its gangs are a part of training: other training need not give way to them at once. */
  readonly isPatient?: boolean;
}

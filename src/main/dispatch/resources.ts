// What an operation needs of the engine: an engine gives it to this library's own classes and to nobody else.
import { SoftshardError } from '../../errors.js';
import type { BlasLibrary } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { Tracer } from '../../workers/protocol.js';
import type { Cancellation } from '../cancellation.js';
import type { Transport } from '../distributed/transport.js';
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
  /** Aborted with ERR_CLOSED when the engine closes. */
  readonly closing: Cancellation;
  /** The main thread's own instance. */
  readonly kernels: Kernels;
  /** What computes large matrix products; undefined: the kernels. */
  readonly blas: BlasLibrary | undefined;
  /** What connects this process with the other ranks; undefined: it works alone. */
  readonly transport?: Transport | undefined;
  /** Closes the transport, if the engine opened it. */
  readonly leave?: (() => Promise<void>) | undefined;
  /** Where spans of the main thread go, if any. */
  readonly tracer?: Tracer | undefined;
  /** Its gangs are a part of training: other training need not give way to them at once. */
  readonly isPatient?: boolean;
}

/** An Engine, to those that it imports itself. */
export interface ResourceOwner {
  readonly threads: number;
  close(): Promise<void>;
}

const openers = new WeakMap<ResourceOwner, () => Resources>();

/** open gives the engine's resources, or throws ERR_CLOSED. */
export function giveResources(engine: ResourceOwner, open: () => Resources): void {
  openers.set(engine, open);
}

/** Throws ERR_CLOSED, or ERR_TYPE where it is no engine of this copy of softshard. */
export function resourcesOf(engine: ResourceOwner): Resources {
  const open = openers.get(engine);
  if (open !== undefined) return open();
  const message = 'engine is not one of this copy of softshard: pass what its Engine.create() gives';
  throw new SoftshardError('ERR_TYPE', message, { argument: 'engine', value: engine });
}

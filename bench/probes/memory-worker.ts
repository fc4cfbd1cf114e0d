// One thread of the memory probe: runs one kernel over its own part of the memory when all threads are ready.
import { parentPort, workerData } from 'node:worker_threads';
import type { Ptr } from '#softshard/kernels/ptr.js';
import type { CompiledModule, SharedMemory } from '#softshard/kernels/webassembly.js';
import { instantiateProbes, type Pattern, type Probes } from './load.js';

export interface MemoryWorkerData {
  readonly module: CompiledModule;
  readonly memory: SharedMemory;
  /** Counts the threads that are ready, in its own memory. */
  readonly ready: Int32Array;
  readonly ptr: Ptr;
  readonly bytes: number;
}

export interface MemoryRequest {
  readonly pattern: Pattern;
  /** The count at which all are ready. */
  readonly readyAt: number;
  readonly durationMs: number;
}

const KERNELS = {
  write: 'writeMemory',
  read: 'readMemory',
  scale: 'scaleMemory',
  copy: 'copyMemory',
} as const satisfies Record<Pattern, keyof Probes>;

const { module, memory, ready, ptr, bytes } = workerData as MemoryWorkerData;
const probes = instantiateProbes(module, memory);

parentPort!.on('message', ({ pattern, readyAt, durationMs }: MemoryRequest) => {
  const run = () => probes[KERNELS[pattern]](ptr, bytes);
  // Twice, that V8 has made its best code.
  run();
  run();
  Atomics.add(ready, 0, 1);
  while (Atomics.load(ready, 0) < readyAt);
  const begin = performance.now();
  let passes = 0;
  let ms = 0;
  while (ms < durationMs) {
    run();
    passes++;
    ms = performance.now() - begin;
  }
  // What the program asks for: scaling and copying read as much as they write.
  const moved = pattern === 'scale' ? 2 * bytes : bytes;
  parentPort!.postMessage((passes * moved) / ms / 1e6);
});

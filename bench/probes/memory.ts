// How fast this machine's memory is for one thread and for several: what bounds kernels on matrices beyond the caches.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Numerics } from '#softshard/kernels/load.js';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { median } from '../statistics.js';
import { compileProbes, instantiateProbes, PATTERNS, type Pattern, type Probes } from './load.js';
import type { MemoryRequest, MemoryWorkerData } from './memory-worker.js';

export interface Bandwidth {
  readonly threads: number;
  /** 10⁹ bytes a second that programs ask for, all threads together. A cache line that is written is also read, unasked. */
  readonly gbPerSecond: Readonly<Record<Pattern, number>>;
}

export interface MachineLimits {
  readonly bandwidths: readonly Bandwidth[];
  /** Of one thread: multiply-adds of 128-bit vectors, two operations a lane, without memory. */
  readonly gflops: number;
}

/** Of each thread, beyond any cache that it has to itself. */
const BYTES = 192 * 2 ** 20;
const PAGE = 65536;

export async function measureMachine(
  threads: readonly number[],
  numerics: Numerics,
  effort: { readonly rounds: number; readonly durationMs: number },
): Promise<MachineLimits> {
  const module = compileProbes(numerics);
  const bandwidths: Bandwidth[] = [];
  for (const count of threads) {
    const pages = (count * BYTES) / PAGE + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    const ready = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from({ length: count }, (_, member) => {
      const data: MemoryWorkerData = {
        module,
        memory,
        ready,
        ptr: (PAGE + member * BYTES) as Ptr,
        bytes: BYTES,
      };
      return new Worker(new URL('./memory-worker.js', import.meta.url), { workerData: data });
    });
    let readyAt = 0;
    const measure = async (pattern: Pattern): Promise<number> => {
      readyAt += count;
      const request: MemoryRequest = { pattern, readyAt, durationMs: effort.durationMs };
      for (const worker of workers) worker.postMessage(request);
      const rates = await Promise.all(
        workers.map(async (worker) => (await once(worker, 'message'))[0] as number),
      );
      return rates.reduce((sum, rate) => sum + rate, 0);
    };
    const rates: Partial<Record<Pattern, number>> = {};
    for (const pattern of PATTERNS) {
      const samples: number[] = [];
      for (let round = 0; round < effort.rounds; round++) samples.push(await measure(pattern));
      rates[pattern] = median(samples);
    }
    bandwidths.push({ threads: count, gbPerSecond: rates as Record<Pattern, number> });
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const probes = instantiateProbes(module, memory);
  return { bandwidths, gflops: measureArithmetic(probes, effort.rounds) };
}

function measureArithmetic(probes: Probes, rounds: number): number {
  const calls = 1e7;
  const samples = Array.from({ length: rounds + 1 }, () => {
    const begin = performance.now();
    probes.multiplyAdd(calls);
    return (calls * probes.FLOPS_A_ROUND.value) / (performance.now() - begin) / 1e6;
  });
  // The first call runs before V8 has made its best code.
  return median(samples.slice(1));
}

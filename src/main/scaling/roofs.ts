// What this machine gives so many threads at once: bandwidth of memory by the way it is used, and arithmetic. They bound
// every operation.
import { PROBE_PATTERNS, type ProbePattern } from '../../workers/protocol.js';
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import { availableMemory } from '../machine/available-memory.js';
import { quartiles } from './statistics.js';

/** Ways to go through memory: `scale` is a copy in place. */
export type MemoryPattern = Exclude<ProbePattern, 'multiplyAdd'>;

export interface Roof {
  readonly threads: number;
  /**
   * 10⁹ bytes a second that programs ask for, all threads together, beyond the caches. A cache line that is written without
   * having been read is also read, unasked.
   */
  readonly gbPerSecond: Readonly<Record<MemoryPattern, number>>;
  /** 10⁹ operations a second, all threads together: multiply-adds of vectors, two operations a lane, without memory. */
  readonly gflops: number;
}

export interface RoofEffort {
  readonly rounds: number;
  readonly durationMs: number;
  /** All threads together go through so many bytes at least; default 256 MiB, beyond the caches that cores share. */
  readonly leastBytes?: number;
}

/** Beyond the cache that a core has to itself. */
const MEMBER_BYTES = 64 * 2 ** 20;
const LEAST_BYTES = 256 * 2 ** 20;
const MOST_BYTES = 2 ** 30;
const MEMORY_SHARE = 1 / 4;

/** Of each number of threads, at most those of the engine. Rejects with signal.reason. */
export async function measureRoofs(
  { arena, callMemory, pool }: Resources,
  threads: readonly number[],
  { rounds, durationMs, leastBytes = LEAST_BYTES }: RoofEffort,
  signal?: Cancellation,
): Promise<Roof[]> {
  const bytesFor = (members: number): number => {
    const wanted = Math.min(MOST_BYTES, Math.max(leastBytes, members * Math.min(leastBytes, MEMBER_BYTES)));
    return Math.floor(Math.min(wanted, availableMemory() * MEMORY_SHARE) / members / 128) * 128;
  };
  const mostBytes = Math.max(...threads.map((count) => count * bytesFor(count)));
  return callMemory.use([], signal, async (scope) => {
    const rates = scope.allocate(Math.max(...threads) * 8, 'rates of the threads');
    // First touched by the threads that use it, with the pattern `write`.
    const memory = scope.allocateUncleared(mostBytes, 'memory to measure its bandwidth');
    const rate = async (members: number, pattern: ProbePattern): Promise<number> => {
      const samples: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const job = {
          kind: 'probe',
          pattern,
          buffer: arena.memory.buffer,
          memory,
          memoryBytes: bytesFor(members),
          durationMs,
          rates,
          spins: pool.barrierSpins,
        } as const;
        await pool.run(job, { members, signal });
        samples.push(arena.view('float64', rates, members).reduce((sum, each) => sum + each, 0));
      }
      // A millisecond's bytes and operations are 10⁶ of a second's.
      return quartiles(samples).medianMs / 1e6;
    };
    const roofs: Roof[] = [];
    for (const count of threads) {
      const all: Partial<Record<ProbePattern, number>> = {};
      for (const pattern of PROBE_PATTERNS) all[pattern] = await rate(count, pattern);
      const { multiplyAdd: gflops, ...gbPerSecond } = all as Record<ProbePattern, number>;
      roofs.push({ threads: count, gbPerSecond, gflops });
    }
    return roofs;
  });
}

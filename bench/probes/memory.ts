// How fast this machine's memory is for one thread and for several, and its arithmetic: the package's own probes.
import type { Numerics } from '#softshard/kernels/load.js';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import { Engine } from '#softshard/main/index.js';
import { measureRoofs, type Roof, type RoofEffort } from '#softshard/main/scaling/roofs.js';

export type Bandwidth = Pick<Roof, 'threads' | 'gbPerSecond'>;

export interface MachineLimits {
  readonly bandwidths: readonly Bandwidth[];
  /** Of one thread: multiply-adds of 128-bit vectors, two operations a lane, without memory. */
  readonly gflops: number;
}

export async function measureMachine(
  threads: readonly number[],
  numerics: Numerics,
  effort: RoofEffort,
): Promise<MachineLimits> {
  await using engine = await Engine.create({ threads: Math.max(...threads), numerics, wideSimd: false });
  const roofs = await measureRoofs(resourcesOf(engine), [...new Set([1, ...threads])], effort);
  return {
    bandwidths: roofs.filter((roof) => threads.includes(roof.threads)),
    gflops: roofs[0]!.gflops,
  };
}

// The machine and the program that figures belong to.
import { cpus, loadavg, totalmem } from 'node:os';
import { availableThreads } from '../machine/available-threads.js';
import { version } from '../version.js';
import type { ScalingEnvironment } from './result.js';

/** All but what an engine knows. */
export const environmentBefore = (): Omit<ScalingEnvironment, 'numerics' | 'wideSimd' | 'blas'> => ({
  date: new Date().toISOString(),
  softshard: version,
  node: process.versions.node,
  v8: process.versions.v8,
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableThreads(),
  memoryBytes: totalmem(),
  loadBefore: loadavg()[0]!,
});

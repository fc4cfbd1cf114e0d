// What the machine gives a gang: rates that all members reach together, by kernels that do nothing else.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';

/** Ways to go through memory, and multiply-adds without it. `scale` is a copy in place. */
export const PROBE_PATTERNS = ['write', 'read', 'scale', 'copy', 'multiplyAdd'] as const;
export type ProbePattern = (typeof PROBE_PATTERNS)[number];

export interface ProbeTask extends GangTask {
  readonly kind: 'probe';
  readonly pattern: ProbePattern;
  readonly buffer: SharedArrayBuffer;
  /** Each member's own part of the memory, a multiple of 128 bytes. */
  readonly memory: Ptr;
  readonly memoryBytes: number;
  /** For at least so long. */
  readonly durationMs: number;
  /** Float64 [members]: bytes that the member asked for, or its operations, a millisecond. */
  readonly rates: Ptr;
  /** See Barrier. */
  readonly spins: number;
}

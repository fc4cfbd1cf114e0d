// How much memory this process can have.
import { totalmem } from 'node:os';

/** In bytes: the machine's, or the limit of the container or control group that the process runs in. */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
}

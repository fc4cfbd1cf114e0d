// Memories of closed engines, for the engines after them. V8 knows nothing of their size, so they may stay, gigabytes of them,
// until it happens to collect garbage; what is used again needs no collecting.
import type { SharedMemory } from '../../kernels/webassembly.js';

interface ClosedMemory {
  /** Weak: what V8 collects before it is wanted is gone. */
  readonly memory: WeakRef<SharedMemory>;
  /** Its maximum. */
  readonly pages: number;
  /** From here on it is still zero. */
  readonly usedBytes: number;
}

let closed: ClosedMemory[] = [];

/** Nobody may look at the memory any more. */
export function offerMemory(memory: SharedMemory, pages: number, usedBytes: number): void {
  closed.push({ memory: new WeakRef(memory), pages, usedBytes });
}

/** One of that maximum, with whatever is in it. */
export function takeMemory(pages: number): { memory: SharedMemory; usedBytes: number } | undefined {
  closed = closed.filter(({ memory }) => memory.deref() !== undefined);
  const index = closed.findLastIndex((offered) => offered.pages === pages);
  const [offered] = index < 0 ? [] : closed.splice(index, 1);
  const memory = offered?.memory.deref();
  return memory && { memory, usedBytes: offered!.usedBytes };
}

/**
 * Tells V8 how much there may be to collect, in the only way there is: by garbage of that size, which takes address space but
 * no memory as long as nobody touches it.
 */
export function announceGarbage(bytes: number): void {
  try {
    new ArrayBuffer(bytes);
  } catch {
    // There is no room for it: then V8 has just collected what it could.
  }
}

// Comparing results bit for bit, which toEqual does slowly and without telling NaNs and zeros apart.
import { createHash } from 'node:crypto';

/** A digest of the exact bits of typed arrays and numbers. */
export function bitsOf(...values: (ArrayBufferView | number)[]): string {
  const hash = createHash('sha256');
  for (const value of values) {
    const view = typeof value === 'number' ? Float64Array.of(value) : value;
    // The hash does not take shared memory.
    hash.update(Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)));
  }
  return hash.digest('hex');
}

// Files that all ranks have parts of: rank 0 writes them.

import type { Transport } from '../distributed/transport.js';

type Values = Float32Array | Float64Array | Uint16Array;

/** Appends the values of a window; undefined in a round that has none. */
export type Append = (values: Values | undefined) => Promise<void>;

/**
 * What all ranks append in a round goes to `append` of rank 0, in the order of ranks. Each passes what it would append itself, were
 * it alone; others than rank 0 have none.
 */
export function appendOfRanks(
  transport: Transport | undefined,
  append: ((values: Values) => Promise<void>) | undefined,
): Append {
  if (transport === undefined) return async (values) => values && append?.(values);
  return async (values) => {
    const bytes = values && new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const all = await transport.gather(bytes ?? new Uint8Array());
    if (all === undefined || values === undefined) return;
    // Rank 0 has a window in each round.
    const Class = values.constructor as new (buffer: ArrayBufferLike) => Values;
    for (const own of all) if (own.length > 0) await append?.(new Class(own.buffer));
  };
}

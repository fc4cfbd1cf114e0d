// Which rows are whose, where a command runs on several ranks, and how rank 0 gets what others made of theirs.

import type { Engine } from '../index.js';

/** Rows of a shard of linear operations: whole ones are computed alike wherever they are. */
export const SHARD_ROWS = 192;

/** Of this rank, [rowBegin, rowEnd): as many whole shards as others have, or one more. */
export function ownRows({ rank, ranks }: Engine, rows: number): { rowBegin: number; rowEnd: number } {
  const shards = Math.ceil(rows / SHARD_ROWS);
  const begin = (of: number) => Math.min(rows, Math.floor((shards * of) / ranks) * SHARD_ROWS);
  return { rowBegin: begin(rank), rowEnd: begin(rank + 1) };
}

/** The values of all ranks, one after the other; none on other ranks than 0. */
export async function gatherValues<Values extends Int32Array | Float32Array>(
  { transport }: Engine,
  own: Values,
): Promise<Values> {
  if (transport === undefined) return own;
  const all = await transport.gather(new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
  const Class = own.constructor as new (length: number) => Values;
  const values = new Class((all ?? []).reduce((sum, { length }) => sum + length, 0) / 4);
  let at = 0;
  for (const bytes of all ?? []) {
    new Uint8Array(values.buffer).set(bytes, at);
    at += bytes.length;
  }
  return values;
}

// Inflates zstd: by Node from 22.15 on, in a thread of its own; else by a package.

import { promisify } from 'node:util';
import zlib from 'node:zlib';

const { zstdDecompress } = zlib as { zstdDecompress?: typeof zlib.gunzip };
const ofNode =
  zstdDecompress && promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(zstdDecompress);

/** How many times as long as its code content can be: a block of 128 KB takes 4 bytes. */
export const MOST_ZSTD_RATIO = 32768;

/** At most `size` bytes, or an error. */
export async function inflateZstd(
  bytes: Uint8Array,
  size: number,
  loadOther: () => Promise<(bytes: Uint8Array, size: number) => Uint8Array>,
): Promise<Uint8Array> {
  if (ofNode) return ofNode(bytes, { maxOutputLength: size });
  return (await loadOther())(bytes, size);
}

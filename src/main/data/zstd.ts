// Inflates zstd: by Node from 22.15 on, in a thread of its own; else by a package.

import { promisify } from 'node:util';
import zlib from 'node:zlib';

const { zstdDecompress } = zlib as { zstdDecompress?: typeof zlib.gunzip };
const ofNode =
  zstdDecompress && promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(zstdDecompress);

/** All of the content, whose length callers compare with `size`: Node stops there, the package does not. */
export async function inflateZstd(
  bytes: Uint8Array,
  size: number,
  loadOther: () => Promise<(bytes: Uint8Array) => Uint8Array>,
): Promise<Uint8Array> {
  if (ofNode) return ofNode(bytes, { maxOutputLength: size });
  return (await loadOther())(bytes);
}

// What compressed files inflate to: gzip, zstd (where Node has it), and the deflate of zip archives.

import { pipeline, type Transform } from 'node:stream';
import { types } from 'node:util';
import * as zlib from 'node:zlib';

/** The bytes of one pass. */
export interface ByteStream {
  /** Fills a first part of `into`; 0 at the end only. */
  readonly read: (into: Uint8Array) => Promise<number>;
  /** Where bytes can be passed over without being read. */
  readonly skip?: (count: number) => void;
  close(): void;
}

export type Compression = 'gzip' | 'zstd' | 'deflate';

/**
 * Content is never more than so many times the compressed bytes: deflate codes at most 258 bytes in 2 bits, zstd a block of
 * at most 128 KiB in 4 bytes.
 */
export const MAX_RATIOS: Readonly<Record<Compression, number>> = { gzip: 1032, deflate: 1032, zstd: 32_768 };

/** First bytes that show how a file is compressed. */
export const MAGIC_BYTES = 4;

export function compressionOf(magic: Uint8Array): 'gzip' | 'zstd' | undefined {
  if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip';
  return isZstd(magic) ? 'zstd' : undefined;
}

/** A frame of data, or one to be skipped, with which parallel compressors begin. */
function isZstd([a, b, c, d]: Uint8Array): boolean {
  if (c === undefined || d === undefined) return false;
  return (
    (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ||
    (a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18)
  );
}

const OPTIONS = { chunkSize: 1 << 18 };

/** Undefined before Node 22.15. */
const { createZstdDecompress } = zlib as typeof zlib & {
  readonly createZstdDecompress?: (options: zlib.ZlibOptions) => zlib.Gunzip;
};

export const canReadZstd = createZstdDecompress !== undefined;

/** Fills a first part of `into` with the compressed bytes from `position` on; 0 at the end only. */
type ReadAt = (into: Uint8Array, position: number) => Promise<number>;

/** Reading it throws errors of which isDamage() is true. */
export function decompressed(compression: Compression, readAt: ReadAt): ByteStream {
  if (compression === 'zstd') return bytesOf(zstdFrames(readAt), () => {});
  const decoder = compression === 'gzip' ? zlib.createGunzip(OPTIONS) : zlib.createInflateRaw(OPTIONS);
  return bytesOf(feed(decoder, readAt, 0), () => decoder.destroy());
}

/** The decoder ends after a frame: the next one has a decoder of its own. */
async function* zstdFrames(readAt: ReadAt): AsyncGenerator<Uint8Array, void, undefined> {
  const magic = new Uint8Array(MAGIC_BYTES);
  for (let begin = 0; (await readAt(magic, begin)) > 0; ) {
    if (!isZstd(magic)) throw damage('what follows a frame is none');
    const decoder = createZstdDecompress!(OPTIONS);
    yield* feed(decoder, readAt, begin);
    begin += decoder.bytesWritten;
  }
}

async function* feed(
  decoder: Transform,
  readAt: ReadAt,
  begin: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  async function* compressedChunks() {
    for (let position = begin; ; ) {
      const compressed = Buffer.allocUnsafeSlow(1 << 16);
      const count = await readAt(compressed, position);
      if (count === 0) return;
      position += count;
      yield compressed.subarray(0, count);
    }
  }
  // The callback's error is left alone: the iterator below throws the same one.
  pipeline(compressedChunks, decoder, () => {});
  yield* decoder;
}

function bytesOf(chunks: AsyncGenerator<Uint8Array, void, undefined>, close: () => void): ByteStream {
  let chunk: Uint8Array = new Uint8Array(0);
  return {
    async read(into) {
      while (chunk.length === 0) {
        const next = await chunks.next();
        if (next.done) return 0;
        chunk = next.value;
      }
      const count = Math.min(into.length, chunk.length);
      into.set(chunk.subarray(0, count));
      chunk = chunk.subarray(count);
      return count;
    },
    close() {
      close();
      // A read that still runs fails with it; what has not begun ends.
      chunks.return().catch(() => {});
    },
  };
}

const damage = (message: string): Error => Object.assign(new Error(message), { code: 'ZSTD_error_frame' });

/** Whether an error says that compressed bytes are not as they should be. */
export function isDamage(error: unknown): error is { readonly message: string } {
  return types.isNativeError(error) && 'code' in error && /^(?:Z_|ZSTD_)/.test(String(error.code));
}

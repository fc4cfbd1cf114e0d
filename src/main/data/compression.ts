// What compressed files inflate to: gzip, zstd (where Node has it), and the deflate of zip archives.

import { pipeline, type Transform } from 'node:stream';
import { types } from 'node:util';
import * as zlib from 'node:zlib';
import { isSkippable, isZstd, smallFrameEnd } from './zstd-frames.js';

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
 * at most 128 KiB in 4 bytes, LZ4 255 bytes of a run in one.
 */
export const MAX_RATIOS: Readonly<Record<Compression | 'lz4', number>> = {
  gzip: 1032,
  deflate: 1032,
  zstd: 32_768,
  lz4: 255,
};

export function compressionOf(magic: Uint8Array): 'gzip' | 'zstd' | undefined {
  if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip';
  return isZstd(magic) ? 'zstd' : undefined;
}

const OPTIONS = { chunkSize: 1 << 18 };

/** Undefined before Node 22.15. */
const { createZstdDecompress, zstdDecompressSync } = zlib as typeof zlib & {
  readonly createZstdDecompress?: (options: zlib.ZlibOptions) => zlib.Gunzip;
  readonly zstdDecompressSync?: (bytes: Uint8Array) => Buffer;
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

/** What is read of a file at a time. */
const READ_BYTES = 1 << 16;

/** A decoder ends after a frame: large ones have one each, which would take a millisecond for each of many small ones. */
async function* zstdFrames(readAt: ReadAt): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let begin = 0; ; ) {
    const bytes = buffer.subarray(0, await readAt(buffer, begin));
    if (bytes.length === 0) return;
    let at = 0;
    for (let end = smallFrameEnd(bytes, at); end !== undefined; end = smallFrameEnd(bytes, at)) {
      if (!isSkippable(bytes, at)) yield zstdDecompressSync!(bytes.subarray(at, end));
      at = end;
    }
    begin += at;
    if (at > 0) continue;
    if (!isZstd(bytes)) throw damage('what follows a frame is none');
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
      const compressed = Buffer.allocUnsafeSlow(READ_BYTES);
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

// One pass over a file's content; errors name the file and the byte.

import { pipeline } from 'node:stream';
import { types } from 'node:util';
import { createGunzip } from 'node:zlib';
import type { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import { formatError } from './errors.js';

/** What one read call asks the system for: large enough to hide its cost, small enough to abort promptly. */
export const CHUNK_BYTES = 1 << 20;

/** Deflate codes at most 258 bytes in 2 bits, so content is never more than 1032 times the compressed file. */
const MAX_DEFLATE_RATIO = 1032;

/** Fills a first part of `into`; 0 at the end only. */
type ReadNext = (into: Uint8Array) => Promise<number>;

export interface ByteStream {
  readonly read: ReadNext;
  close(): void;
}

/** The file that a pass reads. */
export interface SourceFile {
  readonly path: string;
  /** Of the file itself, compressed or not. */
  readonly sizeBytes: number;
  /** A compressed file has passes only. */
  readonly isCompressed: boolean;
  /** Throws ERR_FORMAT where the content has changed since the file was opened. */
  expectUnchanged(): Promise<void>;
}

export class ByteSource {
  readonly path: string;
  /** The content's size: exact for a plain file, an upper bound for a compressed one. */
  readonly maxContentBytes: number;
  /** Content bytes read so far. */
  offset = 0;
  readonly #file: SourceFile;
  readonly #bytes: ByteStream;
  /** Called after each part that was read, and at the end. */
  readonly #onRead: (atEnd: boolean) => void;
  readonly #cancellation: Cancellation | undefined;

  constructor(
    file: SourceFile,
    bytes: ByteStream,
    onRead: (atEnd: boolean) => void,
    cancellation: Cancellation | undefined,
  ) {
    this.path = file.path;
    this.maxContentBytes = file.isCompressed ? file.sizeBytes * MAX_DEFLATE_RATIO : file.sizeBytes;
    this.#file = file;
    this.#bytes = bytes;
    this.#onRead = onRead;
    this.#cancellation = cancellation;
  }

  /** Fills `into` from its start and resolves to the bytes read: fewer than asked for only where the content ends. */
  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      this.#cancellation?.throwIfAborted();
      const part = into.subarray(filled, Math.min(into.length, filled + CHUNK_BYTES));
      const count = await this.#readPart(part);
      if (count === 0) break;
      filled += count;
      this.offset += count;
      this.#onRead(false);
    }
    return filled;
  }

  async #readPart(part: Uint8Array): Promise<number> {
    try {
      return await this.#bytes.read(part);
    } catch (cause) {
      if (!isGzipError(cause)) throw cause;
      throw formatError(
        this.path,
        `byte ${this.offset} of its uncompressed content: expected gzip data, found "${cause.message}"`,
        'The compressed file is damaged or cut off: fetch or write it again.',
        { cause },
      );
    }
  }

  /** `promised` says what the bytes would have been: "16 bytes of IDX header". */
  async readExactly(into: Uint8Array, promised: string): Promise<void> {
    const count = await this.read(into);
    if (count < into.length) throw this.truncated(promised, this.offset);
  }

  truncated(promised: string, endBytes: number): SoftshardError {
    const place = this.#file.isCompressed ? 'of its uncompressed content' : 'of the file';
    return formatError(
      this.path,
      `byte ${endBytes} ${place}: expected ${promised}, found the end`,
      'The file is truncated: fetch or write it again.',
      { value: endBytes },
    );
  }

  /** The last call of a reader: nothing may follow what was read, and the file must not have changed meanwhile. */
  async expectEnd(promised: string): Promise<void> {
    const end = this.offset;
    if ((await this.read(new Uint8Array(1))) > 0) throw this.#trailing(promised, end);
    await this.#file.expectUnchanged();
    this.#cancellation?.throwIfAborted();
    this.#onRead(true);
  }

  #trailing(promised: string, endBytes: number): SoftshardError {
    return formatError(
      this.path,
      `byte ${endBytes}: expected the end of the file after ${promised}, found more bytes`,
      'The header does not belong to this content: fetch or write the file again.',
      { value: endBytes },
    );
  }

  /**
   * Compares what the header promises with what the file can hold, before anything is allocated: `valueBytes` must still
   * follow `offset`.
   */
  expectRoomFor(valueBytes: number, promised: string): void {
    const end = this.offset + valueBytes;
    const { isCompressed, sizeBytes } = this.#file;
    if (end > this.maxContentBytes) {
      if (!isCompressed) throw this.truncated(promised, this.maxContentBytes);
      throw formatError(
        this.path,
        `expected ${promised}, found a compressed file of ${sizeBytes} bytes, which holds at most ` +
          `${this.maxContentBytes} bytes of content`,
        'The file is truncated or its header damaged: fetch or write it again.',
        { value: valueBytes },
      );
    }
    if (!isCompressed && end < this.maxContentBytes) throw this.#trailing(promised, end);
  }

  close(): void {
    this.#bytes.close();
  }
}

/** What compressed bytes inflate to. */
export function inflatedBytes(readNext: ReadNext): ByteStream {
  async function* compressedChunks() {
    for (;;) {
      const compressed = Buffer.allocUnsafeSlow(CHUNK_BYTES / 16);
      const count = await readNext(compressed);
      if (count === 0) return;
      yield compressed.subarray(0, count);
    }
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES / 4 });
  // The callback's error is left alone: the iterator below throws the same one.
  pipeline(compressedChunks, gunzip, () => {});
  const chunks = gunzip[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
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
      gunzip.destroy();
    },
  };
}

function isGzipError(error: unknown): error is { readonly message: string } {
  return types.isNativeError(error) && 'code' in error && String(error.code).startsWith('Z_');
}

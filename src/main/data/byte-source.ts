// One pass over a file's content; errors name the file and the byte.

import type { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import { type ByteStream, type Compression, decompressed, isDamage, MAX_RATIOS } from './compression.js';
import { formatError } from './errors.js';

/** What one read call asks the system for: large enough to hide its cost, small enough to abort promptly. */
export const CHUNK_BYTES = 1 << 20;

/** The file that a pass reads. */
export interface SourceFile {
  readonly path: string;
  /** Of the file itself, compressed or not. */
  readonly sizeBytes: number;
  /** A compressed file has passes only. */
  readonly compression: Compression | undefined;
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
  readonly #sections: ByteSource[] = [];
  /** What a section does at its end. */
  #atEnd: (() => Promise<void>) | undefined;

  constructor(
    file: SourceFile,
    bytes: ByteStream,
    onRead: (atEnd: boolean) => void,
    cancellation: Cancellation | undefined,
  ) {
    this.path = file.path;
    const { compression, sizeBytes } = file;
    this.maxContentBytes = compression ? sizeBytes * MAX_RATIOS[compression] : sizeBytes;
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
      if (!isDamage(cause)) throw cause;
      throw formatError(
        this.path,
        `byte ${this.offset} of its uncompressed content: expected ${this.#file.compression} data, found "${cause.message}"`,
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

  /** Passes over bytes that `promised` names. */
  async skip(count: number, promised: string): Promise<void> {
    if (this.#bytes.skip && count <= this.maxContentBytes - this.offset) {
      this.#bytes.skip(count);
      this.offset += count;
      return;
    }
    const scratch = new Uint8Array(Math.min(count, CHUNK_BYTES));
    for (let rest = count; rest > 0; rest -= scratch.length) {
      await this.readExactly(scratch.subarray(0, Math.min(rest, scratch.length)), promised);
    }
  }

  /**
   * The next `sizeBytes` bytes as a source of their own, read in place of this one: with a `path` for messages, inflated where
   * they are compressed.
   */
  section(
    path: string,
    sizeBytes: number,
    compression?: Compression,
    checked = (bytes: ByteStream) => bytes,
  ): ByteSource {
    let rest = sizeBytes;
    const readNext = async (into: Uint8Array): Promise<number> => {
      const count = await this.read(into.subarray(0, Math.min(into.length, rest)));
      rest -= count;
      return count;
    };
    const bytes = compression ? decompressed(compression, readNext) : { read: readNext, close() {} };
    const section = new ByteSource(
      { path, sizeBytes, compression, expectUnchanged: () => this.#file.expectUnchanged() },
      checked(bytes),
      (atEnd) => atEnd && this.#onRead(true),
      this.#cancellation,
    );
    this.#sections.push(section);
    return section;
  }

  /**
   * The next `sizeBytes` bytes as a section, and `restBytes` that are not wanted up to the end. Where the content is compressed the
   * end of the section reads those, too: that it is whole, its last bytes tell.
   */
  sectionBefore(restBytes: number, promised: string, path: string, sizeBytes: number): ByteSource {
    const section = this.section(path, sizeBytes);
    if (this.#file.compression === undefined) return section;
    section.#atEnd = async () => {
      await this.skip(restBytes, promised);
      await this.#expectNoMore(promised);
    };
    return section;
  }

  truncated(promised: string, endBytes: number): SoftshardError {
    const place = this.#file.compression ? 'of its uncompressed content' : 'of the file';
    return formatError(
      this.path,
      `byte ${endBytes} ${place}: expected ${promised}, found the end`,
      'The file is truncated: fetch or write it again.',
      { value: endBytes },
    );
  }

  /** The last call of a reader: nothing may follow what was read, and the file must not have changed meanwhile. */
  async expectEnd(promised: string): Promise<void> {
    await this.#expectNoMore(promised);
    await this.#atEnd?.();
    await this.#file.expectUnchanged();
    this.#cancellation?.throwIfAborted();
    this.#onRead(true);
  }

  async #expectNoMore(promised: string): Promise<void> {
    const end = this.offset;
    if ((await this.read(new Uint8Array(1))) > 0) throw this.#trailing(promised, end);
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
    const { compression, sizeBytes } = this.#file;
    if (end > this.maxContentBytes) {
      if (!compression) throw this.truncated(promised, this.maxContentBytes);
      throw formatError(
        this.path,
        `expected ${promised}, found a compressed file of ${sizeBytes} bytes, which holds at most ` +
          `${this.maxContentBytes} bytes of content`,
        'The file is truncated or its header damaged: fetch or write it again.',
        { value: valueBytes },
      );
    }
    if (!compression && end < this.maxContentBytes) throw this.#trailing(promised, end);
  }

  close(): void {
    for (const section of this.#sections) section.close();
    this.#bytes.close();
  }
}

// One forward pass over a file's content, gzip-compressed or not; its errors name the file and the byte.

import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { types } from 'node:util';
import { createGunzip } from 'node:zlib';
import { messageOf, SoftshardError } from '../../errors.js';
import { checkSignal, inspectValue } from '../arguments/checks.js';
import type { Cancellation } from '../dispatch/cancellation.js';

export interface ReadOptions {
  /** Aborting rejects with `signal.reason` and frees what was allocated. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the part read so far, rising to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** What one read call asks the system for: large enough to hide its cost, small enough to abort promptly. */
export const CHUNK_BYTES = 1 << 20;

/** Deflate codes at most 258 bytes in 2 bits, so content is never more than 1032 times the compressed file. */
const MAX_DEFLATE_RATIO = 1032;

/** Where content comes from: the file itself or what it inflates to. */
interface ByteStream {
  /** Fills a first part of `into`; 0 at the end only. */
  read(into: Uint8Array): Promise<number>;
  /** Bytes of the file consumed, for progress. */
  readonly consumedBytes: number;
  close(): void;
}

/** What tells whether a file is the same, with the same content, as when it was looked at before. */
export type FileVersion = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

export class ByteSource {
  readonly path: string;
  /** As it was opened. */
  readonly version: FileVersion;
  /** The content's size: exact for a plain file, an upper bound for a compressed one. */
  readonly maxContentBytes: number;
  readonly compressed: boolean;
  /** Content bytes read so far. */
  offset = 0;
  readonly #handle: FileHandle;
  readonly #stream: ByteStream;
  readonly #fileBytes: number;
  readonly #options: ReadOptions;
  readonly #cancellation: Cancellation | undefined;

  constructor(
    path: string,
    { handle, version }: OpenFile,
    compressed: boolean,
    stream: ByteStream,
    options: ReadOptions,
  ) {
    const fileBytes = Number(version.size);
    this.path = path;
    this.version = version;
    this.compressed = compressed;
    this.maxContentBytes = compressed ? fileBytes * MAX_DEFLATE_RATIO : fileBytes;
    this.#handle = handle;
    this.#stream = stream;
    this.#fileBytes = fileBytes;
    this.#options = options;
    this.#cancellation = checkSignal('options.signal', options.signal);
  }

  /** Fills `into` from its start and gives the bytes read: fewer than asked only where the content ends. */
  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      this.#cancellation?.throwIfAborted();
      const part = into.subarray(filled, Math.min(into.length, filled + CHUNK_BYTES));
      const count = await this.#readPart(part);
      if (count === 0) break;
      filled += count;
      this.offset += count;
      this.#options.onProgress?.(Math.min(1, this.#stream.consumedBytes / this.#fileBytes));
    }
    return filled;
  }

  async #readPart(part: Uint8Array): Promise<number> {
    try {
      return await this.#stream.read(part);
    } catch (cause) {
      if (!isGzipError(cause)) throw fileError(this.path, 'read', cause);
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
    const place = this.compressed ? 'of its uncompressed content' : 'of the file';
    return formatError(
      this.path,
      `byte ${endBytes} ${place}: expected ${promised}, found the end`,
      'The file is truncated: fetch or write it again.',
      { value: endBytes },
    );
  }

  /** For a file that is opened again: it must be what it was. */
  expectVersion(version: FileVersion): void {
    if (!isSameVersion(this.version, version)) throw changedError(this.path);
  }

  /** The last call of a reader: nothing may follow what was read, and nothing of it may have changed meanwhile. */
  async expectEnd(promised: string): Promise<void> {
    const end = this.offset;
    if ((await this.read(new Uint8Array(1))) > 0) throw this.trailing(promised, end);
    await expectUnchanged(this.path, this.#handle, this.version);
    this.#cancellation?.throwIfAborted();
    this.#options.onProgress?.(1);
  }

  trailing(promised: string, endBytes: number): SoftshardError {
    return formatError(
      this.path,
      `byte ${endBytes}: expected the end of the file after ${promised}, found more bytes`,
      'The header does not belong to this content: fetch or write the file again.',
      { value: endBytes },
    );
  }

  /**
   * Compares what the header promises with what the file can hold, before anything is allocated.
   * `valueBytes` are still to come after `offset`.
   */
  expectRoomFor(valueBytes: number, promised: string): void {
    const end = this.offset + valueBytes;
    if (end > this.maxContentBytes) {
      if (!this.compressed) throw this.truncated(promised, this.maxContentBytes);
      throw formatError(
        this.path,
        `expected ${promised}, found a compressed file of ${this.#fileBytes} bytes, which holds at most ` +
          `${this.maxContentBytes} bytes of content`,
        'The file is truncated or its header damaged: fetch or write it again.',
        { value: valueBytes },
      );
    }
    if (!this.compressed && end < this.maxContentBytes) throw this.trailing(promised, end);
  }
}

/** Opens, uses and closes, whatever happens between. */
export async function withByteSource<Result>(
  path: string,
  options: ReadOptions,
  use: (source: ByteSource) => Promise<Result>,
): Promise<Result> {
  checkPath(path);
  checkSignal('options.signal', options.signal)?.throwIfAborted();
  const file = await openFile(path);
  const { handle } = file;
  let stream: ByteStream | undefined;
  try {
    const compressed = await startsWithGzipMagic(handle, path);
    stream = compressed ? inflatedBytes(handle) : plainBytes(handle);
    return await use(new ByteSource(path, file, compressed, stream, options));
  } catch (error) {
    // What is wrong with the content may come of that.
    if (error instanceof SoftshardError && error.code === 'ERR_FORMAT') {
      await expectUnchanged(path, handle, file.version);
    }
    throw error;
  } finally {
    stream?.close();
    await handle.close();
  }
}

export function checkPath(path: unknown): void {
  if (typeof path === 'string') return;
  const message = `path is ${inspectValue(path)}: it must be the name of a file (fileURLToPath of node:url gives that of a URL)`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'path', value: path });
}

export interface OpenFile {
  readonly handle: FileHandle;
  readonly version: FileVersion;
}

/** A regular file, open for reading. */
export async function openFile(path: string): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    // Asked before opening: opening a pipe waits for its other end.
    const stats = await stat(path);
    if (!stats.isFile()) {
      throw new SoftshardError(
        'ERR_FILE',
        `${path}: is not a regular file. Name a file, not a folder or pipe.`,
        {
          argument: 'path',
          value: path,
        },
      );
    }
    handle = await open(path, 'r');
    return { handle, version: await handle.stat({ bigint: true }) };
  } catch (cause) {
    await handle?.close();
    throw cause instanceof SoftshardError ? cause : fileError(path, 'read', cause);
  }
}

export const isSameVersion = (one: FileVersion, other: FileVersion): boolean =>
  one.dev === other.dev && one.ino === other.ino && one.size === other.size && one.mtimeNs === other.mtimeNs;

export async function expectUnchanged(path: string, handle: FileHandle, version: FileVersion): Promise<void> {
  let now: FileVersion;
  try {
    now = await handle.stat({ bigint: true });
  } catch (cause) {
    throw fileError(path, 'read', cause);
  }
  if (!isSameVersion(now, version)) throw changedError(path);
}

export function changedError(path: string): SoftshardError {
  return formatError(
    path,
    'expected one content, found that the file changed while it was read',
    'Read it again when it is complete.',
  );
}

async function startsWithGzipMagic(handle: FileHandle, path: string): Promise<boolean> {
  const magic = new Uint8Array(2);
  try {
    const { bytesRead } = await handle.read(magic, 0, 2, 0);
    return bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
  } catch (cause) {
    throw fileError(path, 'read', cause);
  }
}

/** Reads straight into the caller's view, which may lie in shared memory. */
function plainBytes(handle: FileHandle): ByteStream {
  let position = 0;
  return {
    async read(into) {
      const { bytesRead } = await handle.read(into, 0, into.length, position);
      position += bytesRead;
      return bytesRead;
    },
    get consumedBytes() {
      return position;
    },
    close() {},
  };
}

function inflatedBytes(handle: FileHandle): ByteStream {
  let position = 0;
  // Not handle.createReadStream: it closes the handle by itself, and then handle.close() does not wait for that.
  async function* compressedChunks() {
    for (;;) {
      const compressed = Buffer.allocUnsafeSlow(CHUNK_BYTES / 16);
      const { bytesRead } = await handle.read(compressed, 0, compressed.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield compressed.subarray(0, bytesRead);
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
    get consumedBytes() {
      return position;
    },
    close() {
      gunzip.destroy();
    },
  };
}

function isGzipError(error: unknown): error is { readonly message: string } {
  return types.isNativeError(error) && 'code' in error && String(error.code).startsWith('Z_');
}

/** A failure of the file system: the reason is the system's own. */
export function fileError(path: string, action: 'read' | 'written', cause: unknown): SoftshardError {
  return new SoftshardError('ERR_FILE', `${path}: cannot be ${action}: ${messageOf(cause)}`, {
    argument: 'path',
    value: path,
    cause,
  });
}

/** `finding` says where, what was expected and what was found, without a full stop; `remedy` is a sentence. */
export function formatError(
  path: string,
  finding: string,
  remedy: string,
  details: { row?: number; value?: unknown; cause?: unknown } = {},
): SoftshardError {
  return new SoftshardError('ERR_FORMAT', `${path}: ${finding}. ${remedy}`, { argument: 'path', ...details });
}

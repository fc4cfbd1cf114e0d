// A file open for reading: any part of it by offset, or its whole content in passes, inflated where it is compressed.

import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import { checkFunction, checkPath, checkSignal } from '../checks.js';
import { ByteSource, CHUNK_BYTES, type SourceFile } from './byte-source.js';
import { type Compression, canReadZstd, compressionOf, decompressed } from './compression.js';
import { changedError, formatError, readError } from './errors.js';
import { MAGIC_BYTES } from './zstd-frames.js';

/** What a read by offset asks the system for: where all CPUs are busy, each answer takes long to arrive. */
const PART_BYTES = 4 * CHUNK_BYTES;

export interface ReadOptions {
  /** Aborting rejects with `signal.reason` and frees what was allocated. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the fraction read so far, rising to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** What identifies a file and its content. */
type FileVersion = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

/** What a format's reader is given. */
export interface DataFile extends SourceFile {
  /**
   * Fills `into`, which may lie in shared memory, with the bytes from `offset` on. Resolves to their number, less than asked
   * for only at the end of the file. Calls may overlap in time. Throws ERR_FORMAT for a compressed file.
   */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** A new pass over the content. `onProgress` takes the place of the caller's. */
  content(onProgress?: (fraction: number) => void): ByteSource;
  /** As expectUnchanged, and throws where another file has taken the name. */
  expectInPlace(): Promise<void>;
}

/** Opens a regular file, lets `use` read it, and closes it. */
export async function withDataFile<Result>(
  path: string,
  options: ReadOptions,
  use: (file: DataFile) => Promise<Result>,
): Promise<Result> {
  const file = await OpenFile.open(path, options);
  try {
    return await use(file);
  } catch (error) {
    // A change of the file may be what is wrong with its content.
    if (error instanceof SoftshardError && error.code === 'ERR_FORMAT') await file.expectUnchanged();
    throw error;
  } finally {
    await file.close();
  }
}

/** Opens a regular file for what `make` gives, which closes it later; where that fails, it is closed at once. */
export async function keepDataFile<Result>(
  path: string,
  options: ReadOptions,
  make: (file: OpenFile) => Promise<Result>,
): Promise<Result> {
  const file = await OpenFile.open(path, options);
  try {
    return await make(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** For content that is read in one pass. */
export const withByteSource = <Result>(
  path: string,
  options: ReadOptions,
  use: (source: ByteSource) => Promise<Result>,
): Promise<Result> => withDataFile(path, options, (file) => use(file.content()));

export class OpenFile implements DataFile {
  readonly path: string;
  readonly compression: Compression | undefined;
  readonly #handle: FileHandle;
  readonly #version: FileVersion;
  readonly #options: ReadOptions;
  #cancellation: Cancellation | undefined;
  readonly #passes: ByteSource[] = [];

  private constructor(
    { path, compression }: Pick<SourceFile, 'path' | 'compression'>,
    handle: FileHandle,
    version: FileVersion,
    options: ReadOptions,
  ) {
    this.path = path;
    this.compression = compression;
    this.#handle = handle;
    this.#version = version;
    this.#options = options;
    this.#cancellation = checkSignal('options.signal', options.signal);
  }

  static async open(path: string, options: ReadOptions): Promise<OpenFile> {
    checkPath(path);
    checkSignal('options.signal', options.signal)?.throwIfAborted();
    checkFunction('options.onProgress', options.onProgress);
    let handle: FileHandle | undefined;
    try {
      // Asked before opening: opening a pipe waits for its other end.
      if (!(await stat(path)).isFile()) {
        const message = `${path}: is not a regular file. Name a file, not a folder, pipe or device.`;
        throw new SoftshardError('ERR_FILE', message, { argument: 'path', value: path });
      }
      handle = await open(path, 'r');
      const version = await handle.stat({ bigint: true });
      const magic = new Uint8Array(MAGIC_BYTES);
      await handle.read(magic, 0, MAGIC_BYTES, 0);
      const compression = compressionOf(magic);
      if (compression === 'zstd' && !canReadZstd) throw withoutZstd(path);
      return new OpenFile({ path, compression }, handle, version, options);
    } catch (cause) {
      await handle?.close();
      throw cause instanceof SoftshardError ? cause : readError(path, cause);
    }
  }

  /** From now on the signal of the options ends no read. */
  outliveSignal(): void {
    this.#cancellation = undefined;
  }

  get sizeBytes(): number {
    return Number(this.#version.size);
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    if (this.compression) {
      const finding = `expected a plain file, of which parts can be read, found ${this.compression}`;
      const command = this.compression === 'gzip' ? 'gunzip' : 'zstd -d';
      throw formatError(this.path, finding, `Unpack it first: ${command}.`);
    }
    let filled = 0;
    while (filled < into.length) {
      this.#cancellation?.throwIfAborted();
      const count = await this.#readOnce(into.subarray(filled, filled + PART_BYTES), offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  async #readOnce(into: Uint8Array, offset: number): Promise<number> {
    try {
      return (await this.#handle.read(into, 0, into.length, offset)).bytesRead;
    } catch (cause) {
      throw readError(this.path, cause);
    }
  }

  content(onProgress = this.#options.onProgress): ByteSource {
    let position = 0;
    const readAt = async (into: Uint8Array, offset: number): Promise<number> => {
      const count = await this.#readOnce(into, offset);
      position = offset + count;
      return count;
    };
    const plain = {
      read: (into: Uint8Array) => readAt(into, position),
      skip(count: number) {
        position += count;
      },
      close() {},
    };
    const bytes = this.compression ? decompressed(this.compression, readAt) : plain;
    const onRead = (atEnd: boolean) => onProgress?.(atEnd ? 1 : Math.min(1, position / this.sizeBytes));
    const source = new ByteSource(this, bytes, onRead, this.#cancellation);
    this.#passes.push(source);
    return source;
  }

  async expectUnchanged(): Promise<void> {
    let now: FileVersion;
    try {
      now = await this.#handle.stat({ bigint: true });
    } catch (cause) {
      throw readError(this.path, cause);
    }
    this.#expectVersion(now);
  }

  async expectInPlace(): Promise<void> {
    this.#expectVersion(await stat(this.path, { bigint: true }).catch(() => undefined));
  }

  #expectVersion(now: FileVersion | undefined): void {
    const isSame = (['dev', 'ino', 'size', 'mtimeNs'] as const).every(
      (part) => now?.[part] === this.#version[part],
    );
    if (!isSame) throw changedError(this.path);
  }

  async close(): Promise<void> {
    for (const pass of this.#passes) pass.close();
    await this.#handle.close();
  }
}

const withoutZstd = (path: string): SoftshardError =>
  formatError(
    path,
    `expected a file that is plain or compressed by gzip, found zstd, which Node ${process.versions.node} cannot unpack`,
    'Use Node 22.15 or newer, or unpack it first: zstd -d.',
  );

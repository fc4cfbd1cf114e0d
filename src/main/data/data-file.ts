// A file open for reading: any part of it by offset, or its whole content in passes, gunzipped where it is compressed.

import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import { checkFunction, checkPath, checkSignal } from '../checks.js';
import { ByteSource, CHUNK_BYTES, inflatedBytes, type SourceFile } from './byte-source.js';
import { changedError, formatError, readError } from './errors.js';

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

/** For content that is read in one pass. */
export const withByteSource = <Result>(
  path: string,
  options: ReadOptions,
  use: (source: ByteSource) => Promise<Result>,
): Promise<Result> => withDataFile(path, options, (file) => use(file.content()));

/** Throws ERR_FILE where there is no regular file that can be read. To be asked before long work. */
export async function checkInput(path: string): Promise<void> {
  await (await OpenFile.open(path, {})).close();
}

export class OpenFile implements DataFile {
  readonly path: string;
  readonly isCompressed: boolean;
  readonly #handle: FileHandle;
  readonly #version: FileVersion;
  readonly #options: ReadOptions;
  readonly #cancellation: Cancellation | undefined;
  readonly #passes: ByteSource[] = [];

  private constructor(
    { path, isCompressed }: Pick<SourceFile, 'path' | 'isCompressed'>,
    handle: FileHandle,
    version: FileVersion,
    options: ReadOptions,
  ) {
    this.path = path;
    this.isCompressed = isCompressed;
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
        const message = `${path}: is not a regular file. Name a file, not a folder or pipe.`;
        throw new SoftshardError('ERR_FILE', message, { argument: 'path', value: path });
      }
      handle = await open(path, 'r');
      const version = await handle.stat({ bigint: true });
      const magic = new Uint8Array(2);
      const { bytesRead } = await handle.read(magic, 0, 2, 0);
      const isCompressed = bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
      return new OpenFile({ path, isCompressed }, handle, version, options);
    } catch (cause) {
      await handle?.close();
      throw cause instanceof SoftshardError ? cause : readError(path, cause);
    }
  }

  get sizeBytes(): number {
    return Number(this.#version.size);
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    if (this.isCompressed) {
      const finding = 'expected a plain file, of which parts can be read, found gzip';
      throw formatError(this.path, finding, 'Unpack it first: gunzip.');
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
    const readNext = async (into: Uint8Array): Promise<number> => {
      const count = await this.#readOnce(into, position);
      position += count;
      return count;
    };
    const plain = { read: readNext, close() {} };
    const bytes = this.isCompressed ? inflatedBytes(readNext) : plain;
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

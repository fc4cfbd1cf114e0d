// Any part of a .npy file, in C order: for arrays that are larger than memory.

import type { FileHandle } from 'node:fs/promises';
import { fileError, formatError, openFile, type ReadOptions, withByteSource } from './byte-source.js';
import { checkedCount, type DenseLayout, describe, rowMajorFeatures } from './dense.js';
import { BYTES_PER_ELEMENT, type StoredArray, type StoredType, typedView } from './elements.js';
import { readNpyHeader } from './npy-header.js';

/** An open file. Its size has been compared with what its header promises. */
export interface NpyFile {
  readonly path: string;
  readonly dims: readonly number[];
  readonly type: StoredType;
  /** The number of elements. */
  readonly length: number;
  /**
   * The elements from `begin` to before `end`, counted in C order whatever order the file has. `into`, of as many bytes
   * as they take, is filled where it is given: shared memory too.
   */
  read(begin: number, end: number, into?: ArrayBufferView): Promise<StoredArray>;
  close(): Promise<void>;
}

/** What one read call asks the system for. */
const CHUNK_BYTES = 8 << 20;

/** Aborting `signal` makes reads reject with its reason. Throws ERR_FILE, ERR_FORMAT. */
export async function openNpy(path: string, options: Pick<ReadOptions, 'signal'> = {}): Promise<NpyFile> {
  const { layout, length, firstByte } = await withByteSource(path, options, async (source) => {
    if (source.compressed) {
      throw formatError(
        path,
        'byte 0: expected an uncompressed .npy file, found gzip data',
        'Parts of a compressed file cannot be reached: unpack it with gunzip.',
      );
    }
    const layout = await readNpyHeader(source);
    return { layout, length: checkedCount(source, layout), firstByte: source.offset };
  });
  const { handle } = await openFile(path);
  const bytes = new FileBytes(handle, path, firstByte, describe(layout), options.signal);
  const { dims, elements } = layout;
  const width = BYTES_PER_ELEMENT[elements.type];
  const isColumnMajor = layout.columnMajor && dims.length > 1;
  return {
    path,
    dims,
    type: elements.type,
    length,
    async read(begin, end, into = Buffer.allocUnsafeSlow((end - begin) * width)) {
      const target = Buffer.from(into.buffer as ArrayBuffer, into.byteOffset, into.byteLength);
      if (isColumnMajor) return readColumns(bytes, layout, begin, end, target);
      await bytes.read(target, begin * width);
      return typedView(elements, target);
    },
    close: () => handle.close(),
  };
}

class FileBytes {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #firstByte: number;
  readonly #promised: string;
  readonly #signal: AbortSignal | undefined;

  constructor(
    handle: FileHandle,
    path: string,
    firstByte: number,
    promised: string,
    signal: AbortSignal | undefined,
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#firstByte = firstByte;
    this.#promised = promised;
    this.#signal = signal;
  }

  /** Fills `into` from the byte `offset` after the header on. */
  async read(into: Buffer, offset: number): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      this.#signal?.throwIfAborted();
      const position = this.#firstByte + offset + filled;
      const count = await this.#readPart(into, filled, position);
      if (count === 0) {
        throw formatError(
          this.#path,
          `byte ${position} of the file: expected ${this.#promised}, found the end`,
          'The file was cut off while it was read: write it again.',
          { value: position },
        );
      }
      filled += count;
    }
  }

  async #readPart(into: Buffer, filled: number, position: number): Promise<number> {
    try {
      const length = Math.min(CHUNK_BYTES, into.length - filled);
      return (await this.#handle.read(into, filled, length, position)).bytesRead;
    } catch (cause) {
      throw fileError(this.#path, 'read', cause);
    }
  }
}

/**
 * The file holds columns of as many elements as the first dimension has entries. Elements [begin, end) of the C order
 * are a run of each column, so a part is gathered from as many places as there are columns; large parts cost less.
 */
async function readColumns(
  bytes: FileBytes,
  { dims, elements }: DenseLayout,
  begin: number,
  end: number,
  target: Buffer,
): Promise<StoredArray> {
  const width = BYTES_PER_ELEMENT[elements.type];
  const entries = dims[0]!;
  const columns = dims.slice(1).reduce((product, dim) => product * dim, 1);
  const firstEntry = Math.floor(begin / columns);
  const run = Math.ceil(end / columns) - firstEntry;
  const isWhole = begin === firstEntry * columns && end - begin === run * columns;
  const gathered = isWhole ? target : Buffer.allocUnsafeSlow(run * columns * width);
  // Views of one class, whichever it is.
  const values = typedView({ ...elements, bigEndian: false }, gathered) as Float64Array;
  const featureOf = dims.length === 2 ? undefined : rowMajorFeatures(dims.slice(1));
  const blockColumns = Math.max(1, Math.min(columns, Math.floor(CHUNK_BYTES / (run * width))));
  const block = Buffer.allocUnsafeSlow(blockColumns * run * width);
  for (let column = 0; column < columns; column += blockColumns) {
    const count = Math.min(blockColumns, columns - column);
    const part = block.subarray(0, count * run * width);
    const offsetOf = (c: number) => ((column + c) * entries + firstEntry) * width;
    if (run === entries) await bytes.read(part, offsetOf(0));
    else {
      for (let c = 0; c < count; c++) {
        await bytes.read(part.subarray(c * run * width, (c + 1) * run * width), offsetOf(c));
      }
    }
    const stored = typedView(elements, part) as Float64Array;
    for (let entry = 0; entry < run; entry++) {
      for (let c = 0; c < count; c++) {
        values[entry * columns + (featureOf?.[column + c] ?? column + c)] = stored[c * run + entry]!;
      }
    }
  }
  if (!isWhole) {
    const from = (begin - firstEntry * columns) * width;
    gathered.copy(target, 0, from, from + target.length);
  }
  return typedView({ ...elements, bigEndian: false }, target);
}

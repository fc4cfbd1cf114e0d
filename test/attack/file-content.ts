// The content of a file, unpacked in the plainest way, and the memory that reading it may ask for.
import * as zlib from 'node:zlib';
import { gunzipSync } from 'node:zlib';
import {
  type Allocator,
  type ArenaTensor,
  type ElementType,
  type Matrix,
  SoftshardError,
  type Vector,
} from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import { lengthOf, plainElements } from './call-data.js';

/** More elements than this no small file can hold. */
const MOST_ELEMENTS = 2 ** 27;

/** Memory filled with junk, so that what is not written shows; counts what is asked for. */
export class CountingMemory implements Allocator {
  elements = 0;

  matrix(rows: number, columns: number): Matrix {
    return { ...this.tensor('float32', [rows, columns]), dims: [rows, columns] };
  }

  vector<Type extends ElementType>(type: Type, length: number): Vector<Type> {
    return { ...this.tensor(type, [length]), dims: [length] };
  }

  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
    const length = lengthOf(dims);
    this.elements += length;
    if (length > MOST_ELEMENTS)
      throw new SoftshardError('ERR_ARENA_FULL', 'more than the attack has room for');
    const data = plainElements(type, length);
    data.fill(77);
    return { type, dims, data, free() {}, [Symbol.dispose]() {} };
  }
}

export const isGzip = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
/** Its members are deflated. */
const isZip = (bytes: Buffer): boolean => bytes.toString('latin1', 0, 2) === 'PK';
const isZstd = (bytes: Buffer): boolean => bytes.length > 3 && bytes.readUInt32LE() === 0xfd2fb528;

export function contentOf(bytes: Buffer): Buffer {
  if (isZstd(bytes)) return zstdContent(bytes);
  return isGzip(bytes) ? gunzipSync(bytes) : bytes;
}

const { zstdDecompressSync } = zlib as typeof zlib & {
  readonly zstdDecompressSync?: (
    bytes: Buffer,
    options: { readonly info: true },
  ) => { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
};

/** Node unpacks one frame at a time. */
function zstdContent(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const { buffer, engine } = zstdDecompressSync!(rest, { info: true });
    parts.push(buffer);
    rest = rest.subarray(engine.bytesWritten);
  }
  return Buffer.concat(parts);
}

/** How often deflate and zstd can repeat a byte. */
const MOST_INFLATION = { gzip: 1032, zstd: 32_768 } as const;
/** Rows of SVMlight leave zeros out. */
const MOST_ZEROS = { bytes: 2 ** 26, times: 4096 } as const;

/** Every value takes a byte of content or more, with the separator after it; only the last may have none. */
export async function inMemory<Result>(
  bytes: Buffer,
  read: (memory: CountingMemory) => Promise<Result>,
): Promise<Result> {
  const memory = new CountingMemory();
  try {
    return await read(memory);
  } finally {
    const ratio =
      isGzip(bytes) || isZip(bytes) ? MOST_INFLATION.gzip : isZstd(bytes) ? MOST_INFLATION.zstd : 1;
    const zeros = isSparse(bytes)
      ? Math.max(MOST_ZEROS.bytes, MOST_ZEROS.times * ratio * bytes.length) / 4
      : 0;
    const most = Math.max(ratio * bytes.length, zeros);
    const { elements } = memory;
    expectThat(
      elements <= most + 1,
      `memory for ${elements} values is asked for, of a file of ${bytes.length} bytes`,
    );
  }
}

function isSparse(bytes: Buffer): boolean {
  try {
    return /^[^,\n]*\d:/m.test(contentOf(bytes).toString('latin1', 0, 4096));
  } catch {
    return false;
  }
}

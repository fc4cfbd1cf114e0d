// Readers' tests without an engine: an allocator that counts, a folder of files, and files built byte by byte.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { SoftshardError } from '#softshard/errors.js';
import type { ElementType, TensorData } from '#softshard/main/memory/element-types.js';
import type { Allocator, ArenaTensor, Matrix, Vector } from '#softshard/main/memory/tensor.js';

/** Shared memory, one buffer an allocation, filled with junk first: what is not written shows. */
export class CountingAllocator implements Allocator {
  allocated = 0;
  freed = 0;

  matrix(rows: number, columns: number): Matrix {
    return { ...this.#allocate('float32', rows * columns), dims: [rows, columns] };
  }

  vector<Type extends ElementType>(type: Type, length: number): Vector<Type> {
    return { ...this.#allocate(type, length), dims: [length] };
  }

  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
    return {
      ...this.#allocate(
        type,
        dims.reduce((product, dim) => product * dim, 1),
      ),
      dims,
    };
  }

  #allocate<Type extends ElementType>(type: Type, length: number) {
    this.allocated++;
    let isFreed = false;
    const free = () => {
      if (!isFreed) this.freed++;
      isFreed = true;
    };
    const data = shared(type, length);
    return { type, data, free, [Symbol.dispose]: free };
  }
}

/** 64 bytes lie in front, as an arena has other things there. */
function shared<Type extends ElementType>(type: Type, length: number): TensorData[Type] {
  const make = {
    float32: () => new Float32Array(new SharedArrayBuffer(64 + 4 * length), 64, length),
    float64: () => new Float64Array(new SharedArrayBuffer(64 + 8 * length), 64, length),
    int32: () => new Int32Array(new SharedArrayBuffer(64 + 4 * length), 64, length),
    uint32: () => new Uint32Array(new SharedArrayBuffer(64 + 4 * length), 64, length),
    uint16: () => new Uint16Array(new SharedArrayBuffer(64 + 2 * length), 64, length),
    bfloat16: () => new Uint16Array(new SharedArrayBuffer(64 + 2 * length), 64, length),
    float16: () => new Uint16Array(new SharedArrayBuffer(64 + 2 * length), 64, length),
    uint8: () => new Uint8Array(new SharedArrayBuffer(64 + length), 64, length),
  } satisfies { [Each in ElementType]: () => TensorData[Each] };
  return make[type]().fill(77) as TensorData[Type];
}

class TemporaryFolder {
  path = '';

  create(): void {
    this.path = realpathSync(mkdtempSync(join(tmpdir(), 'softshard-test-')));
  }

  /** Writes a file and gives its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  names(): string[] {
    return readdirSync(this.path).sort();
  }

  /** Files of this folder that are open, where the system shows them (Linux). */
  openFiles(): string[] {
    if (!existsSync('/proc/self/fd')) return [];
    const targets = readdirSync('/proc/self/fd').map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return ''; // The descriptor with which the folder was listed is closed again.
      }
    });
    return targets.filter((target) => target.startsWith(this.path));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A new folder for each test; no file of it may stay open. */
export function useFolder(): TemporaryFolder {
  const folder = new TemporaryFolder();
  beforeEach(() => folder.create());
  afterEach(() => {
    const open = folder.openFiles();
    folder.remove();
    expect(open, 'open files').toEqual([]);
  });
  return folder;
}

/** Counts from 0 in each test. */
export function useAllocator(): CountingAllocator {
  const allocator = new CountingAllocator();
  beforeEach(() => {
    allocator.allocated = 0;
    allocator.freed = 0;
  });
  return allocator;
}

/** The error of a call that must fail with this code; its message must hold all of `parts`. */
export async function failure(
  call: Promise<unknown>,
  code: string,
  ...parts: string[]
): Promise<SoftshardError> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in outcome)) throw new Error(`expected ${code}, got a result`);
  const { error } = outcome;
  if (!(error instanceof SoftshardError))
    throw new Error(`expected ${code}, got ${String(error)}`, { cause: error });
  expect(error.code, error.message).toBe(code);
  for (const part of parts) expect(error.message).toContain(part);
  return error;
}

/** Nothing may stay allocated or open after a failure. */
export function expectNothingLeft(allocator: CountingAllocator, folder: TemporaryFolder): void {
  expect(allocator.freed, 'matrices freed').toBe(allocator.allocated);
  expect(folder.openFiles(), 'open files').toEqual([]);
}

export type NumberCode = 'b1' | 'u1' | 'i1' | 'u2' | 'i2' | 'u4' | 'i4' | 'u8' | 'i8' | 'f2' | 'f4' | 'f8';

/** Values as bytes, by DataView: another way than the readers'. f2 takes values' bit patterns from a short table. */
export function encode(code: NumberCode, values: readonly number[], littleEndian: boolean): Buffer {
  const width = Number(code[1]);
  const bytes = Buffer.alloc(width * values.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const put: Record<NumberCode, (at: number, value: number) => void> = {
    b1: (at, value) => view.setUint8(at, value),
    u1: (at, value) => view.setUint8(at, value),
    i1: (at, value) => view.setInt8(at, value),
    u2: (at, value) => view.setUint16(at, value, littleEndian),
    i2: (at, value) => view.setInt16(at, value, littleEndian),
    u4: (at, value) => view.setUint32(at, value, littleEndian),
    i4: (at, value) => view.setInt32(at, value, littleEndian),
    u8: (at, value) => view.setBigUint64(at, BigInt(value), littleEndian),
    i8: (at, value) => view.setBigInt64(at, BigInt(value), littleEndian),
    f2: (at, value) => view.setUint16(at, HALF_BITS.get(value)!, littleEndian),
    f4: (at, value) => view.setFloat32(at, value, littleEndian),
    f8: (at, value) => view.setFloat64(at, value, littleEndian),
  };
  values.forEach((value, index) => {
    put[code](index * width, value);
  });
  return bytes;
}

/** IEEE 754 binary16, from the standard's examples. */
export const HALF_BITS: ReadonlyMap<number, number> = new Map([
  [0, 0x0000],
  [2 ** -24, 0x0001], // least subnormal
  [2 ** -14 - 2 ** -24, 0x03ff], // greatest subnormal
  [2 ** -14, 0x0400], // least normal
  [0.333251953125, 0x3555],
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff], // greatest
  [Number.POSITIVE_INFINITY, 0x7c00],
  [Number.NEGATIVE_INFINITY, 0xfc00],
  [Number.NaN, 0x7e00],
]);

export function idxFile(type: number, dims: readonly number[], values: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0, 0, type, dims.length]), encode('u4', dims, false), values]);
}

export interface NpyParts {
  readonly descr: string;
  readonly shape: string;
  readonly fortran?: boolean;
  readonly values: Buffer;
  /** The whole dict, instead of one from the parts above. */
  readonly dict?: string;
}

/** Version 1.0, unaligned: what old numpy versions wrote. */
export function npyFile({ descr, shape, fortran = false, values, dict }: NpyParts): Buffer {
  const text =
    dict ?? `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length + 1);
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(`${text}\n`),
    values,
  ]);
}

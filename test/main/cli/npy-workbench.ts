// Arrays for the commands that work on .npy files, written and read byte by byte, and comparing with the reference.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

const TYPES = {
  '|b1': Uint8Array,
  '|u1': Uint8Array,
  '|i1': Int8Array,
  '<u2': Uint16Array,
  '<i4': Int32Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
  '<f2': Uint16Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
  '>f4': Float32Array,
  '>f8': Float64Array,
} as const;
export type Descr = keyof typeof TYPES;

export const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

/** Writes values given in C order, and gives the path. */
export function writeArray(
  folder: string,
  name: string,
  descr: Descr,
  dims: readonly number[],
  values: ArrayLike<number>,
  fortran = false,
): string {
  const path = join(folder, name);
  const shape = `(${dims.join(', ')}${dims.length === 1 ? ',' : ''})`;
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }\n`;
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  start.writeUInt16LE(header.length, 8);
  const ordered = fortran ? fortranPlaces(dims).map((place) => values[place]!) : values;
  const Type = TYPES[descr];
  const array =
    Type === BigInt64Array || Type === BigUint64Array
      ? Type.from(Array.from(ordered, BigInt))
      : new (Type as typeof Float32Array)(ordered);
  const bytes = Buffer.from(array.buffer);
  if (descr === '>f4') bytes.swap32();
  if (descr === '>f8') bytes.swap64();
  writeFileSync(path, Buffer.concat([start, Buffer.from(header, 'latin1'), bytes]));
  return path;
}

/** The places in C order of the elements in Fortran order, first dimension fastest. */
function fortranPlaces(dims: readonly number[]): number[] {
  const strides = dims.map((_, dim) => product(dims.slice(dim + 1)));
  return Array.from({ length: product(dims) }, (_, k) => {
    let rest = k;
    let place = 0;
    for (const [dim, size] of dims.entries()) {
      place += (rest % size) * strides[dim]!;
      rest = Math.floor(rest / size);
    }
    return place;
  });
}

/** A file that the commands wrote: little-endian, C order. */
export function readArray(path: string): { descr: string; dims: number[]; values: number[] } {
  const content = readFileSync(path);
  expect(content.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
  const end = 10 + content.readUInt16LE(8);
  expect(end % 64).toBe(0);
  const header = content.subarray(10, end).toString('latin1');
  const [, descr, shape] =
    /^\{'descr': '(<f[48])', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/.exec(header) ?? [];
  expect({ path, header, descr }).toMatchObject({ descr: expect.any(String) });
  const dims = shape!
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map(Number);
  const bytes = content.subarray(end);
  const width = descr === '<f4' ? 4 : 8;
  expect(bytes.length).toBe(width * product(dims));
  const values = Array.from({ length: product(dims) }, (_, i) =>
    width === 4 ? bytes.readFloatLE(4 * i) : bytes.readDoubleLE(8 * i),
  );
  return { descr: descr!, dims, values };
}

/** Numbers that look normal: the same for the same seed. */
export function randomNumbers(length: number, seed: number, scale = 3): Float32Array {
  let state = seed * 2654435761 + 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length }, () => scale * (uniform() + uniform() + uniform() - 1.5));
}

/** |got - want| ≤ tolerance · max(1, |want|), for all. */
export function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(got.length, what).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!];
    const isClose = Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
    if (!isClose) expect.fail(`${what}[${i}]: expected ${b}, got ${a}`);
  }
}

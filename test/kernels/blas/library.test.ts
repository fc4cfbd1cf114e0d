// The library itself. Without one these tests are skipped, and their title says why there is none.
import { beforeAll, describe, expect, test } from 'vitest';
import { findBlas, loadSgemm, type Sgemm } from '#softshard/kernels/blas/library.js';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { blasSearch, hasKoffi } from '../../optional.js';
import { expectSameBits } from '../rows/grid.js';

const library = 'library' in blasSearch ? blasSearch.library : undefined;
const title = 'library' in blasSearch ? blasSearch.library.name : `skipped: ${blasSearch.missing}`;

describe.skipIf(!hasKoffi)('what is not a BLAS is named with the reason', () => {
  test.each([
    ['/nowhere/libopenblas.so', '/nowhere/libopenblas.so: Failed to load'],
    [import.meta.filename, `${import.meta.filename}: Failed to load`],
  ])('%s', (asked, message) => {
    const found = findBlas(asked);
    expect('missing' in found && found.missing).toContain(message);
  });

  test.skipIf(process.platform !== 'linux')('a library without cblas_sgemm', () => {
    const found = findBlas('libc.so.6');
    expect('missing' in found && found.missing).toContain('cblas_sgemm');
  });
});

describe.skipIf(library === undefined)(`sgemm (${title})`, () => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 64, shared: true });
  const floats = new Float32Array(memory.buffer);
  let sgemm: Sgemm;
  // The body of a skipped suite runs as well, while tests are collected: only a hook may need the library.
  beforeAll(() => {
    sgemm = loadSgemm(library!.path, memory);
  });

  test('products of small whole numbers are exact, transposed or not, added or not, and leave gaps alone', () => {
    for (const [rows, columns, depth] of [
      [1, 1, 1],
      [3, 5, 7],
      [17, 33, 20],
    ] as const) {
      for (const transposedA of [false, true]) {
        for (const transposedB of [false, true]) {
          for (const adds of [false, true]) {
            const strideA = (transposedA ? rows : depth) + 1;
            const strideB = (transposedB ? depth : columns) + 3;
            const stride = columns + 2;
            const [ptrA, ptrB, ptr] = [128 as Ptr, 20_000 as Ptr, 40_000 as Ptr];
            for (let i = 0; i < 15_000; i++) floats[i] = ((i * 7919) % 13) - 6;
            const before = floats.slice();
            const a = (i: number, k: number) =>
              before[ptrA / 4 + (transposedA ? k * strideA + i : i * strideA + k)]!;
            const b = (k: number, j: number) =>
              before[ptrB / 4 + (transposedB ? j * strideB + k : k * strideB + j)]!;
            sgemm(
              { ptr, stride },
              { ptr: ptrA, stride: strideA, transposed: transposedA },
              { ptr: ptrB, stride: strideB, transposed: transposedB },
              { rows, columns, depth },
              adds,
            );
            const wanted = before.slice();
            for (let i = 0; i < rows; i++) {
              for (let j = 0; j < columns; j++) {
                let sum = adds ? before[ptr / 4 + i * stride + j]! : 0;
                for (let k = 0; k < depth; k++) sum += a(i, k) * b(k, j);
                wanted[ptr / 4 + i * stride + j] = sum;
              }
            }
            const what = JSON.stringify({ rows, columns, depth, transposedA, transposedB, adds });
            expectSameBits(new Uint32Array(memory.buffer), new Uint32Array(wanted.buffer), what);
          }
        }
      }
    }
  });

  test('what an output held before does not count, not even NaN', () => {
    floats.fill(1, 0, 100);
    floats.fill(Number.NaN, 100, 104);
    const of = (ptr: number) => ({ ptr: ptr as Ptr, stride: 2 });
    sgemm(of(400), of(0), of(0), { rows: 2, columns: 2, depth: 2 }, false);
    expect([...floats.subarray(100, 104)]).toEqual([2, 2, 2, 2]);
  });
});

import { appendFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openNpy } from '#softshard/main/data/npy/npy-file.js';
import { encode, failure, HALF_BITS, type NumberCode, npyFile, useFolder } from '../workbench.js';

const folder = useFolder();

const product = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1);

/** The values of a C-ordered array in the order in which a Fortran-ordered file has them. */
function fortranValues(values: readonly number[], dims: readonly number[]): number[] {
  return values.map((_, k) => {
    // k counts with the first index fastest.
    let rest = k;
    let place = 0;
    let stride = values.length;
    for (const dim of dims) {
      stride /= dim;
      place += (rest % dim) * stride;
      rest = Math.floor(rest / dim);
    }
    return values[place]!;
  });
}

function arrayFile(
  code: NumberCode,
  dims: readonly number[],
  values: readonly number[],
  { fortran = false, bigEndian = false } = {},
): string {
  const stored = fortran ? fortranValues(values, dims) : values;
  const content = npyFile({
    descr: `${code[1] === '1' ? '|' : bigEndian ? '>' : '<'}${code}`,
    shape: `(${dims.join(', ')},)`,
    fortran,
    values: encode(code, stored, !bigEndian),
  });
  return folder.file('array.npy', content);
}

describe('openNpy', () => {
  const TYPES: readonly (readonly [NumberCode, string, object, readonly number[]])[] = [
    ['b1', 'bool', Uint8Array, [0, 1]],
    ['u1', 'uint8', Uint8Array, [0, 255]],
    ['i1', 'int8', Int8Array, [-128, 127]],
    ['u2', 'uint16', Uint16Array, [0, 65535]],
    ['i2', 'int16', Int16Array, [-32768, 32767]],
    ['u4', 'uint32', Uint32Array, [0, 4294967295]],
    ['i4', 'int32', Int32Array, [-2147483648, 2147483647]],
    ['u8', 'uint64', BigUint64Array, [0, 2 ** 63]],
    ['i8', 'int64', BigInt64Array, [-(2 ** 63), 2 ** 53]],
    ['f2', 'float16', Uint16Array, [...HALF_BITS.keys()]],
    ['f4', 'float32', Float32Array, [-0, 3.4028234663852886e38, 1.401298464324817e-45, -Infinity]],
    ['f8', 'float64', Float64Array, [0.1, -1e-300, 5e-324, Infinity]],
  ];

  it.each(TYPES)(
    'reads dtype %s as %s, in both byte orders and both storage orders',
    async (code, type, arrayClass, some) => {
      const dims = [5, 3];
      const values = Array.from({ length: 15 }, (_, i) => some[i % some.length]!);
      for (const fortran of [false, true]) {
        for (const bigEndian of [false, true]) {
          const npy = await openNpy(arrayFile(code, dims, values, { fortran, bigEndian }));
          expect(npy).toMatchObject({ dims, type, fortranOrder: fortran });
          const rows = await npy.readRows(1, 4);
          await npy.close();
          expect(rows).toBeInstanceOf(arrayClass);
          const expected = values.slice(3, 12);
          const got = Array.from(rows, (value: number | bigint) => Number(value));
          expect(got).toStrictEqual(
            type === 'float16' ? expected.map((value) => HALF_BITS.get(value)!) : expected,
          );
        }
      }
    },
  );

  it('gives any elements, into shared memory too, in both byte orders and both storage orders', async () => {
    const dims = [4, 3, 5];
    const values = Array.from({ length: product(dims) }, (_, i) => i);
    for (const fortran of [false, true]) {
      for (const bigEndian of [false, true]) {
        const npy = await openNpy(arrayFile('f8', dims, values, { fortran, bigEndian }));
        for (const [begin, end] of [
          [0, 60],
          [7, 8],
          [14, 31],
          [45, 60],
          [60, 60],
        ] as const) {
          const into = new Float64Array(new SharedArrayBuffer(8 * (end - begin) + 64), 64, end - begin);
          expect([...(await npy.readElements(begin, end))]).toEqual(values.slice(begin, end));
          await npy.readElements(begin, end, into);
          expect([...into]).toEqual(values.slice(begin, end));
        }
        const small = await failure(
          npy.readElements(0, 2, new Float64Array(1)),
          'ERR_SHAPE',
          'into',
          '16 bytes',
        );
        expect(small).toMatchObject({ argument: 'into', value: 8 });
        await failure(npy.readElements(2, 61), 'ERR_OPTION');
        await npy.close();
      }
    }
  });

  it('gives the rows of any window of any array of 1 to 4 dimensions, as C order has them', async () => {
    const cases = fc.tuple(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom<NumberCode>('u1', 'i2', 'f4', 'f8'),
      fc.nat(),
      fc.nat(),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([dims, fortran, code, a, b]) => {
        const values = Array.from({ length: product(dims) }, (_, i) => i % 127);
        const npy = await openNpy(arrayFile(code, dims, values, { fortran }));
        const [begin, end] = [a % (dims[0]! + 1), b % (dims[0]! + 1)].sort((x, y) => x - y) as [
          number,
          number,
        ];
        const rowLength = product(dims.slice(1));
        const got = Array.from(await npy.readRows(begin, end), Number);
        await npy.close();
        expect(got).toStrictEqual(values.slice(begin * rowLength, end * rowLength));
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it.each([
    ['wide gaps: each column by itself', 40_000, 30, 11, 500],
    ['narrow gaps: many columns in one read', 3_000, 700, 900, 2_500],
    ['columns longer than a read of 1 MiB', 300_000, 3, 5, 299_990],
  ])('reads Fortran order in blocks: %s', async (_, rows, features, begin, end) => {
    const stored = Float32Array.from({ length: rows * features }, (_, i) => i);
    const content = npyFile({
      descr: '<f4',
      shape: `(${rows}, ${features})`,
      fortran: true,
      values: Buffer.from(stored.buffer),
    });
    const npy = await openNpy(folder.file('a.npy', content));
    const got = await npy.readRows(begin, end);
    await npy.close();
    expect(got.length).toBe((end - begin) * features);
    const wrong = (got as Float32Array).findIndex((value, k) => {
      const row = begin + Math.floor(k / features);
      return value !== (k % features) * rows + row;
    });
    expect(wrong).toBe(-1);
  });

  it('serves overlapping calls', async () => {
    const values = Array.from({ length: 600 }, (_, i) => i);
    const npy = await openNpy(arrayFile('f4', [100, 6], values, { fortran: true }));
    const windows = await Promise.all(Array.from({ length: 99 }, (_, i) => npy.readRows(i, i + 2)));
    await npy.close();
    windows.forEach((window, i) => {
      expect([...window]).toStrictEqual(values.slice(i * 6, i * 6 + 12));
    });
  });

  it('refuses rows that are not there, and reads after close()', async () => {
    const npy = await openNpy(arrayFile('f4', [3, 2], [0, 1, 2, 3, 4, 5]));
    for (const [begin, end] of [
      [-1, 2],
      [0, 4],
      [2, 1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      await failure(npy.readRows(begin, end), 'ERR_OPTION', 'rowEnd <= 3', `got ${begin}, ${end}`);
    }
    expect((await npy.readRows(3, 3)).length).toBe(0);
    await npy.close();
    await npy.close();
    await failure(npy.readRows(0, 1), 'ERR_CLOSED', npy.path);
  });

  it('refuses gzip, truncated and lengthened files, and other files, before reading rows', async () => {
    const path = arrayFile('f4', [3, 2], [0, 1, 2, 3, 4, 5]);
    appendFileSync(path, 'x');
    await failure(openNpy(path), 'ERR_FORMAT', path, 'found more bytes');
    const content = npyFile({ descr: '<f4', shape: '(2,)', values: encode('f4', [1, 2], true) });
    const zipped = folder.file('z', gzipSync(content));
    await failure(openNpy(zipped), 'ERR_FORMAT', zipped, 'gzip');
    const short = folder.file('s', content.subarray(0, -1));
    await failure(openNpy(short), 'ERR_FORMAT', short, 'truncated');
    await failure(openNpy(folder.file('t', 'a,b\n')), 'ERR_FORMAT');
    await failure(openNpy(join(folder.path, 'none')), 'ERR_FILE', 'none');
  });

  it.each([false, true])(
    'reports a file that is cut off after it was opened (Fortran order: %s)',
    async (fortran) => {
      const path = arrayFile(
        'f8',
        [40, 3],
        Array.from({ length: 120 }, (_, i) => i),
        { fortran },
      );
      const npy = await openNpy(path);
      truncateSync(path, 500);
      await failure(npy.readRows(0, 40), 'ERR_FORMAT', path, 'cut off');
      await npy.close();
    },
  );

  it('rejects with the reason of an abort', async () => {
    const controller = new AbortController();
    const path = arrayFile('f4', [3, 2], [0, 1, 2, 3, 4, 5], { fortran: true });
    const npy = await openNpy(path, { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(npy.readRows(0, 3)).rejects.toBe(reason);
    await npy.close();
    await expect(openNpy(path, { signal: controller.signal })).rejects.toBe(reason);
  });
});

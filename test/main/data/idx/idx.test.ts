import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readIdxLabels, readIdxMatrix } from '#softshard/main/data/idx/idx.js';
import {
  encode,
  expectNothingLeft,
  failure,
  idxFile,
  type NumberCode,
  useAllocator,
  useFolder,
} from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const images = idxFile(0x08, [2, 2, 3], Buffer.from([0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]));
const imageValues = [0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255];

/** The magic number's type byte, how to write it, and values at its limits. */
const idxTypes: readonly [number, string, NumberCode, number[]][] = [
  [0x08, 'uint8', 'u1', [0, 1, 127, 128, 255, 7]],
  [0x09, 'int8', 'i1', [0, 1, 127, -128, -1, 7]],
  [0x0b, 'int16', 'i2', [0, 1, 32767, -32768, -1, 258]],
  [0x0c, 'int32', 'i4', [0, 1, 2147483520, -2147483648, -1, 16909056]],
  [0x0d, 'float32', 'f4', [0, -1.5, 3.4028234663852886e38, 1.401298464324817e-45, Number.NaN, -Infinity]],
  [0x0e, 'float64', 'f8', [0, -1.5, 0.1, 1e-300, Number.NaN, Infinity]],
];

/** Bytes that gzip cannot shorten (xorshift32). */
function noise(length: number): Uint8Array {
  let state = 2463534242;
  return new Uint8Array(length).map(() => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

describe('readIdxMatrix', () => {
  it('flattens images [2 × 2 × 3] to a matrix [2, 6] of raw values 0 to 255', async () => {
    const { matrix, elementType, featureDims } = await readIdxMatrix(allocator, folder.file('a', images));
    expect(matrix.dims).toEqual([2, 6]);
    expect([...matrix.data]).toEqual(imageValues);
    expect({ elementType, featureDims }).toEqual({ elementType: 'uint8', featureDims: [2, 3] });
    expect(matrix.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([allocator.allocated, allocator.freed]).toEqual([1, 0]);
  });

  it('tells gzip by its magic number, whatever the name', async () => {
    const { matrix } = await readIdxMatrix(allocator, folder.file('images.idx', gzipSync(images)));
    expect([...matrix.data]).toEqual(imageValues);
    const plain = await readIdxMatrix(allocator, folder.file('plain.gz', images));
    expect([...plain.matrix.data]).toEqual(imageValues);
  });

  it('reads gzip files of several members as one content', async () => {
    const members = Buffer.concat([gzipSync(images.subarray(0, 7)), gzipSync(images.subarray(7))]);
    const { matrix } = await readIdxMatrix(allocator, folder.file('a', members));
    expect([...matrix.data]).toEqual(imageValues);
  });

  it.each(idxTypes)(
    'reads type 0x0%s (%s), big-endian, each value rounded to float32',
    async (type, name, code, values) => {
      const path = folder.file('a', idxFile(type, [3, 2], encode(code, values, false)));
      const { matrix, elementType } = await readIdxMatrix(allocator, path);
      expect(elementType).toBe(name);
      expect([...matrix.data]).toEqual(values.map(Math.fround));
    },
  );

  it('makes one column of one dimension', async () => {
    const { matrix, featureDims } = await readIdxMatrix(
      allocator,
      folder.file('a', idxFile(8, [3], Buffer.from([7, 8, 9]))),
    );
    expect(matrix.dims).toEqual([3, 1]);
    expect(featureDims).toEqual([]);
  });

  it.each([false, true])('reads files of several chunks in order (gzip: %s)', async (compressed) => {
    const [rows, columns] = [70_001, 37];
    const pixels = Buffer.from(
      Uint8Array.from({ length: rows * columns }, (_, i) => (i * 31 + (i >> 9)) & 255),
    );
    const content = idxFile(8, [rows, columns], pixels);
    const fractions: number[] = [];
    const { matrix } = await readIdxMatrix(
      allocator,
      folder.file('a', compressed ? gzipSync(content, { level: 1 }) : content),
      {
        onProgress: (fraction) => fractions.push(fraction),
      },
    );
    const wrong = matrix.data.findIndex((value, i) => value !== pixels[i]);
    expect(wrong, `element ${wrong}: got ${matrix.data[wrong]}, expected ${pixels[wrong]}`).toBe(-1);
    expect(fractions.length).toBeGreaterThan(3);
    expect(fractions.every((fraction, i) => fraction >= (fractions[i - 1] ?? 0))).toBe(true);
    expect(fractions.at(-1)).toBe(1);
  });

  it.each([
    ['in the magic number', 3, 'byte 3 of the file: expected 4 bytes of IDX magic number'],
    ['in the dimensions', 9, 'byte 9 of the file: expected 3 IDX dimensions'],
    ['before the values', 16, 'byte 16 of the file: expected uint8 values of dims [2, 2, 3], found the end'],
    [
      'before the last value',
      27,
      'byte 27 of the file: expected uint8 values of dims [2, 2, 3], found the end',
    ],
  ])('reports a file that ends %s', async (_, length, finding) => {
    const path = folder.file('cut', images.subarray(0, length));
    const error = await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, finding, 'truncated');
    expect(error.argument).toBe('path');
    expect(allocator.allocated, 'found before allocating').toBe(0);
  });

  it.each([3, 9, 16, 27])('reports content of %i bytes in a whole gzip file and frees', async (length) => {
    const path = folder.file('cut', gzipSync(images.subarray(0, length)));
    await failure(
      readIdxMatrix(allocator, path),
      'ERR_FORMAT',
      path,
      `byte ${length} of its uncompressed content`,
    );
    expectNothingLeft(allocator, folder);
  });

  it('reports gzip data cut at any byte and frees', async () => {
    const packed = gzipSync(images);
    for (let length = 2; length < packed.length; length++) {
      const path = folder.file('cut.gz', packed.subarray(0, length));
      await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path);
      expectNothingLeft(allocator, folder);
    }
  });

  it('reports damaged gzip data with the cause and frees', async () => {
    const packed = gzipSync(idxFile(8, [4, 1 << 20], noise(4 << 20)), { level: 1 });
    packed[packed.length - 6]! ^= 1; // in the CRC: seen only after all values
    const path = folder.file('a.gz', packed);
    const error = await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'gzip', 'damaged');
    expect(error.cause).toMatchObject({ code: 'Z_DATA_ERROR' });
    expect(allocator.allocated).toBe(1);
    expectNothingLeft(allocator, folder);
  });

  it.each([false, true])('reports trailing bytes and where they begin (gzip: %s)', async (compressed) => {
    const content = Buffer.concat([images, Buffer.from([9])]);
    const path = folder.file('a', compressed ? gzipSync(content) : content);
    await failure(
      readIdxMatrix(allocator, path),
      'ERR_FORMAT',
      path,
      'byte 28: expected the end of the file',
    );
    expectNothingLeft(allocator, folder);
  });

  it.each([
    ['leading bytes', [1, 0, 8, 3], '01 00 08 03'],
    ['type', [0, 0, 0x0a, 3], '00 00 0a 03'],
    ['number of dimensions', [0, 0, 8, 0], '00 00 08 00'],
  ])('reports an unknown magic number: %s', async (_, magic, shown) => {
    const path = folder.file('a', Buffer.from([...magic, 0, 0, 0, 1, 5]));
    await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'byte 0', `found ${shown}`);
  });

  it('reports dims that promise more than a file of 20 bytes has, before allocating', async () => {
    const path = folder.file('a', idxFile(8, [60_000, 784], Buffer.alloc(8)));
    await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'dims [60000, 784]', 'truncated');
    expect(allocator.allocated).toBe(0);
  });

  it('reports dims that promise more than gzip can hold, 1032 times the file, before allocating', async () => {
    const path = folder.file('a', gzipSync(idxFile(8, [4_000_000, 784], Buffer.alloc(8))));
    await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'dims [4000000, 784]', 'holds at most');
    expect(allocator.allocated).toBe(0);
  });

  it('reads content that compresses nearly 1032 times: 16 MiB of zeros', async () => {
    const path = folder.file(
      'a',
      gzipSync(idxFile(8, [1 << 12, 1 << 12], Buffer.alloc(1 << 24)), { level: 9 }),
    );
    const { matrix } = await readIdxMatrix(allocator, path);
    expect(matrix.data.every((value) => value === 0)).toBe(true);
  });

  it('reports dims whose product is beyond 2^53 bytes', async () => {
    const path = folder.file('a', idxFile(8, [4e9, 4e9], Buffer.alloc(1)));
    await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'dims [4000000000, 4000000000]');
  });

  it.each([[[0, 5]], [[5, 0]]])('reports dims %j, which hold no values', async (dims) => {
    const path = folder.file('a', idxFile(8, dims, Buffer.alloc(0)));
    await failure(readIdxMatrix(allocator, path), 'ERR_FORMAT', path, 'at least one value');
  });

  it('reports a float64 beyond the range of float32 by row and feature and frees', async () => {
    const path = folder.file('a', idxFile(0x0e, [2, 2], encode('f8', [1, 2, 3, -1e39], false)));
    const error = await failure(
      readIdxMatrix(allocator, path),
      'ERR_FORMAT',
      path,
      'row 1, feature 1',
      '-1e+39',
    );
    expect([error.row, error.value]).toEqual([1, -1e39]);
    expect(allocator.allocated).toBe(1);
    expectNothingLeft(allocator, folder);
  });

  it('reports a missing file, keeping the cause', async () => {
    const path = join(folder.path, 'none');
    const error = await failure(readIdxMatrix(allocator, path), 'ERR_FILE', path, 'there is no such file');
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
    expect(error.value).toBe(path);
  });

  it('reports a folder', async () => {
    const path = join(folder.path, 'sub');
    mkdirSync(path);
    await failure(readIdxMatrix(allocator, path), 'ERR_FILE', path, 'not a regular file');
  });

  it.each([false, true])(
    'an abort midway rejects with the reason and frees (gzip: %s)',
    async (compressed) => {
      const content = idxFile(8, [5, 1 << 20], noise(5 << 20));
      const controller = new AbortController();
      const reason = new Error('enough');
      let last = 0;
      const reading = readIdxMatrix(
        allocator,
        folder.file('a', compressed ? gzipSync(content, { level: 1 }) : content),
        {
          signal: controller.signal,
          onProgress: (fraction) => {
            last = fraction;
            if (fraction > 0.3) controller.abort(reason);
          },
        },
      );
      await expect(reading).rejects.toBe(reason);
      expect(last).toBeGreaterThan(0.3);
      expect(last).toBeLessThan(1);
      expect(allocator.allocated).toBe(1);
      expectNothingLeft(allocator, folder);
    },
  );

  it('an abort before the start rejects with the reason, file or no file', async () => {
    const signal = AbortSignal.abort('stop');
    await expect(readIdxMatrix(allocator, join(folder.path, 'none'), { signal })).rejects.toBe('stop');
  });

  it('an error thrown by onProgress passes through and frees', async () => {
    const thrown = new Error('from the caller');
    const reading = readIdxMatrix(allocator, folder.file('a', images), {
      onProgress: (fraction) => {
        if (fraction === 1) throw thrown;
      },
    });
    await expect(reading).rejects.toBe(thrown);
    expect(allocator.allocated).toBe(1);
    expectNothingLeft(allocator, folder);
  });
});

describe('readIdxLabels', () => {
  it.each([
    [0x08, 'u1', [9, 0, 255]],
    [0x09, 'i1', [9, 0, -100]],
    [0x0b, 'i2', [9, 0, -100]],
    [0x0c, 'i4', [9, 2147483647, -2147483648]],
  ] as const)('reads integers of type %i (%s) as they are', async (type, code, labels) => {
    const path = folder.file('a', gzipSync(idxFile(type, [3], encode(code, labels, false))));
    expect(await readIdxLabels(path)).toEqual(Int32Array.from(labels));
  });

  it('refuses a file of no labels and says what belongs there', async () => {
    const path = folder.file('a', idxFile(8, [0], Buffer.alloc(0)));
    await failure(readIdxLabels(path), 'ERR_FORMAT', path, 'found dims [0]', 'one label for each row');
  });

  it('refuses images, and floats that are no whole numbers (F5)', async () => {
    await failure(readIdxLabels(folder.file('a', images)), 'ERR_FORMAT', 'dims [2, 2, 3]', 'label file');
    const whole = folder.file('b', idxFile(0x0d, [2], encode('f4', [1, 26], false)));
    expect(await readIdxLabels(whole)).toEqual(Int32Array.of(1, 26));
    const floats = folder.file('c', idxFile(0x0e, [2], encode('f8', [1, 0.5], false)));
    await failure(readIdxLabels(floats), 'ERR_FORMAT', 'row 1', 'the continuous value 0.5');
  });

  it('reports truncated and trailing bytes', async () => {
    const labels = idxFile(8, [3], Buffer.from([1, 2, 3]));
    await failure(
      readIdxLabels(folder.file('a', labels.subarray(0, 10))),
      'ERR_FORMAT',
      'byte 10',
      'truncated',
    );
    await failure(readIdxLabels(folder.file('b', Buffer.concat([labels, labels]))), 'ERR_FORMAT', 'byte 11');
  });
});

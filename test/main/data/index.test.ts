import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type CsvOptions,
  detectFormat,
  readCsv,
  readFeatures,
  readLabels,
  readMatrix,
} from '#softshard/main/data/index.js';
import {
  encode,
  expectNothingLeft,
  failure,
  idxFile,
  npyFile,
  useAllocator,
  useFolder,
} from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const idx = idxFile(8, [2, 2], Buffer.from([1, 2, 3, 4]));
const npy = npyFile({ descr: '<f8', shape: '(2, 2)', values: encode('f8', [1, 2, 3, 4], true) });
const csv = Buffer.from('a,b\n1,2\n3,4\n');

const contents = [
  ['idx', idx, { elementType: 'uint8', featureDims: [2] }],
  ['npy', npy, { elementType: 'float64', featureDims: [2] }],
  ['csv', csv, { header: true, featureNames: ['a', 'b'] }],
] as const;

describe('readMatrix', () => {
  it.each(contents)(
    'tells %s by its content, compressed or not, whatever the name',
    async (format, content, extra) => {
      for (const file of [content, gzipSync(content)]) {
        const { matrix, ...others } = await readMatrix(allocator, folder.file('features.bin', file));
        expect([...matrix.data]).toEqual([1, 2, 3, 4]);
        expect(others).toEqual({ format, ...extra });
      }
    },
  );

  it('passes the CSV options and the labels through', async () => {
    const table = await readMatrix(allocator, folder.file('a', '1;x\n3;y\n'), {
      labelColumn: 1,
      delimiter: ';',
    });
    expect(table.targets).toEqual(Int32Array.of(0, 1));
    expect(table.classNames).toEqual(['x', 'y']);
  });

  it.each(contents)('passes signal and progress through: %s', async (_, content) => {
    const path = folder.file('features', content);
    const controller = new AbortController();
    const reading = readMatrix(allocator, path, {
      signal: controller.signal,
      onProgress: () => controller.abort('stop'),
    });
    await expect(reading).rejects.toBe('stop');
    expectNothingLeft(allocator, folder);
  });
});

describe('readFeatures', () => {
  it.each([
    ['idx', idxFile(8, [2, 1, 2], Buffer.from([1, 2, 3, 255])), [1, 2]],
    ['npy', npyFile({ descr: '|u1', shape: '(2, 2)', values: Buffer.from([1, 2, 3, 255]) }), [2]],
  ])('keeps the bytes of %s', async (format, content, featureDims) => {
    for (const bytes of [content, gzipSync(content)]) {
      const { matrix, ...others } = await readFeatures(allocator, folder.file('features', bytes));
      expect(matrix.type).toBe('uint8');
      expect(matrix.dims).toEqual([2, 2]);
      expect([...matrix.data]).toEqual([1, 2, 3, 255]);
      expect(others).toEqual({ format, elementType: 'uint8', featureDims });
    }
  });

  it('gives float32 for everything else, bytes in Fortran order among it', async () => {
    const fortran = npyFile({
      descr: '|u1',
      shape: '(2, 2)',
      fortran: true,
      values: Buffer.from([1, 3, 2, 255]),
    });
    for (const content of [fortran, '1,2\n3,255\n', idxFile(9, [2, 2], Buffer.from([1, 2, 3, 100]))]) {
      const { matrix } = await readFeatures(allocator, folder.file('features', content));
      expect(matrix.type).toBe('float32');
      expect([...matrix.data].slice(0, 3)).toEqual([1, 2, 3]);
    }
  });

  it('frees the bytes of a file that is cut short or too long', async () => {
    const bytes = idxFile(8, [2, 2], Buffer.from([1, 2, 3, 4]));
    const cut = folder.file('cut', gzipSync(bytes.subarray(0, -1)));
    await failure(readFeatures(allocator, cut), 'ERR_FORMAT', cut);
    const long = folder.file('long', gzipSync(Buffer.concat([bytes, Buffer.from([5])])));
    await failure(readFeatures(allocator, long), 'ERR_FORMAT', long);
    expectNothingLeft(allocator, folder);
  });
});

describe('readLabels', () => {
  it.each([
    ['idx', idxFile(8, [3], Buffer.from([2, 0, 2]))],
    ['npy', npyFile({ descr: '<i8', shape: '(3,)', values: encode('i8', [2, 0, 2], true) })],
  ])('gives the class indices of %s as they are, without names', async (format, content) => {
    expect(await readLabels(folder.file('labels', gzipSync(content)))).toEqual({
      format,
      targets: Int32Array.of(2, 0, 2),
    });
  });

  it('gives text labels with their names', async () => {
    expect(await readLabels(folder.file('labels.txt', 'b\na\nb\n'))).toEqual({
      format: 'csv',
      targets: Int32Array.of(1, 0, 1),
      classNames: ['a', 'b'],
      header: false,
    });
    const given = await readLabels(folder.file('labels.txt', 'b\na\n'), { classNames: ['b', 'a'] });
    expect(given.targets).toEqual(Int32Array.of(0, 1));
  });
});

describe('detectFormat', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 'an empty file'],
    ['a zip archive, as .xlsx is', Buffer.from('PK\x03\x04\x14\x00\x00\x00rest'), 'Unpack it'],
    ['UTF-16 text', Buffer.from('\uFEFF1,2\n', 'utf16le'), 'UTF-8'],
    ['UTF-16 text without zero bytes', Buffer.from('\uFEFF数据', 'utf16le'), 'UTF-8'],
    ['other binary content', Buffer.from([0x89, 0x49, 0x44, 0x46, 0, 1]), '89 49 44 46 00 01'],
    ['IDX of no known type', Buffer.from([0, 0, 0x0a, 1, 0, 0, 0, 0]), '00 00 0a 01'],
  ])('refuses %s', async (_, content, finding) => {
    const path = folder.file('features.csv', content);
    await failure(detectFormat(path), 'ERR_FORMAT', path, finding);
    await failure(readMatrix(allocator, path), 'ERR_FORMAT', path, finding);
    await failure(readLabels(path), 'ERR_FORMAT', path, finding);
  });

  it('reports a missing file', async () => {
    await failure(readMatrix(allocator, join(folder.path, 'none')), 'ERR_FILE', 'there is no such file');
  });
});

describe.each([
  ['readMatrix', (options: CsvOptions) => readMatrix(allocator, '/not/there.csv', options)],
  ['readFeatures', (options: CsvOptions) => readFeatures(allocator, '/not/there.csv', options)],
  ['readCsv', (options: CsvOptions) => readCsv(allocator, '/not/there.csv', options)],
  ['readLabels', (options: CsvOptions) => readLabels('/not/there.csv', options)],
])('%s', (_, readWith) => {
  it('refuses misspelled options and lists that are none before it looks at the file', async () => {
    const refused = (options: object, ...parts: string[]) =>
      failure(readWith(options as CsvOptions), 'ERR_OPTION', ...parts);
    await refused({ labelColum: 'k' }, "no option 'labelColum'", 'labelColumn');
    await refused({ featureColumns: 'x' }, "options.featureColumns is 'x'", 'array');
  });
});

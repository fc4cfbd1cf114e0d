import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type CsvOptions, readFeatures, readLabels, readMatrix } from '#softshard/main/data/index.js';
import { COMPRESSIONS, expected, fixture, zstdCompressSync } from './dense-fixtures.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const X = expected.X.flat();
const SORTED = [...new Set(expected.words)].sort();
const BY_WORD = expected.words.map((word) => SORTED.indexOf(word));

describe('arrays of one file are features and labels', () => {
  it.each<[name: string, options: CsvOptions, chosen: readonly string[]]>([
    ['X-y.npz', {}, ['X', 'y']],
    ['X-y-deflated.npz', {}, ['X', 'y']],
    ['unnamed.npz', {}, ['arr_0', 'arr_1']],
    ['fortran.npz', {}, ['X', 'y']],
    ['odd-names.npz', { featureColumns: ['a'], labelColumn: 2 }, ['a', 'ids']],
    ['X-y.safetensors', {}, ['embeddings', 'labels']],
    ['X-y.safetensors', { featureColumns: ['embeddings'], labelColumn: 'labels' }, ['embeddings', 'labels']],
  ])('%s %j', async (name, options, [features, labels]) => {
    const { matrix, targets, classNames, arrays } = await readMatrix(allocator, fixture(name), options);
    expect(matrix.dims).toEqual([12, 5]);
    expect([...matrix.data]).toEqual(X);
    expect(arrays).toMatchObject({ features: [features], labels });
    const ids = Array.from({ length: 12 }, (_, row) => row);
    expect([...targets!]).toEqual(labels === 'ids' ? ids : expected.y);
    expect(classNames).toBeUndefined();
    if (labels !== 'ids') expect([...(await readLabels(fixture(name))).targets]).toEqual(expected.y);
  });

  it('labels that are words become classes in the order of their names', async () => {
    const { matrix, targets, classNames } = await readMatrix(allocator, fixture('words.npz'));
    expect([...matrix.data]).toEqual(X);
    expect([...targets!]).toEqual(BY_WORD);
    expect(classNames).toEqual(SORTED);
    const given = ['猫😀', 'setosa', 'größer'];
    const known = await readMatrix(allocator, fixture('words.npz'), { classNames: given });
    expect([...known.targets!].map((target) => given[target])).toEqual(expected.words);
  });

  it('bytes stay bytes, and the usual names go before others of the same dims', async () => {
    const { matrix, targets, arrays, featureDims } = await readFeatures(allocator, fixture('mnist-like.npz'));
    expect(matrix.type).toBe('uint8');
    expect([...matrix.data]).toEqual(expected.images.flat());
    expect(featureDims).toEqual([2, 3]);
    expect([...targets!]).toEqual(expected.y);
    expect(arrays!.others).toEqual(['"x_test" uint8 [3, 2, 3]', '"y_test" int64 [3]', '"made" <U5 []']);
  });

  it('several arrays stand side by side, in the order of their names', async () => {
    const { matrix } = await readMatrix(allocator, fixture('odd-names.npz'), {
      featureColumns: ['b', 'ids', 'a'],
    });
    expect(matrix.dims).toEqual([12, 11]);
    const rows = expected.X.map((row, id) => [...row.map((value) => -value), id, ...row]);
    expect([...matrix.data]).toEqual(rows.flat());
  });

  it('a compressed safetensors file is read to its end, also beyond the arrays that are asked for', async () => {
    const bytes = readFileSync(fixture('X-y.safetensors'));
    const packed = gzipSync(bytes);
    const otherSum = Buffer.from(packed);
    otherSum[packed.length - 8]! ^= 1;
    const faults: [Buffer, string][] = [
      [packed.subarray(0, -4), 'expected gzip data, found "unexpected end of file"'],
      [otherSum, 'expected gzip data, found "incorrect data check"'],
      [gzipSync(Buffer.concat([bytes, Buffer.alloc(5)])), 'expected the end of the file after'],
      [gzipSync(bytes.subarray(0, -5)), 'found the end'],
    ];
    for (const [content, message] of faults) {
      const path = folder.file('X-y.safetensors.gz', content);
      for (const read of [
        () => readMatrix(allocator, path),
        () => readMatrix(allocator, path, { skipLabels: true }),
        () => readLabels(path),
      ]) {
        await failure(read(), 'ERR_FORMAT', path, message);
      }
    }
    expectNothingLeft(allocator, folder);
  });

  it.each([
    'float16',
    'float64',
    'int8',
    'int16',
    'int32',
    'int64',
    'uint8',
    'uint16',
    'uint32',
    'uint64',
    'bool',
  ])('safetensors of %s', async (type) => {
    const options = { featureColumns: [type] };
    const { matrix, elementType } = await readMatrix(allocator, fixture('types.safetensors'), options);
    expect(elementType).toBe(type);
    expect([...matrix.data]).toEqual(
      expected.y.map((value) => (type === 'bool' ? Number(value > 0) : value)),
    );
  });

  it('safetensors of bfloat16, as features and as labels', async () => {
    const path = fixture('types.safetensors');
    const { matrix, elementType } = await readMatrix(allocator, path, { featureColumns: ['bfloat16'] });
    expect([elementType, ...matrix.data]).toEqual(['bfloat16', ...X]);
    const header = JSON.stringify({ y: { dtype: 'BF16', shape: [3], data_offsets: [0, 6] } });
    const labels = (...bits: number[]) => {
      const start = Buffer.alloc(8);
      start.writeBigUInt64LE(BigInt(header.length));
      const values = Buffer.from(Uint16Array.from(bits).buffer);
      return folder.file('y.safetensors', Buffer.concat([start, Buffer.from(header), values]));
    };
    expect([...(await readLabels(labels(0x3f80, 0x0000, 0x4040))).targets]).toEqual([1, 0, 3]);
    await failure(readLabels(labels(0x3f80, 0x3f00, 0)), 'ERR_FORMAT', 'array "y": row 1', 'value 0.5');
  });

  it.each(COMPRESSIONS.slice(1))('safetensors%s, not .npz', async (end, compress) => {
    const path = folder.file(`x${end}`, compress(readFileSync(fixture('X-y.safetensors'))));
    const { matrix, targets } = await readMatrix(allocator, path);
    expect([...matrix.data]).toEqual(X);
    expect([...targets!]).toEqual(expected.y);
    const archive = folder.file(`a${end}`, compress(readFileSync(fixture('X-y.npz'))));
    await failure(readMatrix(allocator, archive), 'ERR_FORMAT', 'expected a plain file', 'Unpack it first');
  });

  it('skipLabels leaves labels out, whatever they are', async () => {
    const { targets } = await readMatrix(allocator, fixture('X-y.npz'), { skipLabels: true });
    expect(targets).toBeUndefined();
  });
});

describe('what cannot be read says what there is', () => {
  it.each<[name: string, options: CsvOptions, code: string, parts: readonly string[]]>([
    [
      'odd-names.npz',
      {},
      'ERR_FORMAT',
      ['"a" float32 [12, 5], "b" float32 [12, 5]', 'options.featureColumns'],
    ],
    ['odd-names.npz', { featureColumns: ['X'] }, 'ERR_OPTION', ['got "X"', 'Its arrays are "a" float32']],
    ['odd-names.npz', { featureColumns: [7] }, 'ERR_OPTION', ['got 7']],
    ['odd-names.npz', { featureColumns: ['objects'] }, 'ERR_FORMAT', ['array "objects"', "astype('U')"]],
    [
      'mnist-like.npz',
      { labelColumn: 'y_test' },
      'ERR_FORMAT',
      ['as many rows', '"x_train" uint8 [12, 2, 3]', '"y_test" int64 [3]'],
    ],
    ['mnist-like.npz', { featureColumns: ['made'] }, 'ERR_FORMAT', ['1 or more dimensions']],
    ['words.npz', { featureColumns: ['labels'] }, 'ERR_FORMAT', ['expected numbers, found text (<U6)']],
    ['X-y.npz', { classNames: ['a', 'b'] }, 'ERR_OPTION', ['options.classNames', 'class indices (int64)']],
    ['X-y.safetensors', { featureColumns: ['scalar'] }, 'ERR_FORMAT', ['found a single value']],
    ['types.safetensors', {}, 'ERR_FORMAT', ['expected one array of features', '"bool" bool [3, 4]']],
  ])('%s %j', async (name, options, code, parts) => {
    await failure(readMatrix(allocator, fixture(name), options), code, fixture(name), ...parts);
    expectNothingLeft(allocator, folder);
  });

  it('a model is told apart from data', async () => {
    const header = JSON.stringify({ __metadata__: { format: 'softshard' } });
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(header.length));
    const path = folder.file('m.safetensors', Buffer.concat([start, Buffer.from(header)]));
    await failure(readMatrix(allocator, path), 'ERR_FORMAT', 'found a model written by softshard', '--model');
  });

  it.each(['X-y.npz', 'X-y-deflated.npz', 'X-y.safetensors'])(
    '%s, cut at any byte or with any byte changed, is what it was or ERR_FORMAT',
    async (name) => {
      const whole = readFileSync(fixture(name));
      for (let at = 0; at < whole.length; at += 7) {
        await failure(readMatrix(allocator, folder.file('cut', whole.subarray(0, at))), 'ERR_FORMAT', 'cut');
      }
      for (let at = 8; at < whole.length; at += 5) {
        const changed = Buffer.from(whole);
        changed[at]! ^= 0x10;
        const outcome = await readMatrix(allocator, folder.file('changed', changed), {
          skipLabels: true,
        }).then(
          ({ matrix }) => [...matrix.data],
          ({ code }) => code,
        );
        // safetensors has no checksum.
        if (outcome !== 'ERR_FORMAT' && name.endsWith('npz')) expect(outcome).toEqual(X);
        else if (outcome !== 'ERR_FORMAT') expect(outcome).toHaveLength(X.length);
      }
    },
  );

  it('a sparse matrix of scipy has a remedy of its own', async () => {
    const parts = ['parts of a sparse matrix', '.toarray()', 'dump_svmlight_file'];
    await failure(readMatrix(allocator, fixture('sparse.npz')), 'ERR_FORMAT', ...parts);
  });
});

it.runIf(zstdCompressSync)(
  'zstd of several frames, as parallel compressors write it, is read whole',
  async () => {
    const whole = readFileSync(fixture('X.npy'));
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const frames = [
      skipped,
      zstdCompressSync!(whole.subarray(0, 100)),
      zstdCompressSync!(whole.subarray(100)),
    ];
    const path = folder.file('x.npy.zst', Buffer.concat(frames));
    expect([...(await readMatrix(allocator, path)).matrix.data]).toEqual(X);
    const damaged = folder.file('y.npy.zst', Buffer.concat([...frames, Buffer.from('more')]));
    await failure(readMatrix(allocator, damaged), 'ERR_FORMAT', damaged, 'expected zstd data');
    const cut = folder.file('z.npy.zst', frames[1]!.subarray(0, 20));
    await failure(readMatrix(allocator, cut), 'ERR_FORMAT', cut);
  },
);

it.skipIf(zstdCompressSync)('zstd is refused where Node cannot unpack it', async () => {
  const path = folder.file('x.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58]));
  await failure(readMatrix(allocator, path), 'ERR_FORMAT', path, 'found zstd', 'Node 22.15', 'zstd -d');
});

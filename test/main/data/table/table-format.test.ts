// What holds for all formats of named columns: the same features and classes as from .npy and CSV.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type CsvOptions,
  detectFormat,
  readFeatures,
  readLabels,
  readMatrix,
} from '#softshard/main/data/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';
import {
  codes,
  fixture,
  fixtureBytes,
  fixtureNames,
  genres,
  numbers,
  ROWS,
  vectors,
  WIDTH,
} from './fixtures.js';

const folder = useFolder();
const allocator = useAllocator();

const read = (name: string, options: CsvOptions = {}) => readMatrix(allocator, fixture(name), options);

const formatOf = (name: string): string =>
  name.endsWith('.parquet') ? 'parquet' : name.endsWith('.jsonl') ? 'jsonl' : 'arrow';

const TABLES = fixtureNames(/\.(?:parquet|arrows?|feather|jsonl)$/);
const WITHOUT_VECTORS = /^(?:pandas|numbers|nulls|ragged|empty-list|old|kinds|one-label|long-list)/;
const VECTORS = TABLES.filter((name) => !WITHOUT_VECTORS.test(name));
const NUMBERS = TABLES.filter((name) => /^(?:pandas|numbers)/.test(name));
/** One of each format. */
const SOME = ['list.parquet', 'list.arrow', 'list.jsonl'];

describe('a column of vectors', () => {
  it.each(VECTORS)('of %s gives the features of x.npy and the classes of labels.txt', async (name) => {
    const isHalf = name.startsWith('half-blob');
    const { matrix, targets, classNames, featureNames, format } = await read(name, { labelColumn: 'genre' });
    expect(format).toBe(formatOf(name));
    expect(matrix.dims, name).toEqual([ROWS, isHalf ? WIDTH / 2 : WIDTH]);
    expect(featureNames?.slice(0, 2)).toEqual(['embedding[0]', 'embedding[1]']);
    expect({ targets, classNames }).toEqual({ targets: genres.targets, classNames: genres.classNames });
    const halves = isHalf ? (await read(name, { featureColumns: ['embedding:float16'] })).matrix : matrix;
    expect([...halves.data]).toEqual([...vectors]);
  });

  it.each(SOME)('of %s is the default: other columns are left out and named', async (name) => {
    const { featureNames, unusedColumns } = await read(name, { labelColumn: 'genre' });
    expect(featureNames).toHaveLength(WIDTH);
    expect(unusedColumns).toContain('code');
    expect(unusedColumns).not.toContain('genre');
  });

  it.each(SOME)('of %s goes with other columns, in the order asked for', async (name) => {
    const { matrix, featureNames, unusedColumns } = await read(name, {
      featureColumns: ['code', 'embedding'],
    });
    expect(featureNames?.slice(0, 2)).toEqual(['code', 'embedding[0]']);
    expect(unusedColumns).toBeUndefined();
    const rows = Array.from({ length: ROWS }, (_, row) => [
      codes[row]!,
      ...vectors.subarray(row * WIDTH, (row + 1) * WIDTH),
    ]);
    expect([...matrix.data]).toEqual(rows.flat());
  });

  it.each(SOME)('of %s is found by the names of a model, among other columns in any order', async (name) => {
    const embedding = Array.from({ length: WIDTH }, (_, i) => `embedding[${i}]`);
    const { matrix, featureNames } = await read(name, { featureNames: [...embedding, 'code'] });
    expect(featureNames).toEqual([...embedding, 'code']);
    expect(matrix.data[WIDTH]).toBe(codes[0]);
    const wider = [...embedding, 'embedding[8]'];
    await failure(
      read(name, { featureNames: wider }),
      'ERR_FORMAT',
      '"embedding": expected vectors of 9 values, as the model\'s, found 8',
    );
    await failure(read(name, { featureNames: ['a', ...embedding] }), 'ERR_FORMAT', '"a" is missing');
  });
});

describe('columns of numbers', () => {
  it.each(NUMBERS)('of %s are the features where there are no vectors, as in numbers.csv', async (name) => {
    const { matrix, targets, classNames, featureNames } = await read(name, { labelColumn: 'genre' });
    expect(featureNames).toEqual(['price', 'small', 'flag', 'big']);
    expect([...matrix.data]).toEqual([...numbers]);
    expect({ targets, classNames }).toEqual({ targets: genres.targets, classNames: genres.classNames });
  });

  it('leave the index of pandas out, unless it is asked for', async () => {
    const { unusedColumns } = await read('pandas.parquet', { labelColumn: 'genre' });
    expect(unusedColumns).toEqual(['__index_level_0__']);
    const { matrix } = await read('pandas.parquet', { featureColumns: ['__index_level_0__'] });
    expect(new Set(matrix.data)).toEqual(new Set(Array.from({ length: ROWS }, (_, i) => i)));
  });
});

describe('labels', () => {
  it.each(SOME)('of %s may be whole numbers, in the order of their values', async (name) => {
    const { targets, classNames, format } = await readLabels(fixture(name), { labelColumn: 'code' });
    expect(format).toBe(formatOf(name));
    expect(classNames).toEqual(['7', '9', '10']);
    expect([...targets].map((target) => Number(classNames![target]))).toEqual([...codes]);
  });

  it('may be texts of a dictionary, categories of pandas or views', async () => {
    for (const name of ['list.arrow', 'list-zstd.arrows', 'views.arrow']) {
      const { targets } = await readLabels(fixture(name), { labelColumn: 'style' });
      expect(targets, name).toEqual(genres.targets);
    }
    expect((await readLabels(fixture('views.arrow'), { labelColumn: 'wide' })).targets).toEqual(
      genres.targets,
    );
    expect((await readLabels(fixture('pandas.feather'), { labelColumn: -1 })).targets).toEqual(
      genres.targets,
    );
  });

  it.each(SOME)('of %s must be classes that a model knows, or are not read at all', async (name) => {
    await failure(
      read(name, { labelColumn: 'genre', classNames: ['rock', 'jazz'] }),
      'ERR_FORMAT',
      name === 'list.jsonl' ? 'line 1: expected a label' : 'row 0: expected a label',
      'folk müzik',
    );
    const { targets, unusedColumns } = await read(name, { labelColumn: 'genre', skipLabels: true });
    expect(targets).toBeUndefined();
    expect(unusedColumns).not.toContain('genre');
  });

  it.each(SOME)('of %s need a column, which is not one of vectors', async (name) => {
    await failure(
      readLabels(fixture(name)),
      'ERR_FORMAT',
      'one column of labels, found',
      '"genre"',
      'labelColumn',
    );
    await failure(
      read(name, { labelColumn: 'embedding' }),
      'ERR_FORMAT',
      '"embedding": expected one label a row',
    );
    await failure(
      read(name, { labelColumn: 'kind' }),
      'ERR_OPTION',
      'options.labelColumn',
      '"kind"',
      '"genre"',
    );
  });
});

describe('columns of other types', () => {
  const range = (of: (row: number) => number) => Array.from({ length: 20 }, (_, row) => Math.fround(of(row)));

  it.each(['kinds.parquet', 'kinds.arrows', 'kinds-lz4.arrow'])(
    'of %s are features where they are numbers, and lie beside what is not read',
    async (name) => {
      const wanted = {
        u8: range((row) => row),
        u32: range((row) => row * 2e8),
        u64: range((row) => Number(BigInt(row) * 900_000_000_000_000_000n)),
        i32: range((row) => 0 - 7 * row),
        flag: range((row) => Number(row % 3 === 0)),
      };
      const featureColumns = Object.keys(wanted);
      const { matrix, targets, classNames } = await read(name, { featureColumns, labelColumn: 'label' });
      for (const [column, values] of Object.values(wanted).entries()) {
        const found = values.map((_, row) => matrix.data[row * featureColumns.length + column]);
        expect(found, featureColumns[column]).toEqual(values);
      }
      expect([...targets!]).toEqual(range((row) => row % 3));
      expect(classNames![2]).toBe('2 of three texts, of more than twelve bytes each');
      for (const [column, type] of [
        ['struct', 'found struct'],
        ['map', 'found map'],
        ['texts', 'found list<string>'],
        ['decimal', 'found decimal'],
        ['none', 'found null'],
      ] as const) {
        await failure(read(name, { featureColumns: [column] }), 'ERR_FORMAT', `"${column}"`, type);
      }
    },
  );

  it('of bytes that make whole float16 numbers only are vectors of these', async () => {
    const { matrix } = await read('kinds.parquet', { featureColumns: ['halves'] });
    expect(matrix.dims).toEqual([20, 3]);
    expect([...matrix.data.slice(0, 6)]).toEqual([0, 1, 2, 1, 2, 3]);
  });
});

it('a label that all rows share is read, though its place in a dictionary takes no bits', async () => {
  const { matrix, targets, classNames } = await read('one-label.parquet', { labelColumn: 'label' });
  expect([...matrix.data]).toEqual([1, 2, 3]);
  expect({ targets: [...targets!], classNames }).toEqual({ targets: [0, 0, 0], classNames: ['one'] });
});

describe('what cannot be a feature', () => {
  it.each(SOME)('is refused by its name and type where it is asked for: %s', async (name) => {
    await failure(
      read(name, { featureColumns: ['genre'] }),
      'ERR_FORMAT',
      '"genre"',
      'found string',
      'labelColumn',
    );
  });

  it.each(['list.parquet', 'list.arrow'])('is a time, too: %s', async (name) => {
    await failure(read(name, { featureColumns: ['when'] }), 'ERR_FORMAT', '"when"', 'found timestamp');
  });
});

describe('nulls', () => {
  it.each(['nulls.parquet', 'nulls.arrow'])('of %s are errors with row and column, or NaN', async (name) => {
    await failure(read(name), 'ERR_FORMAT', 'row 7, column "embedding"', 'found null', "missingCells: 'nan'");
    const needed = read(name, { featureNames: Array.from({ length: WIDTH }, (_, i) => `embedding[${i}]`) });
    const { message } = await failure(needed, 'ERR_FORMAT', 'Fill it in or leave the row out.');
    expect(message).not.toContain('excludeColumns');
    await failure(read(name, { featureColumns: ['price'] }), 'ERR_FORMAT', 'row 31, column "price"');
    await failure(
      readLabels(fixture(name), { labelColumn: 'genre' }),
      'ERR_FORMAT',
      'row 33, column "genre"',
    );
    const { matrix } = await read(name, { featureColumns: ['embedding', 'price'], missingCells: 'nan' });
    const wanted = Array.from({ length: ROWS }, (_, row) => {
      const vector = [...vectors.subarray(row * WIDTH, (row + 1) * WIDTH)];
      if (row === 30) vector[2] = Number.NaN;
      const price = row === 31 ? Number.NaN : numbers[4 * row]!;
      return [...(row === 7 ? vector.fill(Number.NaN) : vector), price];
    });
    expect([...matrix.data]).toEqual(wanted.flat());
  });
});

it.each([
  ['ragged.parquet', '5'],
  ['empty-list.parquet', '0'],
  ['ragged.arrow', '0'],
])('a vector of another length is an error with its row: %s', async (name, found) => {
  await failure(
    read(name),
    'ERR_FORMAT',
    `row 40, column "embedding": expected 8 values, as in the first row that has any, found ${found}`,
  );
  expectNothingLeft(allocator, folder);
});

it.each(['long-list.parquet', 'long-list.arrow'])(
  'one vector that is longer than all others asks for no memory: %s',
  async (name) => {
    for (const missingCells of ['throw', 'nan'] as const) {
      await failure(read(name, { missingCells }), 'ERR_FORMAT', 'column "embedding"', 'row ');
    }
    await failure(read(name, { missingCells: 'nan' }), 'ERR_FORMAT', 'row 2, column "embedding"', 'found 1');
    expect(allocator.allocated).toBe(0);
  },
);

describe('an id column', () => {
  it.each(SOME)('of %s is no feature: its cells come as text', async (name) => {
    const texts = await read(name, { labelColumn: 'code', idColumn: 'genre' });
    expect(texts.ids).toEqual(Array.from(genres.targets, (target) => genres.classNames![target]!));
    expect(texts.idName).toBe('genre');
    expect(texts.unusedColumns ?? []).not.toContain('genre');
    const { ids } = await read(name, { labelColumn: 'genre', idColumn: 'code' });
    expect(ids).toEqual(Array.from(codes, String));
  });

  it('of numbers is no feature, and a row without one has an empty text', async () => {
    const path = folder.file(
      'ids.jsonl',
      '{"id": 7, "a": 1, "b": 2}\n{"id": null, "a": 3, "b": 4}\n{"a": 5, "b": 6}\n',
    );
    const { matrix, ids, featureNames } = await readMatrix(allocator, path, { idColumn: 'id' });
    expect(featureNames).toEqual(['a', 'b']);
    expect([...matrix.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ids).toEqual(['7', '', '']);
    matrix.free();
  });

  it.each(SOME)('of vectors is an error: %s', async (name) => {
    const reading = read(name, { idColumn: 'embedding', featureColumns: ['code'] });
    await failure(reading, 'ERR_FORMAT', 'one name or number a row', 'options.idColumn');
  });
});

describe('a file', () => {
  it.each(SOME)('tells how far it is read, and ends at 1: %s', async (name) => {
    const seen: number[] = [];
    await read(name, { labelColumn: 'genre', onProgress: (fraction) => seen.push(fraction) });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it.each(SOME)('is let go where its reading is aborted: %s', async (name) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = () => controller.abort(reason);
    const reading = read(name, { labelColumn: 'genre', signal: controller.signal, onProgress });
    await expect(reading).rejects.toBe(reason);
    expectNothingLeft(allocator, folder);
  });

  it.each([...SOME, 'list-v2.parquet', 'list-lz4.arrow', 'list.arrows'])(
    'that is cut off anywhere is an error, and nothing stays allocated: %s',
    async (name) => {
      const bytes = fixtureBytes(name);
      for (let length = 1; length < bytes.length - 2; length += 61) {
        const path = folder.file('cut', bytes.subarray(0, length));
        const reading = readFeatures(allocator, path, { labelColumn: 'genre' });
        const { error } = await reading.then(
          ({ matrix }) => ({ error: undefined, rows: matrix.dims[0] }),
          (error: Error & { code: string }) => ({ error, rows: 0 }),
        );
        // Lines and batches before the cut are whole.
        const isWhole = name.endsWith('.jsonl') || name.endsWith('.arrows');
        if (error) expect(['ERR_FORMAT', 'ERR_OPTION'], error.message).toContain(error.code);
        else expect(isWhole, `${length} bytes`).toBe(true);
      }
      expect(folder.openFiles()).toEqual([]);
    },
  );

  it('within gzip is read where it has lines, and refused with a remedy where parts of it are needed', async () => {
    const path = folder.file('a.jsonl.gz', gzipSync(fixtureBytes('list.jsonl')));
    expect([...(await readMatrix(allocator, path, { labelColumn: 'genre' })).matrix.data]).toEqual([
      ...vectors,
    ]);
    for (const name of ['list.parquet', 'list.arrow', 'list.arrows']) {
      const packed = folder.file(`${name}.gz`, gzipSync(readFileSync(fixture(name))));
      await failure(readMatrix(allocator, packed), 'ERR_FORMAT', 'found gzip', 'gunzip');
    }
  });

  it('is told by its content', async () => {
    for (const name of TABLES.filter((name) => !name.startsWith('old'))) {
      expect(await detectFormat(fixture(name)), name).toBe(formatOf(name));
    }
    await failure(detectFormat(fixture('old.feather')), 'ERR_FORMAT', 'Feather of version 1', 'version 2');
  });

  it('takes no options of other formats', async () => {
    await failure(read('list.parquet', { header: true }), 'ERR_OPTION', 'options.header');
    await failure(read('list.jsonl', { delimiter: ';' }), 'ERR_OPTION', 'options.delimiter');
  });
});

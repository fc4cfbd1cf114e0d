import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CsvOptions, detectFormat, readLabels, readMatrix } from '#softshard/main/data/index.js';
import { COMPRESSIONS, expected, fixture } from '../dense-fixtures.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

describe('files of scikit-learn', () => {
  const cases = ['one-based.svm', 'zero-based.svm', 'queries.svm'].flatMap((name) =>
    COMPRESSIONS.map(([end, compress]) => [name, end, compress] as const),
  );
  it.each(cases)('%s%s has the rows and labels of the .npy files', async (name, end, compress) => {
    const path = folder.file(`x${end}`, compress(readFileSync(fixture(name))));
    const { matrix, targets, classNames, format } = await readMatrix(allocator, path);
    expect(format).toBe('svmlight');
    expect([matrix.dims, [...matrix.data]]).toEqual([[12, 5], expected.X.flat()]);
    expect([...targets!]).toEqual(expected.y);
    expect(classNames).toEqual(['0', '1', '2']);
    expect([...(await readLabels(path)).targets]).toEqual(expected.y);
  });

  it('may begin with a byte order mark', async () => {
    const marked = Buffer.concat([Buffer.from('\ufeff'), readFileSync(fixture('queries.svm'))]);
    const { matrix, format } = await readMatrix(allocator, folder.file('x.svm', marked));
    expect([format, ...matrix.data]).toEqual(['svmlight', ...expected.X.flat()]);
  });

  it('take the number of features that a model has', async () => {
    const { matrix } = await readMatrix(allocator, fixture('one-based.svm'), { features: 7 });
    expect(matrix.dims).toEqual([12, 7]);
    expect([...matrix.data.subarray(0, 7)]).toEqual([...expected.X[0]!, 0, 0]);
    const few = readMatrix(allocator, fixture('one-based.svm'), { features: 4 });
    await failure(few, 'ERR_FORMAT', 'line 5', 'the 4 features that are known', '"5:-7"');
  });
});

describe('rows', () => {
  it.each<[content: string, options: CsvOptions, rows: readonly number[][], classNames?: readonly string[]]>([
    [
      '+1 1:0.5 3:2\n-1 2:1e-3\n',
      {},
      [
        [0.5, 0, 2],
        [0, Math.fround(1e-3), 0],
      ],
      ['-1', '+1'],
    ],
    [
      '1 0:1\n2 2:3 # note 7:7',
      {},
      [
        [1, 0, 0],
        [0, 0, 3],
      ],
      ['1', '2'],
    ],
    ['# Column indices are zero-based\n1 1:5\n', {}, [[0, 5]], ['1']],
    ['1\tqid:3\t1:2\r\n\r\n0 \r\n', {}, [[2], [0]], ['0', '1']],
    ['1 1:nan\n2 1:1\n', { missingCells: 'nan' }, [[Number.NaN], [1]], ['1', '2']],
    ['0.5 1:3\n', { skipLabels: true }, [[3]]],
    ['b 1:3\n'.replace('b', '2'), { classNames: ['3', '2'] }, [[3]], ['3', '2']],
  ])('%j %j', async (content, options, rows, classNames) => {
    const { matrix, ...rest } = await readMatrix(allocator, folder.file('x', content), options);
    expect([matrix.dims, [...matrix.data]]).toEqual([[rows.length, rows[0]!.length], rows.flat()]);
    expect(rest.format).toBe('svmlight');
    expect(rest.classNames).toEqual(classNames);
  });

  it('need no labels to predict, where the name says what they are', async () => {
    const path = folder.file('x.svm', '1:2 3:1\n2:5\n');
    const { matrix } = await readMatrix(allocator, path, { skipLabels: true });
    expect([...matrix.data]).toEqual([2, 0, 1, 0, 5, 0]);
    await failure(readMatrix(allocator, path), 'ERR_FORMAT', 'line 1: expected a label');
  });

  it.each<[content: string, finding: string]>([
    ['1 1:1 2147483648:1\n', 'line 1: expected at most 4194304 features, found "2147483648:1"'],
    [`${'1 1:1\n'.repeat(40)}1 4000000:1\n`, 'line 41: expected features of which a row has more than a few'],
    ['1 2:1 2:1\n', 'line 1: expected a feature index above 2, found "2:1"'],
    ['1 1:1\n1 1:x\n', 'line 2: expected index:value with a number, found "1:x"'],
    ['1 1:1\n1 1:nan\n', " missingCells: 'nan' reads it as NaN."],
    ['1 1:1e39\n', "within float32's range"],
    ['1,2 1:1\n', 'expected one label, found "1,2"'],
    ['0.5 1:1\n', 'continuous values'],
  ])('%j is refused', async (content, finding) => {
    await failure(readMatrix(allocator, folder.file('x', content)), 'ERR_FORMAT', finding);
    expectNothingLeft(allocator, folder);
  });

  it.each(['1\n2\n', '12:30\n13:45\n', 'a 1:2\n', '1 1:1\nfoo\n', '1,2\n3,4\n', '1 2 3\n'])(
    '%j is CSV',
    async (content) => expect(await detectFormat(folder.file('x.txt', content))).toBe('csv'),
  );
});

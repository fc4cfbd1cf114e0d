// Cells that are lists of numbers.
import { expect, it } from 'vitest';
import { type CsvOptions, readCsv, readLabels } from '#softshard/main/data/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const NAMES = ['e[0]', 'e[1]'];

it.each<[content: string, options: CsvOptions, rows: number[][], names?: string[]]>([
  [
    'id,e,k\n7,"[0.5, 1]",a\n8,"[2,-3e1]",b\n',
    { labelColumn: 'k' },
    [
      [7, 0.5, 1],
      [8, 2, -30],
    ],
    ['id', ...NAMES],
  ],
  [
    'e,k\n[0.5 1.],a\n[ 2  3],b\n',
    { labelColumn: -1 },
    [
      [0.5, 1],
      [2, 3],
    ],
    NAMES,
  ],
  ['e\n"[0.5\n 1. ]"\n', {}, [[0.5, 1]], NAMES],
  [
    '"[1, 2]",a\n"[3, 4]",b\n',
    { labelColumn: 1 },
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['id,e,k\n7,"[1, 2]",a\n', { labelColumn: 2, featureColumns: ['e'] }, [[1, 2]], NAMES],
  ['id,e,k\n7,"[1, 2]",a\n', { labelColumn: 'k', featureColumns: [1, 0] }, [[1, 2, 7]], [...NAMES, 'id']],
  [
    'id,e,k\n7,"[1, 2]",a\n',
    { labelColumn: 'k', featureNames: ['e[1]', 'e[0]'] },
    [[2, 1]],
    ['e[1]', 'e[0]'],
  ],
  ['e\n"[1, 2]"\n""\n'.replace('""', '"",'), { featureColumns: ['e'] }, []],
])('%j %j', async (content, options, rows, names) => {
  const path = folder.file('a.csv', content);
  if (rows.length === 0) {
    await failure(readCsv(allocator, path, options), 'ERR_FORMAT', path, 'line 3');
    return;
  }
  const { matrix, featureNames } = await readCsv(allocator, path, options);
  expect([matrix.dims, [...matrix.data]]).toEqual([[rows.length, rows[0]!.length], rows.flat()]);
  expect(featureNames).toEqual(names);
});

it('labels beside lists are read alone, and a label that looks like a list is a name', async () => {
  const path = folder.file('a.csv', 'e,k\n"[1, 2]",[1]\n"[3, 4]",[2]\n');
  expect((await readLabels(path, { labelColumn: 'k' })).classNames).toEqual(['[1]', '[2]']);
  const { classNames, matrix } = await readCsv(allocator, path, { labelColumn: 'k' });
  expect([classNames, ...matrix.data]).toEqual([['[1]', '[2]'], 1, 2, 3, 4]);
});

it('missing lists are missing numbers', async () => {
  const path = folder.file('a.csv', 'e,k\n"[1, 2]",a\n,b\n');
  await failure(
    readCsv(allocator, path, { labelColumn: 'k' }),
    'ERR_FORMAT',
    'line 3',
    '"e[0]"',
    'empty cell',
  );
  const { matrix } = await readCsv(allocator, path, { labelColumn: 'k', missingCells: 'nan' });
  expect([...matrix.data]).toEqual([1, 2, Number.NaN, Number.NaN]);
});

it.each<[content: string, parts: string[]]>([
  ['e\n"[1, 2]"\n"[1, 2, 3]"\n', ['line 3, column 1: expected a list of 2 numbers', 'found 3']],
  ['e\n"[1, 2]"\n5\n', ['line 3, column 1: expected a list of 2 numbers', 'found 1']],
  ['e\n"[1, x]"\n', ['line 2, column 2 ("e[1]"): expected a number, found "x"']],
  ['e\n"[1 2 ... 9]"\n', ['found "..."']],
  ['e\n[]\n', ['found "[]"']],
])('%j is refused', async (content, parts) => {
  await failure(readCsv(allocator, folder.file('a.csv', content)), 'ERR_FORMAT', ...parts);
  expectNothingLeft(allocator, folder);
});

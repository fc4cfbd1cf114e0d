// Columns of CSV that are left out of the features because their cells are text.
import { describe, expect, it } from 'vitest';
import { type Files, readCsv } from '#softshard/main/index.js';
import { failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();
const read = (text: string, options: Files.CsvOptions = {}) =>
  readCsv(allocator, folder.file('a.csv', text), options);

/** A table of `a` and `t`, the cells of which are given. */
const tableOf = (cells: readonly string[]) => `a,t\n${cells.map((cell, row) => `${row},${cell}\n`).join('')}`;
const times = (count: number, cell: string) => Array<string>(count).fill(cell);

describe('columns of text', () => {
  it('are left out and named, whether rows are plain or not', async () => {
    for (const name of ['ann', '"ann ""x"""', '"ann, x"']) {
      const rows = Array.from({ length: 30 }, (_, row) => `K${row},${name},2024-01-0${row % 9},${row},x\n`);
      const file = await read(`id,name,born,a,kind\n${rows.join('')}`, { labelColumn: 'kind' });
      expect(file.featureNames).toEqual(['a']);
      expect(file.unusedColumns).toEqual(['id', 'name', 'born']);
      expect([...file.matrix.data]).toEqual(rows.map((_, row) => row));
      expect(file.targets).toHaveLength(30);
    }
  });

  it('may have missing cells, fewer than texts, and numbers after ten rows', async () => {
    const file = await read(tableOf(['', ...times(5, 'x'), 'NA', ...times(3, 'y'), '7', '']));
    expect([file.featureNames, file.unusedColumns, file.matrix.dims]).toEqual([['a'], ['t'], [12, 1]]);
  });

  it('of the label, the id and other options are what those say', async () => {
    const text = 'name,key,a\nann,x,1\nbob,y,2\ncy,x,3\n';
    const labeled = await read(text, { labelColumn: 'key', idColumn: 'name' });
    expect([labeled.featureNames, labeled.ids, labeled.classNames]).toEqual([
      ['a'],
      ['ann', 'bob', 'cy'],
      ['x', 'y'],
    ]);
    expect(labeled).not.toHaveProperty('unusedColumns');
    const excluded = await read(text, { excludeColumns: ['name'] });
    expect([excluded.featureNames, excluded.unusedColumns]).toEqual([['a'], ['key']]);
    for (const options of [{ featureColumns: ['key', 'a'] }, { featureNames: ['key', 'a'] }]) {
      await failure(read(text, options), 'ERR_FORMAT', 'line 2', 'expected a number, found "x"');
    }
  });

  it('are dates in several forms', async () => {
    for (const date of ['2024-11-30', '30/11/2024', '12:30', '30.11.2024', '30.11.24 12:00']) {
      expect((await read(tableOf(times(3, date)))).unusedColumns, date).toEqual(['t']);
    }
  });

  it('where their cells are long, so that few rows are held', async () => {
    const file = await read(tableOf([...times(3, 'x'.repeat(2 ** 23)), '7', '7']));
    expect([file.unusedColumns, file.matrix.dims]).toEqual([['t'], [5, 1]]);
  });

  it('beside row numbers without a name', async () => {
    const file = await read(',name,a\n0,ann,5\n1,bob,6\n');
    expect([file.featureNames, file.unusedColumns]).toEqual([['a'], ['', 'name']]);
  });
});

describe('what is no column of text stays an error', () => {
  it.each([
    ['a number among ten rows', [...times(9, 'x'), '7'], '"x"'],
    ['text after ten numbers', [...times(10, '7'), 'x'], '"x"'],
    ['one row', ['x'], '"x"'],
    ['one text among missing cells', ['', '', 'x', ''], 'an empty cell'],
    ['numbers with commas', times(12, '"1,5"'), '"1,5"'],
    ['numbers with signs', times(12, '12 %'), '"12 %"'],
    ['numbers with units', times(12, '5 kg'), '"5 kg"'],
    ['numbers with currencies', times(12, 'EUR 1.50'), '"EUR 1.50"'],
    ['thousands', times(12, '132k'), '"132k"'],
    ['numbers that are grouped', times(12, '1.234.567'), '"1.234.567"'],
    ['exponents after a comma', times(12, '"1,5e-3"'), '"1,5e-3"'],
    ['exponents of Fortran', times(12, '1.5D+03'), '"1.5D+03"'],
    ['hexadecimal numbers', times(12, '0x1F'), '"0x1F"'],
    ['infinity of Visual C++', times(12, '1.#INF'), '"1.#INF"'],
    ['lists of which the first is no number', times(12, '"[nan, 1e-3]"'), '"[nan, 1e-3]"'],
    ['numbers beyond float32', times(12, '1e99'), 'found 1e99'],
  ])('%s', async (_, cells, found) => {
    await failure(read(tableOf(cells)), 'ERR_FORMAT', 'column 2 ("t"): expected', found);
    expect(allocator.freed).toBe(allocator.allocated);
  });

  it('a table without numbers, and one without names', async () => {
    await failure(read('s,t\nx,y\nx,y\nx,y\n'), 'ERR_FORMAT', 'line 2, column 1 ("s"): expected a number');
    await failure(read('x,1\nx,2\nx,3\n'), 'ERR_FORMAT', 'line 1, column 1: expected a number');
    await failure(read('t,2019\nx,2\nx,3\n'), 'ERR_FORMAT', 'line 1, column 1: expected a number');
    // Line 1 has texts alone, but may be a row whose numbers are missing.
    const last = { labelColumn: -1 };
    await failure(read('red,,0\nblue,1.5,1\ngreen,2.5,0\n', last), 'ERR_FORMAT', 'line 2, column 1');
    await failure(read('tom,?,NA\nbob,1,2\nann,3,4\n'), 'ERR_FORMAT', 'line 2, column 1');
    const asked = await read('red,,0\nblue,1.5,1\ngreen,2.5,0\n', { ...last, header: true });
    expect([asked.unusedColumns, asked.matrix.dims]).toEqual([['red'], [2, 1]]);
  });

  it('a column of the same name as one of numbers, which a model could not find', async () => {
    await failure(read('a,b,b\n1,x,2\n3,y,4\n'), 'ERR_FORMAT', 'line 2, column 2 ("b"): expected a number');
  });
});

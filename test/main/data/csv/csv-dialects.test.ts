// CSV as other programs write it: delimiters, decimal commas, truth values.
import { describe, expect, it } from 'vitest';
import { type CsvOptions, readCsv, readLabels } from '#softshard/main/data/index.js';
import { failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const read = (text: string, options: CsvOptions = {}) =>
  readCsv(allocator, folder.file('table.csv', text), options);

async function valuesOf(text: string, options?: CsvOptions): Promise<number[][]> {
  const { dims, data } = (await read(text, options)).matrix;
  return Array.from({ length: dims[0] }, (_, row) => [...data.subarray(row * dims[1], (row + 1) * dims[1])]);
}

/** Delimiters of which the second keeps rows from being plain. */
const BOTH_WAYS = [';', 'ab'];

describe('the delimiter that line 1 has in place of commas', () => {
  it.each([
    ['a;b\n1;2\n', [[1, 2]]],
    ['a|b\n1|2\n', [[1, 2]]],
    ['"a, b";c\n1;2\n', [[1, 2]]],
    [
      '1;2\n3;4\n',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['a;b\tc\n1;2\t3\n', undefined],
    ['"a;b",c\n1,2\n', [[1, 2]]],
    ['a,b;c\n1,2\n', [[1, 2]]],
  ])('is taken in %j', async (text, wanted) => {
    if (wanted) expect(await valuesOf(text)).toEqual(wanted);
    // Tabs go first.
    else await failure(read(text), 'ERR_FORMAT', 'line 2, column 1 ("a;b")', 'found "1;2"');
  });

  it('is also that of a column of labels, but not of labels alone', async () => {
    const path = folder.file('labels.csv', 'k;n\na;1\nb;2\n');
    expect((await readLabels(path, { labelColumn: 'k' })).classNames).toEqual(['a', 'b']);
    const genres = folder.file('genres.txt', 'Drama|Comedy\nDrama;War\nDrama|Comedy\n');
    expect((await readLabels(genres)).classNames).toEqual(['Drama;War', 'Drama|Comedy']);
  });
});

describe('decimal commas', () => {
  const options = { decimal: ',' } as const;

  it.each(BOTH_WAYS)('are read with delimiter %j', async (delimiter) => {
    const text = 'x;y\n1,5;-2,25e1\n3;,5\n'.replaceAll(';', delimiter);
    expect(await valuesOf(text, { ...options, delimiter })).toEqual([
      [1.5, -22.5],
      [3, 0.5],
    ]);
  });

  it('do not keep semicolons in line 1 from being found, nor make it names', async () => {
    expect(await valuesOf('1,5;2,5\n3,5;4\n', options)).toEqual([
      [1.5, 2.5],
      [3.5, 4],
    ]);
    const { header, matrix } = await read('1,5;u\n2,5;v\n', { ...options, labelColumn: -1 });
    expect({ header, data: [...matrix.data] }).toEqual({ header: false, data: [1.5, 2.5] });
  });

  it('may stand in quotes between commas', async () => {
    expect(await valuesOf('x,y\n"1,5","2,5"\n', options)).toEqual([[1.5, 2.5]]);
    expect(await valuesOf('x,y\n1,5\n', { ...options, delimiter: ',' })).toEqual([[1, 5]]);
  });

  it.each(BOTH_WAYS)('leave points to nobody, with delimiter %j', async (delimiter) => {
    const text = 'x;y\n1,5;1.234\n'.replaceAll(';', delimiter);
    const reading = read(text, { ...options, delimiter });
    await failure(reading, 'ERR_FORMAT', 'column 2 ("y")', 'found "1.234"', 'a decimal comma and no points');
  });

  it('of labels are numbers, too', async () => {
    const text = 'x;k\n1,5;2,0\n2,5;1\n';
    expect((await read(text, { ...options, labelColumn: 'k' })).classNames).toEqual(['1', '2.0']);
    const path = folder.file('labels.csv', text);
    expect((await readLabels(path, { ...options, labelColumn: 'k' })).classNames).toEqual(['1', '2.0']);
    const values = text.replace('2,0', '2,7');
    await failure(read(values, { ...options, labelColumn: 'k' }), 'ERR_FORMAT', 'continuous values');
  });

  it('are told of where they are not asked for', async () => {
    const hint = 'If commas are decimal points, pass options.decimal ","';
    await failure(read('x;y\n1,5;2\n'), 'ERR_FORMAT', 'column 1 ("x")', 'found "1,5"', hint);
    await failure(read('1,5;2\n'), 'ERR_FORMAT', 'line 1, column 1', 'found "1,5"', hint);
    await failure(read('x;y\n"1,234.5";2\n'), 'ERR_FORMAT', 'with a decimal point and no commas');
  });
});

describe('truth values', () => {
  it.each(BOTH_WAYS)('are 1 and 0, with delimiter %j', async (delimiter) => {
    const text = 'x;y;z\nTrue;FALSE;0.5\nfalse;true;1\n'.replaceAll(';', delimiter);
    expect(await valuesOf(text, { delimiter })).toEqual([
      [1, 0, 0.5],
      [0, 1, 1],
    ]);
  });

  it.each(BOTH_WAYS)('are errors in a column of numbers, with delimiter %j', async (delimiter) => {
    const text = 'x;y\n1;True\n0;False\ntrue;1\n'.replaceAll(';', delimiter);
    await failure(read(text, { delimiter }), 'ERR_FORMAT', 'line 4, column 1 ("x")', 'found "true"');
    const gap = ['x;y\nNA;1\n', 'True;2\n'].join('').replaceAll(';', delimiter);
    expect(await valuesOf(gap, { delimiter, missingCells: 'nan' })).toEqual([
      [Number.NaN, 1],
      [1, 2],
    ]);
  });

  it('are no names in line 1', async () => {
    const { header, matrix } = await read('True,False,a\nFalse,False,b\n', { labelColumn: -1 });
    expect({ header, data: [...matrix.data] }).toEqual({ header: false, data: [1, 0, 0, 0] });
  });

  it('stay words as labels', async () => {
    const { classNames } = await read('x,k\n1,True\n2,False\n', { labelColumn: 'k' });
    expect(classNames).toEqual(['False', 'True']);
  });
});

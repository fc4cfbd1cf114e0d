// Line 1 of CSV files: names or values, and which columns are meant by names.
import { describe, expect, it } from 'vitest';
import { type CsvOptions, readCsv, readLabels } from '#softshard/main/data/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const read = (text: string, options: CsvOptions = {}) =>
  readCsv(allocator, folder.file('table.csv', text), options);

const readAlone = (text: string, options: CsvOptions = {}) =>
  readLabels(folder.file('labels.txt', text), options);

describe('line 1 that counts 0, 1, 2, … is', () => {
  it.each([
    ['names, above other values', '0,1\n0.5,3\n2.5,1\n1.5,0\n', {}, 3],
    ['names, above whole numbers', '0,1,2\n7,8,9\n', {}, 1],
    ['names, above zeros and ones in three columns', '0,1,2\n0,1,0\n1,1,1\n', {}, 2],
    ['names, with a column of labels that counts along', '0,1,2\n0.5,3,1\n2.5,1,0\n', { labelColumn: -1 }, 2],
    ['names, with labels in front', '0,1,2\n1,0.5,3\n0,2.5,1\n', { labelColumn: 0 }, 2],
    ['a row, among zeros and ones', '0,1\n1,0\n1,1\n', {}, 3],
    ['a row, where it is the only one', '0,1,2\n', {}, 1],
    ['a row, with one column', '0\n0.5\n1.5\n', {}, 3],
  ] as const)('by guess %s (F3)', async (_, text, options, rows) => {
    const { matrix, header, headerIsGuess, featureNames, targets } = await read(text, options);
    expect(matrix.dims[0]).toBe(rows);
    const lines = text.trim().split('\n');
    expect({ header, headerIsGuess: headerIsGuess ?? false }).toEqual({
      header: rows < lines.length,
      // The only line is a row, since names alone are no use.
      headerIsGuess: lines.length > 1,
    });
    expect(featureNames !== undefined).toBe(header);
    if (targets) expect(targets.length).toBe(rows);
    for (const other of [!header, header]) {
      if (other && lines.length === 1) continue;
      const said = await read(text, { ...options, header: other });
      expect([said.matrix.dims[0], said.header, said.headerIsGuess]).toEqual([
        lines.length - (other ? 1 : 0),
        other,
        undefined,
      ]);
    }
  });

  it.each([
    ['names, above labels that are words', '0,1,2\n0,1,x\n1,0,y\n', { labelColumn: 2 }, true],
    [
      'names, with a word above labels that are numbers',
      '0,1,target\n0,1,5\n1,0,6\n',
      { labelColumn: 2 },
      true,
    ],
    ['names, with the gap above row numbers', ',0,1\n0,5,6\n1,7,8\n', {}, true],
    ['a row, whose label comes again', '0,1,x\n1,0,y\n2,5,x\n', { labelColumn: 2 }, false],
  ] as const)('for certain %s (F3)', async (_, text, options, header) => {
    const table = await read(text, options);
    expect(table.matrix.dims[0]).toBe(header ? 2 : 3);
    expect([table.header, table.headerIsGuess]).toEqual([header, undefined]);
    if (!header) {
      expect([...table.matrix.data]).toEqual([0, 1, 1, 0, 2, 5]);
      expect(table.targets).toEqual(Int32Array.of(0, 1, 0));
      expect([allocator.allocated, allocator.freed]).toEqual([2, 1]);
    }
  });

  it.each(['0,1.0\n1,0\n', '1,2\n3,4\n', '0,2\n3,4\n', '0,1,1\n3,4,5\n', '00,01\n3,4\n'])(
    'values where it does not: %j (F3)',
    async (text) => {
      const table = await read(text);
      expect([table.matrix.dims[0], table.header, table.headerIsGuess]).toEqual([2, false, undefined]);
    },
  );

  it.each([
    'nan,nan,0\n1,2,1\n3,4,0\n',
    'NaN,,0\n1,2,1\n',
    'NA,NA,0\n1,2,1\n',
    'inf,-inf,1\n1,2,1\n',
    '?,?,1\n1,2,0\n',
  ])('no names where values are missing: %j (F3)', async (text) => {
    await failure(
      read(text, { labelColumn: -1 }),
      'ERR_FORMAT',
      'line 1, column 1: expected a number, found',
    );
    expectNothingLeft(allocator, folder);
  });

  it('is refused in full where it is a row and its label is none', async () => {
    await failure(read('0,1,\n1,0,y\n1,1,y\n', { labelColumn: 2 }), 'ERR_FORMAT', 'line 1: expected a label');
    expectNothingLeft(allocator, folder);
  });
});

describe('labels below a name', () => {
  it.each([
    ['0 above words', '0\nsetosa\nvirginica\n', {}, { header: true, classNames: ['setosa', 'virginica'] }],
    [
      '0 above given words',
      '0\nb\na\n',
      { classNames: ['a', 'b'] },
      { header: true, classNames: ['a', 'b'] },
    ],
    ['0 above numbers', '0\n0\n1\n', {}, { header: false, headerIsGuess: true, classNames: ['0', '1'] }],
    ['5 above words', '5\nsetosa\n', {}, { header: false, classNames: ['5', 'setosa'] }],
    [
      'row numbers with 0 above words',
      ',0\n0,a\n1,b\n',
      { labelColumn: 1 },
      { header: true, classNames: ['a', 'b'] },
    ],
    [
      'counted columns above numbers',
      '0,1,2\n7,7,5\n8,8,6\n',
      { labelColumn: 2 },
      { header: true, headerIsGuess: true, classNames: ['5', '6'] },
    ],
    [
      'two counted columns',
      '0,1\n7,1\n8,0\n',
      { labelColumn: 1 },
      { header: false, headerIsGuess: true, classNames: ['0', '1'] },
    ],
  ])('are told by the others: %s (F3)', async (_, text, options, expected) => {
    const { header, headerIsGuess, classNames, targets } = await readAlone(text, options);
    expect({ header, ...(headerIsGuess && { headerIsGuess }), classNames }).toEqual(expected);
    expect(targets.length).toBe(text.trim().split('\n').length - (header ? 1 : 0));
  });
});

describe('another delimiter than is expected', () => {
  it.each([
    ['the label by name', 'a;b;k\r\n1;2;x\r\n', { labelColumn: 'k' }, 'ERR_OPTION'],
    ['the label by index', 'a;b;k\n1;2;x\n', { labelColumn: 2 }, 'ERR_OPTION'],
    ['the label as the last', 'a;b;k\n1;2;x\n', { labelColumn: -1 }, 'ERR_FORMAT'],
    ["a model's features", 'a;b\n1;2\n', { featureNames: ['a', 'b'] }, 'ERR_FORMAT'],
    ['the label of numbers with blanks between', '1.0 2.0 0\n', { labelColumn: 2 }, 'ERR_OPTION'],
  ] as const)('is named where one asks for %s (F17)', async (_, text, options, code) => {
    const delimiter = text.includes(';') ? ';' : ' ';
    await failure(read(text, { ...options, delimiter: ',' }), code, `pass options.delimiter "${delimiter}"`);
  });
});

it('decimal commas are named, and an empty file is told from one of another kind', async () => {
  const options = { delimiter: ';', labelColumn: 'k' };
  await failure(read('a;b;k\n1,5;2;x\n', options), 'ERR_FORMAT', '"1,5"', 'pass options.decimal ","');
  await failure(readAlone(''), 'ERR_FORMAT', 'found an empty file', 'Write or fetch it again');
});

it('an empty cell in line 1 may stand among names, says the message', async () => {
  const line = 'line 1, column 1: expected a number, found an empty cell';
  await failure(read(',0,1,k\n0,1.5,2,3\n'), 'ERR_FORMAT', line, 'header: true');
  const table = await read(',0,1,k\n0,1.5,2,3\n', { header: true });
  expect(table).toMatchObject({ featureNames: ['0', '1', 'k'], unusedColumns: [''] });
});

it('a first column without a name holds numbers or names of rows: it is left out, but for who asks for it', async () => {
  const text = '"","a","b"\n"1",0.5,2\n"2",1.5,3\n';
  const table = await read(text);
  expect(table).toMatchObject({ featureNames: ['a', 'b'], unusedColumns: [''] });
  expect([...table.matrix.data]).toEqual([0.5, 2, 1.5, 3]);
  const again = await read(text.replace('""', 'Unnamed: 0'));
  expect(again).toMatchObject({ featureNames: ['a', 'b'], unusedColumns: ['Unnamed: 0'] });
  const whole = await read(text, { featureColumns: [0, 1, 2], header: true });
  expect([...whole.matrix.data]).toEqual([1, 0.5, 2, 2, 1.5, 3]);
  expect(whole.unusedColumns).toBeUndefined();
});

describe('blanks between numbers', () => {
  it.each(['1.0e+00 2.0e+00\n3.0e+00 4.0e+00\n', '1 2\n', '1  2\n3 4\n'])(
    'give a hint at the delimiter, also in line 1: %j (F17)',
    async (text) => {
      await failure(
        read(text),
        'ERR_FORMAT',
        'line 1, column 1',
        'separated by " ", pass options.delimiter " "',
      );
      expectNothingLeft(allocator, folder);
    },
  );

  it('are read with the delimiter they have (F17)', async () => {
    const { matrix } = await read('1.0e+00 2.0e+00\n3.0e+00 4.0e+00\n', { delimiter: ' ' });
    expect([...matrix.data]).toEqual([1, 2, 3, 4]);
  });

  it('are no labels, one for each combination (F17, F19)', async () => {
    const oneHot = '1.0e+00 0.0e+00\n0.0e+00 1.0e+00\n';
    await failure(
      readAlone(oneHot),
      'ERR_FORMAT',
      'expected one label a line, found 2 numbers',
      'labelColumn',
    );
    expect((await readAlone('ankle boot\nt shirt\n')).classNames).toEqual(['ankle boot', 't shirt']);
  });
});

describe('featureNames', () => {
  const featureNames = ['a', 'b'];

  it.each([
    ['another order', 'b,a\n1,2\n3,4\n', [2, 1, 4, 3], undefined],
    ['the same order', 'a,b\n1,2\n3,4\n', [1, 2, 3, 4], undefined],
    ['further columns, of words too', 'id,b,note,a\nx,1,y,2\nz,3,,4\n', [2, 1, 4, 3], ['id', 'note']],
    ['names of which some are numbers', 'b,7,a\n1,2,3\n4,5,6\n', [3, 1, 6, 4], ['7']],
    ['no names', '1,2\n3,4\n', [1, 2, 3, 4], undefined],
    ['names that only count', '0,1\n1,2\n3,4\n', [1, 2, 3, 4], undefined],
  ])('bring columns into the order of the model: %s (F2)', async (_, text, values, unusedColumns) => {
    const table = await read(text, { featureNames });
    expect([...table.matrix.data]).toEqual(values);
    expect(table.unusedColumns).toEqual(unusedColumns);
  });

  it('leave the label column out, and take its place in no feature (F2)', async () => {
    const table = await read('b,k,a\n1,x,2\n3,y,4\n', { featureNames, labelColumn: 'k' });
    expect([...table.matrix.data]).toEqual([2, 1, 4, 3]);
    expect([table.featureNames, table.unusedColumns]).toEqual([['a', 'b'], undefined]);
    await failure(read('b,k,a\n1,x,2\n', { featureNames, labelColumn: 'a' }), 'ERR_FORMAT', '"a" is missing');
    const skipped = await read('b,k,a\n1,,2\n', { featureNames, labelColumn: 'k', skipLabels: true });
    expect([skipped.targets, skipped.unusedColumns]).toEqual([undefined, undefined]);
  });

  it('that are missing or found twice end with both lists (F2)', async () => {
    const error = await failure(
      read('c,b,k\n1,2,x\n', { featureNames, labelColumn: 'k' }),
      'ERR_FORMAT',
      'line 1: expected the model\'s features "a", "b", found "c", "b": "a" is missing',
      'options.featureColumns',
    );
    expect(error.value).toEqual(['a']);
    await failure(read('a,b,a\n1,2,3\n', { featureNames }), 'ERR_FORMAT', '"a"', 'columns 1 and 3');
    expect([...(await read('c,b,a,c\n1,2,3,4\n', { featureNames })).matrix.data]).toEqual([3, 2]);
    const many = Array.from({ length: 5000 }, (_, i) => `n${i}`);
    const long = await failure(read('a,b\n1,2\n', { featureNames: many }), 'ERR_FORMAT', 'and 4980 more');
    expect(long.message.length).toBeLessThan(2000);
    expect(allocator.allocated, 'only where all were found').toBe(1);
  });

  it('of numbers are found in any order, as a guess (F2, F3)', async () => {
    const table = await read('2,1,0\n7,8,9\n', { featureNames: ['0', '1', '2'] });
    expect([...table.matrix.data]).toEqual([9, 8, 7]);
    expect([table.header, table.headerIsGuess]).toEqual([true, true]);
    const years = await read('2020,2019\n7,8\n', { featureNames: ['2019', '2020'] });
    expect([...years.matrix.data]).toEqual([8, 7]);
    const row = await read('0,1\n', { featureNames: ['0', '1'] });
    expect([row.header, row.matrix.dims[0]]).toEqual([false, 1]);
  });

  it('count before featureColumns where there are names, else these do (F2)', async () => {
    const options = { featureNames: ['b', 'a'], featureColumns: [0, 2] };
    expect([...(await read('a,b,c\n1,2,3\n', options)).matrix.data]).toEqual([2, 1]);
    expect([...(await read('1,2,3\n', options)).matrix.data]).toEqual([1, 3]);
  });

  it('and the other options are checked before the file is looked at', async () => {
    const refused = (options: object, ...parts: string[]) =>
      failure(readCsv(allocator, '/not/there.csv', options as CsvOptions), 'ERR_OPTION', ...parts);
    await refused({ featureNames: 'a' }, "options.featureNames is 'a'", 'array');
    await refused({ featureNames: ['a', 1] }, 'options.featureNames[1] is 1', 'a string');
    await refused({ skipLabels: 'yes' }, "options.skipLabels is 'yes'");
    await refused({ numericLabels: 'all' }, "options.numericLabels is 'all'", "'whole', 'any'");
  });
});

it('a header of many columns with one name is no slower than others', async () => {
  const names = Array.from({ length: 200_000 }, () => 'x').join(',');
  const path = folder.file('wide.csv', `${names}\n`);
  await failure(
    readCsv(allocator, path, { featureNames: ['x'] }),
    'ERR_FORMAT',
    '"x", found it as columns 1 and 2',
  );
});

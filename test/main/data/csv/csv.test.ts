import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countRecords } from '#softshard/main/data/csv/csv-records.js';
import { withDataFile } from '#softshard/main/data/data-file.js';
import { type CsvOptions, readCsv, readLabels } from '#softshard/main/data/index.js';
import { type Allocator, hostMemory } from '#softshard/main/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const read = (text: string | Uint8Array, options: CsvOptions = {}) =>
  readCsv(allocator, folder.file('table.csv', text), options);

/** The call must fail with ERR_FORMAT naming the file and these parts, and free what it allocated. */
async function refused(text: string, options: CsvOptions, ...parts: string[]) {
  const error = await failure(read(text, options), 'ERR_FORMAT', join(folder.path, 'table.csv'), ...parts);
  expectNothingLeft(allocator, folder);
  return error;
}

const iris = 'length,width,species\n5.1,3.5,setosa\n7.0,-3.2e0,versicolor\n6.3,.3,setosa\n';

describe('readCsv', () => {
  it('reads a header, features and string labels as sorted classes', async () => {
    const table = await read(iris, { labelColumn: 'species' });
    expect(table.matrix.dims).toEqual([3, 2]);
    expect([...table.matrix.data]).toEqual([5.1, 3.5, 7, -3.2, 6.3, 0.3].map(Math.fround));
    expect(table.targets).toEqual(Int32Array.of(0, 1, 0));
    expect(table.classNames).toEqual(['setosa', 'versicolor']);
    expect(table.featureNames).toEqual(['length', 'width']);
    expect(allocator.allocated, 'one allocation').toBe(1);
  });

  it('reads gzip, CRLF, a byte order mark, blank lines and a last line without end alike', async () => {
    const expected = await read(iris, { labelColumn: 'species' });
    const variants = [
      gzipSync(iris),
      iris.replaceAll('\n', '\r\n'),
      iris.replaceAll('\n', '\r'),
      `\uFEFF${iris}`,
      `\uFEFF\n\n${iris.replaceAll('\n', '\n\n \t\n')}\n\n`,
      iris.trimEnd(),
      iris.replace('\n', '\r\n'),
      iris.replaceAll(',', ' ,\t'),
      iris.replaceAll(/[^,\n]+/g, '"$&"'),
    ];
    for (const [index, variant] of variants.entries()) {
      const table = await read(variant, { labelColumn: 'species' });
      expect(table.matrix.dims, `variant ${index}`).toEqual([3, 2]);
      expect([...table.matrix.data], `variant ${index}`).toEqual([...expected.matrix.data]);
      expect(table.targets, `variant ${index}`).toEqual(expected.targets);
      expect(table.classNames, `variant ${index}`).toEqual(expected.classNames);
      expect(table.featureNames, `variant ${index}`).toEqual(expected.featureNames);
    }
  });

  it('reads quoted fields with delimiters, quotes and line ends in them', async () => {
    const text = '"a ""b""","c,d",kind\n1,"2","x, y"\n3,4,"two\nlines"\n5,6,"say ""hi"""\n';
    const table = await read(text, { labelColumn: 'kind' });
    expect([...table.matrix.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(table.featureNames).toEqual(['a "b"', 'c,d']);
    expect(table.classNames).toEqual(['say "hi"', 'two\nlines', 'x, y']);
    expect(table.targets).toEqual(Int32Array.of(2, 1, 0));
  });

  it('sorts numeric labels by value: 2 before 10; 1.0, 1 and +1 are one class, called as it is first written', async () => {
    const table = await read('0,10\n0,2\n0,1.0\n0,1\n0,+1\n0,-1\n', { labelColumn: 1 });
    expect(table.classNames).toEqual(['-1', '1.0', '2', '10']);
    expect(table.targets).toEqual(Int32Array.of(3, 2, 1, 1, 1, 0));
  });

  it('sorts labels as text when one of them is not a number', async () => {
    const table = await read('0,10\n0,2\n0,b\n0,B\n', { labelColumn: 1 });
    expect(table.classNames).toEqual(['10', '2', 'B', 'b']);
    expect(table.targets).toEqual(Int32Array.of(0, 1, 3, 2));
  });

  it('maps labels to given class names in their order, absent classes kept', async () => {
    const classNames = ['virginica', 'setosa', 'versicolor'];
    const table = await read(iris, { labelColumn: 'species', classNames });
    expect(table.targets).toEqual(Int32Array.of(1, 2, 1));
    expect(table.classNames).toEqual(classNames);
    const numbers = await read('0,1.0\n0,0\n', { labelColumn: 1, classNames: ['0', '1', '2'] });
    expect(numbers.targets).toEqual(Int32Array.of(1, 0));
  });

  it('names line and value of a label that is not a given class', async () => {
    const classNames = ['setosa', 'virginica'];
    const options = { labelColumn: 'species', classNames };
    const error = await refused(iris, options, 'line 3', 'setosa, virginica', '"versicolor"');
    expect([error.row, error.value]).toEqual([1, 'versicolor']);
    expect(allocator.allocated).toBe(1);
  });

  it.each([
    ['first', 0, [1, 2, 3, 4]],
    ['last, as -1', -1, [9, 1, 8, 3]],
  ])('takes a label column by index: %s', async (_, labelColumn, features) => {
    const { matrix, featureNames } = await read('9,1,2\n8,3,4\n', { labelColumn });
    expect([...matrix.data]).toEqual(features);
    expect(featureNames).toBeUndefined();
  });

  it('takes feature columns by name or index in the order asked for, ignoring text in the others', async () => {
    const text = 'id,a,b,kind\nx1,1,2,k\nx2,3,4,l\n';
    const table = await read(text, { featureColumns: ['b', 1], labelColumn: 'kind' });
    expect([...table.matrix.data]).toEqual([2, 1, 4, 3]);
    expect(table.featureNames).toEqual(['b', 'a']);
  });

  it.each([
    ['auto: text above numbers', 'a,b\n1,2\n', {}, 1],
    ['auto: only numbers', '1,2\n3,4\n', {}, 2],
    ['auto: text only in the label', '1,x\n3,y\n', { labelColumn: 1 }, 2],
    ['auto: an unnamed index column', ',a\n0,2\n', {}, 1],
    ['true: names that are numbers', '0,1\n3,4\n', { header: true }, 1],
    ['false', '1,2\n3,4\n', { header: false }, 2],
    ['implied by a column asked for by name', 'y,0,1\n5,3,4\n', { labelColumn: 'y' }, 1],
  ] as const)('finds the header: %s', async (_, text, options, rows) => {
    expect((await read(text, options)).matrix.dims[0]).toBe(rows);
  });

  it('asks when only the label of line 1 says that it is a header', async () => {
    await refused('label,7,1\n5,3,4\n6,3,4\n', { labelColumn: 0 }, 'line 1', 'header: true', 'header: false');
    const table = await read('label,7,1\n5,3,4\n6,3,4\n', { labelColumn: 0, header: false });
    expect(table.classNames).toEqual(['5', '6', 'label']);
  });

  it.each([
    [';', 'a;b\n1;2\n'],
    ['\t', 'a\tb\n1\t2\n'],
    ['||', 'a||b\n1||2\n'],
  ])('takes the delimiter %j', async (delimiter, text) => {
    expect([...(await read(text, { delimiter })).matrix.data]).toEqual([1, 2]);
  });

  it('takes tabs in files named .tsv and .tsv.gz', async () => {
    const plain = await readCsv(allocator, folder.file('a.tsv', 'a\tb\n1\t2\n'));
    const packed = await readCsv(allocator, folder.file('b.TSV.gz', gzipSync('a\tb\n1\t2\n')));
    expect([plain.featureNames, packed.featureNames]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it.each([
    ['empty cell', '', 'line 3, column 2 ("b"): expected a number, found an empty cell', 'Fill it in'],
    [
      'quoted empty cell',
      '""',
      'line 3, column 2 ("b"): expected a number, found an empty cell',
      'Fill it in',
    ],
    ['text', 'abc', 'line 3, column 2 ("b"): expected a number, found "abc"', '3e-4'],
    ['hexadecimal', '0x10', 'found "0x10"', '3e-4'],
    ['NaN', 'NaN', 'found "NaN"', 'Fill it in'],
    ['Infinity', 'Infinity', 'found "Infinity"', 'Fill it in'],
    ['decimal comma', '"1,5"', 'found "1,5"', 'options.decimal ","'],
    ['two numbers', '1 2', 'found "1 2"', '3e-4'],
    ['beyond float32', '1e39', "within float32's range, found 1e39", 'Scale'],
    ['beyond float64', '-1e999', "within float32's range, found -1e999", 'Scale'],
  ])('reports line, column, value and remedy of a bad cell: %s', async (_, cell, finding, remedy) => {
    const error = await refused(`a,b\n1,2\n3,${cell}\n`, {}, finding, remedy);
    expect(error.row).toBe(1);
    expect(allocator.allocated, 'one matrix, freed').toBe(1);
  });

  it('names all columns without a number in the line', async () => {
    await refused('a,b,c,d\n1,2 x,3,4%\n', {}, 'found "2 x"; there is none in column 4 ("d") either');
  });

  it('of a column that a model needs offers no way to leave it out', async () => {
    for (const cell of ['', 'NA', 'x']) {
      const { message } = await refused(`a,b\n1,2\n3,${cell}\n`, { featureNames: ['a', 'b'] }, 'line 3');
      expect(message).not.toContain('excludeColumns');
    }
  });

  it('hints at header: true when the bad cell is in line 1', async () => {
    await refused('1,b\n1,2\n', {}, 'line 1, column 2: expected a number, found "b"', 'header: true');
  });

  it('hints at another delimiter when all is one column', async () => {
    const options = { header: false, delimiter: ',' };
    await refused('1;2\n3;4\n', options, 'line 1', 'separated by ";"', 'delimiter');
    await refused('1;2\n3;4\n', { ...options, labelColumn: 0 }, 'line 1', 'separated by ";"');
  });

  it.each([
    ['short', '1,2\n3\n', 'line 2: expected 2 cells, as in the first line, found 1'],
    ['long', '1,2\n3,4\n5,6,7\n', 'line 3: expected 2 cells, as in the first line, found 3'],
    ['with a trailing delimiter', 'a,b\n1,2,\n', 'line 2: expected 2 cells, as in the first line, found 3'],
  ])('reports a ragged row: %s', async (_, text, finding) => {
    await refused(text, {}, finding);
  });

  it('counts lines in quotes and blank lines for its messages', async () => {
    await refused('a,k\n\n1,"x\ny"\n\nz,q\n', { labelColumn: 'k' }, 'line 6, column 1 ("a")', 'found "z"');
  });

  it.each([
    ['never closed', 'a,b\n1,2\n3,"4\n5,6\n', 'line 3: expected a closing quote, found the end of the file'],
    ['never closed, after CRLF', 'a,b\r\n1,2\r\n3,"4\r\n', 'line 3: expected a closing quote'],
    ['never closed, after CR', 'a,b\r\r1,2\r3,"4\r', 'line 4: expected a closing quote'],
    ['in the middle of a field', 'a,b\n1,2\n3,5" pipe\n4,5"\n', 'line 3'],
    ['followed by text', 'a,b\n1,"2"x\n', 'line 2'],
  ])('reports a quote %s', async (_, text, finding) => {
    await refused(text, { header: true }, finding);
  });

  it.each([
    ['nothing', ''],
    ['blank lines', '\n \n\t\r\n'],
    ['a header only', 'a,b\n'],
  ])('reports a file of %s', async (_, text) => {
    await refused(text, { header: 'auto' }, 'expected rows of values, found none');
  });

  it('reports an empty label and one that is not UTF-8', async () => {
    await refused('1,x\n2,\n', { labelColumn: 1 }, 'line 2: expected a label, found an empty cell');
    const path = folder.file('latin1.csv', Buffer.from('1,\xe9\n', 'latin1'));
    await failure(readCsv(allocator, path, { labelColumn: 1 }), 'ERR_FORMAT', path, 'line 1', 'UTF-8');
    expectNothingLeft(allocator, folder);
  });

  it('names the columns there are when one is missing', async () => {
    const wrongName = read(iris, { labelColumn: 'class' });
    const error = await failure(
      wrongName,
      'ERR_OPTION',
      'options.labelColumn',
      '"class"',
      '"length", "width", "species"',
    );
    expect([error.argument, error.value]).toEqual(['options.labelColumn', 'class']);
    await failure(
      read(iris, { featureColumns: ['width', 'w'] }),
      'ERR_OPTION',
      'options.featureColumns',
      '"w"',
    );
    for (const labelColumn of [3, -4, 0.5]) {
      await failure(read(iris, { labelColumn }), 'ERR_OPTION', 'from -3 to 2', `got ${labelColumn}`);
    }
    await failure(read(iris, { labelColumn: 'species', header: false }), 'ERR_OPTION', 'options.header');
    expect(allocator.allocated).toBe(0);
  });

  it('reports a column asked for by a name that two have', async () => {
    await refused('a,a,k\n1,2,x\n', { labelColumn: 'a' }, 'line 1', 'columns 1 and 2');
    expect((await read('a,a,k\n1,2,x\n', { labelColumn: 'k' })).matrix.dims).toEqual([1, 2]);
  });

  it('copies to a smaller matrix when lines of exotic white space were counted as rows', async () => {
    const { matrix } = await read('1,2\n\u00a0\u2003\n3,4\n');
    expect(matrix.dims).toEqual([2, 2]);
    expect([...matrix.data]).toEqual([1, 2, 3, 4]);
    expect([allocator.allocated, allocator.freed]).toEqual([2, 1]);
  });

  it('missing cells are errors, or NaN where that is asked for', async () => {
    const text = 'a,b\n1,\nNA,2\n-inf,nan\n';
    await failure(read(text), 'ERR_FORMAT', 'line 2, column 2', 'an empty cell', "missingCells: 'nan'");
    const { matrix } = await read(text, { missingCells: 'nan' });
    const { NaN: gap } = Number;
    expect([...matrix.data]).toEqual([1, gap, gap, 2, gap, gap]);
    await failure(read('1,2\n3,x\n', { missingCells: 'nan' }), 'ERR_FORMAT', 'line 2', 'found "x"');
    await failure(read('1,2\n3,1e40\n', { missingCells: 'nan' }), 'ERR_FORMAT', 'line 2', '1e40');
    const wrong = { missingCells: 'zero' } as unknown as CsvOptions;
    await failure(read('1\n', wrong), 'ERR_OPTION', "options.missingCells is 'zero'");
  });

  it('progress rises to 1 and the values of 20,000 rows over many chunks are in place', async () => {
    const lines = Array.from({ length: 20_000 }, (_, row) => `${row},${-row},${row / 4},${row % 3}`);
    const fractions: number[] = [];
    const { matrix, targets } = await read(lines.join('\n'), {
      labelColumn: -1,
      onProgress: (fraction) => fractions.push(fraction),
    });
    const wrong = matrix.data.findIndex((value, i) => {
      const row = Math.floor(i / 3);
      return value !== [row, -row, row / 4][i % 3]! + 0;
    });
    expect(wrong, `element ${wrong}: got ${matrix.data[wrong]}`).toBe(-1);
    expect(targets!.findIndex((target, row) => target !== row % 3)).toBe(-1);
    expect(fractions.every((fraction, i) => fraction >= (fractions[i - 1] ?? 0))).toBe(true);
    expect(fractions.at(-1)).toBe(1);
  });

  it.each([0.02, 0.5])('an abort at %d of the way rejects with the reason and frees', async (limit) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const text = '0.25,0.5,0.75\n'.repeat(200_000);
    const reading = read(text, {
      signal: controller.signal,
      onProgress: (fraction) => fraction > limit && controller.abort(reason),
    });
    await expect(reading).rejects.toBe(reason);
    expect(allocator.allocated).toBe(limit > 0.05 ? 1 : 0);
    expectNothingLeft(allocator, folder);
  });

  it('reports a missing file and cut gzip data', async () => {
    await failure(
      readCsv(allocator, join(folder.path, 'none.csv')),
      'ERR_FILE',
      'none.csv',
      'there is no such file',
    );
    const path = folder.file('cut.csv.gz', gzipSync(iris).subarray(0, 30));
    await failure(readCsv(allocator, path), 'ERR_FORMAT', path, 'damaged or cut off');
    expectNothingLeft(allocator, folder);
  });

  it('reads back any table of texts and numbers, whatever needs quoting', async () => {
    const label = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', ' ', 'é'), minLength: 1 });
    const number = (value: number) => (Object.is(value, -0) ? '-0' : String(value));
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
    // Quoted text keeps its spaces; a label that is only white space is kept too.
    const rows = fc.array(fc.tuple(fc.float({ noNaN: true, noDefaultInfinity: true }), label), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n', '\r', '\n\n'), async (table, end) => {
        const text = table.map(([value, name]) => `${number(value)},${quote(name)}${end}`).join('');
        const { matrix, targets, classNames } = await read(text, { labelColumn: 1, header: false });
        expect([...matrix.data]).toEqual(table.map(([value]) => value));
        expect([...targets!].map((target) => classNames![target])).toEqual(table.map(([, name]) => name));
        const path = join(folder.path, 'table.csv');
        const { records } = await withDataFile(path, {}, (file) => countRecords(file, ',', undefined));
        expect(records).toBe(table.length);
        expect(allocator.freed, 'counted exactly, so never copied').toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});

describe('readLabels of text', () => {
  const labels = async (text: string, options: CsvOptions = {}) => {
    const { format, ...labels } = await readLabels(folder.file('labels', text), options);
    expect(format).toBe('csv');
    return labels;
  };

  it('reads one label a line, as sorted classes', async () => {
    expect(await labels('cat\ndog\n\ncat\r\n"ant, red"')).toEqual({
      targets: Int32Array.of(1, 2, 1, 0),
      classNames: ['ant, red', 'cat', 'dog'],
      header: false,
    });
  });

  it('reads the label column of a table without looking at the other cells', async () => {
    const expected = { targets: Int32Array.of(0, 1, 0), classNames: ['setosa', 'versicolor'], header: true };
    expect(await labels(iris, { labelColumn: 'species' })).toEqual(expected);
    expect(await labels(iris, { labelColumn: -1 })).toEqual(expected);
  });

  it.each([
    ['is text above numbers', 'label\n3\n1\n3\n', {}, [1, 0, 1]],
    ['is text above numbers, classes given', 'label\n3\n1\n', { classNames: ['1', '2', '3'] }, [2, 0]],
    ['is said to be one', 'animal\ndog\ncat\n', { header: true }, [1, 0]],
    ['is asked for by name', 'animal\ndog\ncat\n', { labelColumn: 'animal' }, [1, 0]],
  ])('leaves line 1 out when it %s', async (_, text, options, targets) => {
    const found = await labels(text, options);
    expect([...found.targets]).toEqual(targets);
    expect(found.classNames).not.toContain(text.split('\n')[0]);
  });

  it.each([
    ['it comes again', 'none\n3\nnone\n', {}, ['3', 'none']],
    ['it is the only line', 'none\n', {}, ['none']],
    ['header is false', 'none\n3\n', { header: false }, ['3', 'none']],
    ['others are text too', 'none\ncat\n3\n', {}, ['3', 'cat', 'none']],
  ])('keeps text in line 1 as a label when %s', async (_, text, options, classNames) => {
    expect((await labels(text, options)).classNames).toEqual(classNames);
  });

  it('reports several cells without a label column, unknown classes and no labels', async () => {
    await failure(
      labels('1,2\n3,4\n'),
      'ERR_FORMAT',
      'line 1: expected one label a line, found 2',
      'labelColumn',
    );
    await failure(labels('a\nb\nx\n', { classNames: ['a', 'b'] }), 'ERR_FORMAT', 'line 3', '(a, b)', '"x"');
    await failure(labels('\n\n'), 'ERR_FORMAT', 'found none');
    await failure(labels('label\n', { header: true }), 'ERR_FORMAT', 'found none');
    await failure(labels('a\nb,c\n'), 'ERR_FORMAT', 'line 2: expected 1 cells');
  });
});

it('a wide first line above many short ones asks for no more memory than the file can fill (R1)', async () => {
  const asked: number[] = [];
  const counting: Allocator = {
    ...hostMemory,
    matrix: (rows, columns) => {
      asked.push(rows * columns);
      return hostMemory.matrix(rows, columns);
    },
  };
  const text = `${'1,'.repeat(4000)}1\n${'1\n'.repeat(4000)}`;
  await failure(
    readCsv(counting, folder.file('wide.csv', text)),
    'ERR_FORMAT',
    'line 2: expected 4001 cells',
  );
  expect(asked.every((values) => values <= text.length)).toBe(true);
  const tight = await readCsv(counting, folder.file('tight.csv', '1,2\n3,4'));
  expect([...tight.matrix.data]).toEqual([1, 2, 3, 4]);
});

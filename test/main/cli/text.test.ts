import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classesOf, targetsOf } from '#softshard/main/cli/classes.js';
import { inOptionNames } from '#softshard/main/cli/failures.js';
import { columnKey, fraction, integer, numberBelow } from '#softshard/main/cli/option-values.js';
import { bytes, count, duration, figure, percent, table } from '#softshard/main/cli/output.js';
import { formatCsvRecord } from '#softshard/main/index.js';

test('messages of the API are told in the words of the command line', () => {
  expect(inOptionNames('options.batchSize is 0: it must be …')).toBe('--batch-size is 0: it must be …');
  expect(inOptionNames('chosen with labelColumn, left out with featureColumns, or pass header: true')).toBe(
    'chosen with --label, left out with --features, or pass --header',
  );
});

test('numbers of options are decimal and within their range', () => {
  expect(integer(1)('1e3')).toBe(1000);
  for (const text of ['', ' ', '0', '1.5', '0x10', 'NaN', 'Infinity', '1 000', '9007199254740993']) {
    expect(() => integer(1)(text), JSON.stringify(text)).toThrow('whole number of at least 1');
  }
  expect(numberBelow(1)('.5')).toBe(0.5);
  for (const text of ['', '1', '-0.1', 'Infinity', '1e400']) {
    expect(() => numberBelow(1)(text), JSON.stringify(text)).toThrow('less than 1');
  }
  expect([fraction('0'), fraction('1'), fraction('1e-3')]).toEqual([0, 1, 0.001]);
  for (const text of ['', '-0.1', '1.001', 'half', 'NaN']) {
    expect(() => fraction(text), JSON.stringify(text)).toThrow('from 0 to 1');
  }
  expect([columnKey('-1'), columnKey('0'), columnKey('x1')]).toEqual([-1, 0, 'x1']);
});

test('sizes have a unit, and small losses their digits', () => {
  expect([999, 1000, 72e6, 6e9, 2.5e15].map(bytes)).toEqual([
    ...['999 bytes', '1.0 kB', '72.0 MB', '6.0 GB', '2500.0 TB'],
  ]);
  expect([0, Number.NaN, 1.23456789e-9, 18225860.4].map(figure)).toEqual([
    ...['0', 'NaN', '1.234568e-9', '18225860'],
  ]);
});

test('tables are aligned: the first column flush left, the others flush right', () => {
  expect(
    table([
      ['a', '1'],
      ['long', '1,000'],
    ]),
  ).toBe('a         1\nlong  1,000\n');
  expect(table([])).toBe('\n');
});

test('numbers for people', () => {
  expect([count(1234567.4), percent(0.80801), percent(Number.NaN)]).toEqual(['1,234,567', '80.80 %', '-']);
  expect([duration(12.3), duration(12_345), duration(600_000)]).toEqual(['12 ms', '12.3 s', '10.0 min']);
});

test('CSV cells survive a reader: quotes, delimiters, line ends and spaces at the ends', () => {
  expect(formatCsvRecord([1, 'plain', 'a,b', 'say "so"', ' x', 'two\nlines'])).toBe(
    '1,plain,"a,b","say ""so"""," x","two\nlines"\n',
  );
});

describe('classes of labels', () => {
  const labels = (targets: number[], classNames?: string[]) => {
    return { path: 'labels', targets: Int32Array.from(targets), ...(classNames && { classNames }) };
  };

  test('class indices: 0 to the largest', () => {
    expect(classesOf(labels([0, 5, 2]))).toEqual({ count: 6, names: undefined });
  });

  test('names are looked up, also where they are numbers of another order', () => {
    const classes = { count: 3, names: ['3', '1', '2'] };
    expect([...targetsOf(labels([0, 1, 1], ['1', '2']), classes)]).toEqual([1, 2, 2]);
  });

  test('numbers are class indices where no class is called so', () => {
    expect([...targetsOf(labels([1, 0], ['0', '2']), { count: 3, names: ['a', 'b', 'c'] })]).toEqual([2, 0]);
    expect([...targetsOf(labels([1, 0], ['0', '2']), { count: 3, names: undefined })]).toEqual([2, 0]);
    expect(() => targetsOf(labels([1, 0], ['0', '3']), { count: 3, names: undefined })).toThrow(
      'labels: row 0 (from 0) has the label "3", which is not one of the 3 classes 0 to 2',
    );
  });

  test('any labels, read as names, come back as the classes of the same names', () => {
    const names = fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(names, fc.array(fc.nat()), (classNames, picks) => {
        const wanted = picks.map((pick) => classNames[pick % classNames.length]!);
        const found = [...new Set(wanted)];
        const targets = targetsOf(
          labels(
            wanted.map((name) => found.indexOf(name)),
            found,
          ),
          {
            count: classNames.length,
            names: classNames,
          },
        );
        expect(Array.from(targets, (target) => classNames[target])).toEqual(wanted);
      }),
    );
  });
});

// Labels of .npy files that are words: numpy's arrays of fixed-width strings.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readLabels, readMatrix, readNpyLabels, writeCsv } from '#softshard/main/data/index.js';
import { COMPRESSIONS, expected, fixture } from '../dense-fixtures.js';
import { failure, npyFile, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

it.each(['words.npy', 'words-big-endian.npy', 'words-column.npy'])(
  '%s has the classes and targets of the same words in CSV',
  async (name) => {
    const text = folder.file('words.csv', '');
    await writeCsv(
      text,
      expected.words.map((word) => [word]),
    );
    const { targets, classNames } = await readLabels(text);
    for (const [end, compress] of COMPRESSIONS) {
      const path = folder.file(`w${end}`, compress(readFileSync(fixture(name))));
      expect(await readLabels(path)).toEqual({ format: 'npy', targets, classNames });
    }
  },
);

it('bytes are UTF-8, numbers are sorted by value, bools are 0 and 1', async () => {
  expect((await readLabels(fixture('words-bytes.npy'))).classNames).toEqual(['a', 'b', 'c']);
  const { targets, classNames } = await readLabels(fixture('numbers-as-words.npy'));
  expect(classNames).toEqual(['-1', '9', '10']);
  expect([...targets]).toEqual(expected.y.map((y) => [2, 1, 0][y]));
  const bools = await readLabels(fixture('bool.npy'));
  expect([...bools.targets]).toEqual(expected.y.map((y) => Number(y > 0)));
});

it('become indices in class names that are given; others are refused with their row', async () => {
  const given = ['猫😀', 'größer', 'setosa'];
  const { targets, classNames } = await readLabels(fixture('words.npy'), { classNames: given });
  expect([classNames, ...targets]).toEqual([given, ...expected.words.map((word) => given.indexOf(word))]);
  const few = readLabels(fixture('words.npy'), { classNames: ['setosa', 'größer'] });
  await failure(few, 'ERR_FORMAT', 'row 2: expected a label that is one of the classes', '"猫😀"');
  await failure(
    readLabels(fixture('y.npy'), { classNames: given }),
    'ERR_OPTION',
    'options.classNames',
    'int64',
  );
});

it('a NUL within a word stays, those at its end go, whatever follows in memory', async () => {
  const values = Buffer.from('a\0b\0a\0b\0c\0\0\0', 'latin1');
  const path = folder.file('a', npyFile({ descr: '|S4', shape: '(3,)', values }));
  expect(await readLabels(path)).toMatchObject({
    classNames: ['a\0b', 'c'],
    targets: Int32Array.of(0, 0, 1),
  });
});

it.each<[what: string, content: Buffer, parts: readonly string[]]>([
  ['no letters', npyFile({ descr: '<U0', shape: '(3,)', values: Buffer.alloc(0) }), ['words of 1 to']],
  [
    'too many letters',
    npyFile({ descr: '<U999999999', shape: '(3,)', values: Buffer.alloc(0) }),
    ['words of 1 to'],
  ],
  [
    'no label',
    npyFile({ descr: '|S2', shape: '(2,)', values: Buffer.from('ab\0\0') }),
    ['row 1: expected a label'],
  ],
  [
    'a code point that is none',
    npyFile({ descr: '<U1', shape: '(1,)', values: Buffer.alloc(4, 255) }),
    ['row 0', 'code point'],
  ],
  [
    'two columns',
    npyFile({ descr: '|S1', shape: '(2, 2)', values: Buffer.from('abcd') }),
    ['one a row, found text (|S1)'],
  ],
  [
    'fewer words than promised',
    npyFile({ descr: '|S1', shape: '(9,)', values: Buffer.from('abcd') }),
    ['found the end'],
  ],
  [
    'more than memory',
    npyFile({ descr: '|S1', shape: '(99999999999,)', values: Buffer.from('abcd') }),
    ['found the end'],
  ],
  [
    'continuous numbers',
    npyFile({ descr: '|S3', shape: '(2,)', values: Buffer.from('0.51.5') }),
    ['continuous'],
  ],
])('refuses %s', async (_, content, parts) => {
  const path = folder.file('a', content);
  await failure(readLabels(path), 'ERR_FORMAT', path, ...parts);
});

it('are no features, and readNpyLabels has no place for their names', async () => {
  const path = fixture('words.npy');
  await failure(
    readMatrix(allocator, path),
    'ERR_FORMAT',
    'expected numbers, found text (<U6)',
    'can be labels',
  );
  await failure(readNpyLabels(path), 'ERR_FORMAT', 'labels that are text', 'readLabels');
});

it('objects are refused with what to do', async () => {
  const path = fixture('objects.npy');
  await failure(readLabels(path), 'ERR_FORMAT', "found '|O'", 'may run code', "array.astype('U')");
});

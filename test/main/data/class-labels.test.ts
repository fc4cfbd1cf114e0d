// What labels written as text are to a reader: numbers of exact value, words, or nothing.
import { describe, expect, it } from 'vitest';
import { ClassLabels } from '#softshard/main/data/class-labels.js';
import { type CsvOptions, matchLabels, readCsv, readLabels } from '#softshard/main/data/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const labelsOf = async (labels: readonly string[], options: CsvOptions = {}) => {
  const rows = labels.map((label, row) => `${row}.5,${label}\n`).join('');
  const table = await readCsv(allocator, folder.file('t.csv', `x,y\n${rows}`), {
    labelColumn: 'y',
    ...options,
  });
  const alone = await readLabels(folder.file('y.txt', `${labels.join('\n')}\n`), {
    header: false,
    ...options,
  });
  expect([...alone.targets]).toEqual([...table.targets!]);
  expect(alone.classNames).toEqual(table.classNames);
  return { targets: [...table.targets!], classNames: table.classNames! };
};

const refused = async (labels: readonly string[], ...parts: string[]) => {
  const rows = labels.map((label, row) => `${row}.5,${label}\n`).join('');
  const path = folder.file('t.csv', `x,y\n${rows}`);
  await failure(readCsv(allocator, path, { labelColumn: 'y' }), 'ERR_FORMAT', path, ...parts);
  expectNothingLeft(allocator, folder);
};

describe('labels that are numbers', () => {
  it('are different classes wherever they differ, beyond float64 too (F4)', async () => {
    const ids = ['1234567890123456790', '1234567890123456789', '5'];
    expect(await labelsOf(ids)).toEqual({ targets: [2, 1, 0], classNames: ['5', ids[1], ids[0]] });
    const many = ['1e400', '1e401', '-1e400', '0'];
    expect((await labelsOf(many)).classNames).toEqual(['-1e400', '0', '1e400', '1e401']);
  });

  it('are texts with their spelling where one has leading zeros (F4)', async () => {
    const codes = ['02139', '2139', '10115', '02139', '2139.0'];
    expect(await labelsOf(codes)).toEqual({
      targets: [0, 2, 1, 0, 3],
      classNames: ['02139', '10115', '2139', '2139.0'],
    });
  });

  it('have the names that numpy.savetxt hides in exponents', async () => {
    const labels = ['1.000000000000000000e+00', '0.000000000000000000e+00', '1.000000000000000000e+01'];
    expect((await labelsOf(labels)).classNames).toEqual(['0', '1', '10']);
  });

  it('find their class by exact value, unless zeros lead (F4)', () => {
    expect(matchLabels(['1', '1.0', '+1', '10e-1', '01', '1.5', 'a'], ['a', '1'])).toEqual(
      Int32Array.of(1, 1, 1, 1, -1, -1, 0),
    );
    expect(matchLabels(['2139', '02139'], ['02139', '10115'])).toEqual(Int32Array.of(-1, 0));
    expect(matchLabels(['9007199254740993'], ['9007199254740992'])).toEqual(Int32Array.of(-1));
    expect(matchLabels(['1', '1.0'], ['1.0', '1'])).toEqual(Int32Array.of(1, 0));
  });

  it('find given classes in the same way', async () => {
    const options = { classNames: ['9007199254740993', '7.0'] };
    expect((await labelsOf(['7', '9007199254740993', '+7'], options)).targets).toEqual([1, 0, 1]);
    const path = folder.file('y.txt', '7\n9007199254740992\n');
    await failure(readLabels(path, options), 'ERR_FORMAT', 'line 2', '"9007199254740992"');
  });

  it('find truth values however they are written, where those are the classes', () => {
    const labels = ['True', 'false', 'TRUE', '0', '1', '1.0', '01'];
    expect([...matchLabels(labels, ['false', 'true'])]).toEqual([1, 0, 1, 0, 1, 1, -1]);
    expect([...matchLabels(labels, ['0', '1'])]).toEqual([1, 0, 1, 0, 1, 1, -1]);
    expect([...matchLabels(labels, ['0', '1', '2'])]).toEqual([-1, -1, -1, 0, 1, 1, -1]);
    expect([...matchLabels(labels, ['True', 'TRUE'])]).toEqual([0, -1, 1, -1, -1, -1, -1]);
  });

  it('hint at the class that is meant', async () => {
    const path = folder.file('k.txt', 'rose\nRoze\n');
    const reading = readLabels(path, { classNames: ['iris', 'rose'] });
    await failure(reading, 'ERR_FORMAT', 'line 2', 'found "Roze" (did you mean "rose"?)');
    const number = readLabels(folder.file('n.txt', '1\n3\n'), { classNames: ['1', '2'] });
    const { message } = await failure(number, 'ERR_FORMAT', 'line 2', 'found "3"');
    expect(message).not.toContain('did you mean');
  });

  it('must be whole, as classes are (F5)', async () => {
    await refused(['5.1', '4.9', '5'], 'line 2', 'continuous values', '"5.1"', 'labelColumn', 'classNames');
    await refused(['1', '2', '2.5'], 'line 4', '"2.5"');
    expect((await labelsOf(['1.0', '2.', '3e0'])).classNames).toEqual(['1.0', '2.', '3']);
    expect((await labelsOf(['0.5', '1.5'], { numericLabels: 'any' })).classNames).toEqual(['0.5', '1.5']);
    expect((await labelsOf(['0.50', '1.5'], { classNames: ['1.5', '0.5'] })).targets).toEqual([1, 0]);
    expect((await labelsOf(['v1', '1.5'])).classNames).toEqual(['1.5', 'v1']);
  });
});

describe('labels that are missing', () => {
  it.each(['NaN', 'nan', '-nan', 'NA', 'N/A', 'null', 'None', '<NA>', '?', 'inf', '""', ''])(
    'end with their line among numbers: %j (F5)',
    async (label) => {
      await refused(['0', '1', label, '1'], 'line 4: expected a label, found', 'leave the row out');
    },
  );

  it.each(['NaN', 'nan', '<NA>', ''])('end with their line among words: %j (F5)', async (label) => {
    await refused(['setosa', 'virginica', label], 'line 4: expected a label, found');
  });

  it('may be classes among words, if words themselves (F5)', async () => {
    const words = ['None', 'mild', 'NA', 'null', 'Nan'];
    expect((await labelsOf(words)).classNames).toEqual(['NA', 'Nan', 'None', 'mild', 'null']);
  });

  it('are never taken for a header', async () => {
    const path = folder.file('y.txt', 'nan\n0\n1\n');
    await failure(readLabels(path), 'ERR_FORMAT', 'line 1: expected a label, found "nan"');
    await failure(readLabels(folder.file('z.txt', 'NA\n0\n1\n')), 'ERR_FORMAT', 'line 1', '"NA"');
  });
});

describe('labels beyond the bounds', () => {
  const add = (labels: Iterable<string>) => {
    const classes = new ClassLabels('file', 1_100_000, {});
    let line = 0;
    for (const label of labels) classes.add(label, ++line);
    return classes;
  };
  function* counting(count: number, suffix = ''): Generator<string> {
    for (let i = 0; i < count; i++) yield `${i}${suffix}`;
  }

  it('end at a million classes, with the line and the remedy (R5)', () => {
    expect(() => add(counting(1_000_001))).toThrow(
      /^file: line 1000001: .*at most 1000000 classes.*labelColumn/,
    );
    expect(() => add(counting(100_000, 'x'.repeat(900)))).toThrow('of 67108864 characters together');
  });

  it('end at a thousand characters, of which the message shows few (R5)', async () => {
    const path = folder.file('y.txt', `a\n${'b'.repeat(2000)}\n`);
    const error = await failure(
      readLabels(path),
      'ERR_FORMAT',
      'line 2',
      'at most 1000 characters, found 2000',
    );
    expect(error.message.length).toBeLessThan(path.length + 400);
  });
});

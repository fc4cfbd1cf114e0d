import { describe, expect, it } from 'vitest';
import { type CsvOptions, detectFormat, readLabels, readMatrix } from '#softshard/main/data/index.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const file = (...lines: (string | object)[]): string =>
  folder.file(
    'a.jsonl',
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
const read = (path: string, options: CsvOptions = {}) => readMatrix(allocator, path, options);

describe('records', () => {
  it('are objects with fields by name, in any order; lines may be blank, and end in CR LF', async () => {
    const path = file('\ufeff{"a": 1, "b": 2.5}\r', '', ' \t', '{"b": -1e-3, "a": true}\r', '');
    const { matrix, featureNames, format } = await read(path);
    expect(format).toBe('jsonl');
    expect(featureNames).toEqual(['a', 'b']);
    expect([...matrix.data]).toEqual([1, 2.5, 1, -1e-3].map(Math.fround));
  });

  it('are arrays, whose columns are counted', async () => {
    const { matrix, targets, classNames } = await read(file([1, 2, 'x'], [3, 4, 'y']), { labelColumn: -1 });
    expect([...matrix.data]).toEqual([1, 2, 3, 4]);
    expect([[...targets!], classNames]).toEqual([
      [0, 1],
      ['x', 'y'],
    ]);
  });

  it('may have more than fits the first look at a file', async () => {
    const long = Array.from({ length: 3000 }, (_, i) => i);
    const path = file({ features: long, label: 'a' }, { features: long, label: 'b' });
    expect(await detectFormat(path)).toBe('jsonl');
    expect((await read(path, { labelColumn: 'label' })).matrix.dims).toEqual([2, 3000]);
  });

  it('may have names that objects have by themselves', async () => {
    const path = file(
      '{"__proto__": 1, "toString": 2}',
      '{"toString": 3, "__proto__": 4}',
      '{"toString": 5}',
    );
    await failure(read(path), 'ERR_FORMAT', 'line 3, column "__proto__"', 'found null');
    const { matrix } = await read(path, { missingCells: 'nan' });
    expect([...matrix.data]).toEqual([1, 2, 4, 3, Number.NaN, 5]);
  });

  it('give labels of text, numbers and both', async () => {
    const labels = (...values: unknown[]) => readLabels(file(...values.map((label) => ({ label }))));
    expect((await labels(10, 9, 9.0)).classNames).toEqual(['9', '10']);
    expect((await labels(true, false)).classNames).toEqual(['false', 'true']);
    expect((await labels('b', 1, 'a')).classNames).toEqual(['1', 'a', 'b']);
    await failure(labels('b', null), 'ERR_FORMAT', 'line 2, column "label": expected a label, found null');
    await failure(labels(0.5, 1.25), 'ERR_FORMAT', 'line 1', 'continuous values');
  });
});

describe('errors name the line, after blank ones too', () => {
  it.each([
    ['{"a": 1', 'line 103: expected a JSON object or array, found "{\\"a\\": 1"', 'Write one record a line'],
    ['{"a": NaN}', 'line 103: expected a JSON object or array, found NaN', 'Write null'],
    ['3', 'line 103: expected a JSON object or array, found 3', 'as an object'],
    ['{"a": "x"}', 'line 103, column "a": expected a number, found \'x\'', 'featureColumns'],
    ['{"a": [1]}', 'line 103, column "a": expected a number, found [ 1 ]', ''],
    ['{"a": null}', 'line 103, column "a": expected a number, found null', "missingCells: 'nan'"],
    ['{"a": 1e39}', 'line 103, column "a": expected a number within float32\'s range, found 1e+39', 'Scale'],
  ])('%s', async (line, finding, remedy) => {
    const rows = Array.from({ length: 99 }, () => ({ a: 1 }));
    const path = file({ a: 1 }, '', '', ...rows, line);
    const { row } = await failure(read(path), 'ERR_FORMAT', finding, remedy);
    expect(row === undefined || row === 100).toBe(true);
    expectNothingLeft(allocator, folder);
  });

  it('of vectors as well', async () => {
    const rows = Array.from({ length: 100 }, () => ({ x: [1, 2] }));
    const ragged = await failure(read(file(...rows, { x: [1, 2, 3] })), 'ERR_FORMAT', 'line 101, column "x"');
    expect(ragged.message).toContain('expected 2 values, as in the first row that has any, found 3');
    await failure(read(file(...rows, { x: [1, 'a'] })), 'ERR_FORMAT', 'line 101', 'an array of numbers');
    await failure(read(file(...rows, { x: [1, null] })), 'ERR_FORMAT', 'line 101, column "x", value 1');
    await failure(read(file({ x: [[1, 2]] })), 'ERR_FORMAT', '"x" (array)');
    expectNothingLeft(allocator, folder);
  });

  it('and fields that begin late, unless features are named', async () => {
    const rows = Array.from({ length: 100 }, () => ({ a: 1 }));
    const path = file(...rows, { a: 2, b: 3 });
    await failure(read(path), 'ERR_FORMAT', 'line 101', 'found "b" besides', 'featureColumns');
    expect((await read(path, { featureColumns: ['a'] })).matrix.dims).toEqual([101, 1]);
  });
});

it.each(['throw', 'nan'] as const)(
  'one vector that is longer than all others asks for no memory (missingCells %s)',
  async (missingCells) => {
    const rows = Array.from({ length: 2000 }, () => ({ x: [1] }));
    const path = file({ x: Array(10_000).fill(1) }, { x: null }, ...rows);
    const finding = 'line 3, column "x": expected 10000 values';
    await failure(read(path, { missingCells }), 'ERR_FORMAT', finding);
    expect(allocator.allocated).toBe(0);
  },
);

it.each([
  ['[{"a": 1}, {"a": 2}]', 'found JSON', 'jq -c'],
  ['[[1, 2], [3, 4]]', 'found JSON', 'jq -c'],
  ['{\n  "a": 1\n}\n', 'found JSON', 'jq -c'],
])('JSON that is one value is refused with a remedy: %s', async (text, ...parts) => {
  await failure(read(folder.file('a.json', text)), 'ERR_FORMAT', ...parts);
});

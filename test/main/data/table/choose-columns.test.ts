// Which columns of a table are features: rules that the fixtures do not show.
import { expect, test } from 'vitest';
import { chooseColumns } from '#softshard/main/data/table/choose-columns.js';
import { type ColumnTable, rowPlace, type TableColumn } from '#softshard/main/data/table/column-table.js';
import { failure } from '../workbench.js';

/** Columns such as "x: vector"; vectors have 3 values. */
function tableOf(...columns: string[]): ColumnTable {
  return {
    path: 'a.table',
    rows: 5,
    columns: columns.map((text) => {
      const [name, kind, alias] = text.split(': ');
      const column = { name: name!, kind: kind as TableColumn['kind'], typeName: `${kind}s` };
      return alias === undefined ? column : { ...column, isAlias: true };
    }),
    placeOf: rowPlace,
    widthOf: async () => 3,
    read: async () => {},
  };
}

const chosen = async (...args: Parameters<typeof chooseColumns>) => {
  const { features, featureNames, label, unused } = await chooseColumns(...args);
  return { columns: features.map(({ column }) => column), featureNames, label, unused };
};

const MIXED = tableOf('id: number', 'text: text', 'x: vector', 'y: number', 'when: other');
const VECTORS = ['x[0]', 'x[1]', 'x[2]'];

test('the only vector, else all numbers; what is left out is named, but for the label', async () => {
  expect(await chosen(MIXED, {})).toEqual({
    columns: [2],
    featureNames: VECTORS,
    label: undefined,
    unused: ['id', 'text', 'y', 'when'],
  });
  const numbers = tableOf('a: number', 'k: text', 'b: number', '__index_level_0__: number');
  expect(await chosen(numbers, { labelColumn: 'k' })).toEqual({
    columns: [0, 2],
    featureNames: ['a', 'b'],
    label: 1,
    unused: ['__index_level_0__'],
  });
});

test("excluded columns are no features, and not named as left out; a model's names go before", async () => {
  expect(await chosen(MIXED, { excludeColumns: ['x', 'text'] })).toEqual({
    columns: [0, 3],
    featureNames: ['id', 'y'],
    label: undefined,
    unused: ['when'],
  });
  const twoVectors = tableOf('x: vector', 'z: vector', 'a: number');
  expect((await chosen(twoVectors, { excludeColumns: [1] })).columns).toEqual([0]);
  expect((await chosen(MIXED, { excludeColumns: ['id'], featureNames: ['y', 'id'] })).columns).toEqual([
    3, 0,
  ]);
  await failure(
    chooseColumns(MIXED, { excludeColumns: ['ids'] }),
    'ERR_OPTION',
    'options.excludeColumns: expected a column of a.table, got "ids"',
  );
});

test('several vectors, or nothing that has numbers, ask for a choice', async () => {
  await failure(
    chooseColumns(tableOf('x: vector', 'y: vector', 'a: number'), {}),
    'ERR_FORMAT',
    'one column of vectors, found 2: "x" (vectors), "y" (vectors)',
    'options.featureColumns',
  );
  await failure(
    chooseColumns(tableOf('x: vector', 'k: text'), { labelColumn: 0 }),
    'ERR_FORMAT',
    'besides the label column, found "k" (texts)',
  );
  await failure(chooseColumns(tableOf('x: vector'), { labelColumn: 'x' }), 'ERR_FORMAT', 'found none');
});

test('columns are asked for by name or index, from the end as well, and an alias by its name only', async () => {
  const table = tableOf('a: number', 'x: vector', 'k: text', 'x16: vector: alias');
  const asked = async (...featureColumns: (string | number)[]) =>
    (await chosen(table, { featureColumns, labelColumn: -1 })).columns;
  expect(await asked(1, 'a')).toEqual([1, 0]);
  expect(await asked('x16')).toEqual([3]);
  expect((await chosen(table, { featureColumns: ['a'], labelColumn: -1 })).label).toBe(2);
  await failure(
    chooseColumns(table, { featureColumns: [3] }),
    'ERR_OPTION',
    'an index from -3 to 2',
    'got 3',
  );
  await failure(
    chooseColumns(tableOf('a: number', 'a: number'), { featureColumns: ['a'] }),
    'ERR_FORMAT',
    'expected one column "a", found it as columns 1 and 2',
  );
});

test("the names of a model's features decide, vectors among them; names that only count do not", async () => {
  const { columns, featureNames } = await chosen(MIXED, { featureNames: ['y', ...VECTORS, 'id'] });
  expect([columns, featureNames]).toEqual([
    [3, 2, 0],
    ['y', ...VECTORS, 'id'],
  ]);
  await failure(
    chooseColumns(MIXED, { featureNames: [...VECTORS, 'x[3]'] }),
    'ERR_FORMAT',
    '"x": expected vectors of 4 values, as the model\'s, found 3',
  );
  // A vector has all of its values, in order.
  await failure(chooseColumns(MIXED, { featureNames: ['x[1]', 'x[2]'] }), 'ERR_FORMAT', 'are missing');
  await failure(chooseColumns(MIXED, { featureNames: ['z', 'y'] }), 'ERR_FORMAT', '"z" is missing');
  expect((await chosen(MIXED, { featureNames: ['0', '1', '2'] })).columns).toEqual([2]);
  const scalars = tableOf('x[0]: number', 'x[1]: number');
  expect((await chosen(scalars, { featureNames: ['x[1]', 'x[0]'] })).columns).toEqual([1, 0]);
});

import type { FileMetaData, SchemaElement } from 'hyparquet';
import { expect, test } from 'vitest';
import { parquetColumns } from '#softshard/main/data/parquet/schema.js';

const columnsOf = (...elements: SchemaElement[]) => {
  const root: SchemaElement = { name: 'root', num_children: 1 };
  return parquetColumns({ schema: [root, ...elements] } as FileMetaData);
};

const list = (name: string, rest: Partial<SchemaElement> = {}): SchemaElement => ({
  name,
  num_children: 1,
  repetition_type: 'OPTIONAL',
  converted_type: 'LIST',
  ...rest,
});

test('lists as old writers have them, of two levels or of one, are vectors', () => {
  const value = { name: 'array', type: 'FLOAT', repetition_type: 'REPEATED' } as const;
  expect(columnsOf(list('v'), value)).toMatchObject([
    { kind: 'vector', leafPath: 'v.array', levels: { maxRepetition: 1, maxDefinition: 2, emptyList: 1 } },
  ]);
  expect(columnsOf({ ...value, name: 'v' })).toMatchObject([
    {
      kind: 'vector',
      leafPath: 'v',
      typeName: 'list<float>',
      levels: { maxRepetition: 1, maxDefinition: 1, emptyList: 0 },
    },
  ]);
});

test('a list of lists, of two values an element or of a struct is no vector', () => {
  const middle = { name: 'list', num_children: 1, repetition_type: 'REPEATED' } as const;
  const value = { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' } as const;
  const kinds = [
    columnsOf(list('v'), middle, list('element'), middle, value),
    columnsOf(list('v'), { ...middle, num_children: 2 }, value, { ...value, name: 'other' }),
    columnsOf(list('v', { num_children: 2 }), middle, value, { ...value, name: 'other' }),
  ];
  expect(kinds.map(([column]) => column!.kind)).toEqual(['other', 'other', 'other']);
});

test('a schema that is no tree is refused', () => {
  expect(() => columnsOf()).toThrow('no tree');
  const column = { name: 'a', type: 'FLOAT', repetition_type: 'REQUIRED' } as const;
  expect(() => columnsOf(column, { ...column, name: 'b' })).toThrow('no tree');
  expect(() => columnsOf({ ...column, num_children: 9 })).toThrow('a group of 9');
});

test('a column of an unknown repetition is refused, as whether it has levels is not known', () => {
  expect(() => columnsOf({ name: 'a', type: 'FLOAT' })).toThrow('a column without a repetition');
});

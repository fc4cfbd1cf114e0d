import { expect, test } from 'vitest';
import type { Table } from '#softshard/main/data/arrow/flatbuffer.js';
import { readFields } from '#softshard/main/data/arrow/schema.js';

/** A schema of one column whose type has this number. */
const schemaOf = (type: number): Table => {
  const column = { byte: () => type, text: () => 'x', table: () => undefined, tables: () => [] };
  return { short: () => 0, tables: () => [column] } as unknown as Table;
};

test('a column of a type that there is not, or of none, is refused', () => {
  expect(readFields(schemaOf(1), true)).toMatchObject([{ name: 'x', type: 'null' }]);
  expect(() => readFields(schemaOf(0), true)).toThrow('type 0');
  expect(() => readFields(schemaOf(27), true)).toThrow('type 27');
});

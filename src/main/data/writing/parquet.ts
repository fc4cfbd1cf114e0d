// Parquet by way of hyparquet-writer, one group of rows in memory at a time.

import type { ColumnSource, SchemaElement } from 'hyparquet-writer';
import type { Write } from '../../outputs/write-atomically.js';
import { version } from '../../version.js';
import { loadOptional } from '../optional-package.js';
import type { ColumnType, Table, TableCell, TableColumn } from './table.js';

/** Readers skip and parallelise by groups; these have a few megabytes. */
const GROUP_VALUES = 2 ** 19;
const LEAST_GROUP_ROWS = 256;

const ELEMENTS: Readonly<Record<ColumnType, Omit<SchemaElement, 'name'>>> = {
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  int32: { type: 'INT32', repetition_type: 'OPTIONAL' },
  float32: { type: 'FLOAT', repetition_type: 'OPTIONAL' },
  float64: { type: 'DOUBLE', repetition_type: 'OPTIONAL' },
};

export async function writeParquet(
  path: string,
  columns: readonly TableColumn[],
  records: Table['records'],
  write: Write,
): Promise<void> {
  const { ByteWriter, ParquetWriter } = await loadOptional(
    path,
    'writing Parquet',
    ['hyparquet-writer'],
    () => import('hyparquet-writer'),
  );
  const bytes = new ByteWriter();
  const pour = async () => {
    // Sent before the writer fills its buffer anew.
    await write(bytes.getBytes());
    bytes.index = 0;
  };
  const root = { name: 'root', num_children: columns.length };
  const schema = [root, ...columns.map(({ name, type }) => ({ name, ...ELEMENTS[type] }))];
  const writer = new ParquetWriter({ writer: bytes, schema, createdBy: `softshard ${version}` });
  const groupRows = Math.max(LEAST_GROUP_ROWS, Math.floor(GROUP_VALUES / columns.length));
  for await (const columnData of groupsOf(columns, records, groupRows)) {
    writer.write({ columnData, rowGroupSize: groupRows });
    await pour();
  }
  writer.finish();
  await pour();
}

/** Columns of up to so many rows. */
async function* groupsOf(
  columns: readonly TableColumn[],
  records: Table['records'],
  rows: number,
): AsyncGenerator<ColumnSource[], void, undefined> {
  let group: TableCell[][] = columns.map(() => []);
  const take = (): ColumnSource[] => {
    const data = columns.map(({ name }, i) => ({ name, data: group[i]! }));
    group = columns.map(() => []);
    return data;
  };
  for await (const cells of records) {
    for (const [i, column] of group.entries()) column.push(cells[i] ?? null);
    if (group[0]?.length === rows) yield take();
  }
  if (group[0] !== undefined && group[0].length > 0) yield take();
}

// Tables as files: CSV, JSON lines or Parquet, by the end of the name, written as their rows come.

import { SoftshardError } from '../../../errors.js';
import {
  checkArray,
  checkOneOf,
  checkOptionNames,
  checkPath,
  checkSignal,
  inspectValue,
} from '../../checks.js';
import { checkAttached } from '../../memory/attached.js';
import { isGzipName, writeGzip } from '../../outputs/gzip.js';
import { type Write, type WriteOptions, writeFileAtomically } from '../../outputs/write-atomically.js';
import { csvBlocks } from '../csv/csv-writer.js';
import { jsonBlocks } from './json-lines.js';
import { writeParquet } from './parquet.js';
import {
  COLUMN_TYPES,
  TABLE_FORMATS,
  type Table,
  type TableCell,
  type TableColumn,
  type TableFormat,
} from './table.js';

export interface TableWriteOptions extends WriteOptions {
  /** Default: by the end of the name. */
  readonly format?: TableFormat | undefined;
}

const EXTENSIONS: ReadonlyMap<string, TableFormat> = new Map([
  ['.csv', 'csv'],
  ['.tsv', 'tsv'],
  ['.jsonl', 'jsonl'],
  ['.ndjson', 'jsonl'],
  ['.parquet', 'parquet'],
]);

/** The format of a file of this name; text may end in .gz as well. Undefined for other names. */
export function tableFormatOf(path: string): TableFormat | undefined {
  checkPath(path);
  const isGzip = isGzipName(path);
  const [extension = ''] = /\.[^./\\]+$/.exec(isGzip ? path.slice(0, -3) : path) ?? [];
  const format = EXTENSIONS.get(extension.toLowerCase());
  return isGzip && format === 'parquet' ? undefined : format;
}

/**
 * Writes rows as they come, so that memory does not depend on their number. Text is compressed if the name ends in .gz.
 * Replaces the file at once and completely or, when that fails, not at all; pipes and devices are written to. Errors of the
 * iterables pass through. Throws ERR_OPTION for a name that says no format, ERR_FILE.
 */
export async function writeTable(path: string, table: Table, options: TableWriteOptions = {}): Promise<void> {
  checkOptionNames('options', options, ['format', 'signal']);
  checkPath(path);
  checkTable(table);
  const signal = checkSignal('options.signal', options.signal);
  const format = formatFor(path, options.format);
  const fill =
    format === 'parquet'
      ? (write: Write) => writeParquet(path, table.columns, checkedRecords(table), write)
      : async (write: Write) => {
          for await (const block of tableBlocks(table, format)) await write(Buffer.from(block));
        };
  const isGzip = format !== 'parquet' && isGzipName(path);
  await writeFileAtomically(path, (write) => (isGzip ? writeGzip(write, fill) : fill(write)), signal);
}

function formatFor(path: string, format: TableFormat | undefined): TableFormat {
  if (format !== undefined) return checkOneOf('options.format', format, TABLE_FORMATS);
  const byName = tableFormatOf(path);
  if (byName !== undefined) return byName;
  const message = `path is ${inspectValue(path)}: its end says no format: name it ${[...EXTENSIONS.keys()].join(', ')}, or give options.format`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'path', value: path });
}

function checkTable(table: Table): void {
  const given: Partial<Table> | null | undefined = table;
  checkArray('table.columns', given?.columns, 'columns');
  for (const [i, column] of table.columns.entries()) {
    const isColumn = typeof column?.name === 'string';
    if (isColumn) checkOneOf(`table.columns[${i}].type`, column.type, COLUMN_TYPES);
    else throw typeError(`table.columns[${i}]`, column, '{ name, type }');
  }
  for (const name of ['records', 'objects'] as const) {
    checkAttached(`table.${name}`, table[name]);
    const rows = Object(table[name]) as object;
    const isOptional = name === 'objects' && table.objects === undefined;
    if (isOptional || Symbol.iterator in rows || Symbol.asyncIterator in rows) continue;
    throw typeError(`table.${name}`, table[name], 'an array or other iterable of rows');
  }
}

function typeError(argument: string, value: unknown, expected: string): SoftshardError {
  const message = `${argument} is ${inspectValue(value)}: it must be ${expected}`;
  return new SoftshardError('ERR_TYPE', message, { argument, value });
}

/** The text of writeTable in blocks, for streams. */
export async function* tableBlocks(
  table: Table,
  format: Exclude<TableFormat, 'parquet'>,
): AsyncGenerator<string, void, undefined> {
  checkTable(table);
  checkOneOf('format', format, ['csv', 'tsv', 'jsonl']);
  if (format === 'jsonl') yield* jsonBlocks(table.objects ?? objectsOf(table));
  else yield* csvBlocks(lines(table), { delimiter: format === 'tsv' ? '\t' : ',' });
}

/** Throws ERR_TYPE for a cell that is not of its column's type. */
async function* checkedRecords({ columns, records }: Table): AsyncGenerator<readonly TableCell[], void> {
  let row = 0;
  for await (const cells of records) {
    if (!Array.isArray(cells)) throw typeError(`table.records[${row}]`, cells, 'an array of cells');
    for (const [i, { type }] of columns.entries()) {
      const cell: unknown = cells[i];
      if (cell === null || cell === undefined) continue;
      const expected = type === 'string' ? 'string' : 'number';
      if (typeof cell === expected) continue;
      throw typeError(`table.records[${row}][${i}]`, cell, `a ${expected} or null, as the column is ${type}`);
    }
    yield cells;
    row++;
  }
}

async function* lines(table: Table) {
  const { columns } = table;
  yield columns.map(({ name }) => name);
  for await (const cells of checkedRecords(table))
    yield columns.map((column, i) => textCell(column, cells[i]));
}

function textCell({ type }: TableColumn, cell: TableCell | undefined): string | number {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'string' || type !== 'float32') return cell;
  return shortestFloat(cell);
}

async function* objectsOf(table: Table) {
  const { columns } = table;
  for await (const cells of checkedRecords(table)) {
    yield Object.fromEntries(
      columns.map((column, i) => {
        const cell = cells[i] ?? null;
        const isFloat = column.type === 'float32' && typeof cell === 'number';
        return [column.name, isFloat ? shortestFloat(cell) : cell];
      }),
    );
  }
}

/** The shortest decimal that reads back as this float32, of 6 digits or more; 9 always suffice. */
export function shortestFloat(value: number): number {
  if (typeof value !== 'number') throw typeError('value', value, 'a number');
  // Most probabilities: times these powers they are exact in float64, and so are the decimals; by way of text takes six times as long.
  if (value >= 1e-3 && value < 1) {
    let power = value < 1e-2 ? 1e8 : value < 1e-1 ? 1e7 : 1e6;
    for (; power < 1e12; power *= 10) {
      const rounded = Math.round(value * power) / power;
      if (Math.fround(rounded) === value) return rounded;
    }
  }
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return Number(value.toPrecision(9));
}

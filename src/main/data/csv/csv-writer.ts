// Writes CSV files one record at a time.

import { SoftshardError } from '../../../errors.js';
import { checkArray, inspectValue } from '../../checks.js';
import {
  checkWriteOptions,
  type Write,
  type WriteOptions,
  writeFileAtomically,
} from '../../outputs/write-atomically.js';
import type { TableRecords } from '../format.js';

export type CsvCell = string | number;

/** Records are collected to this length, so that short ones do not cost a call each. */
const BLOCK_LENGTH = 1 << 16;

/** RFC 4180, but lines end with a line feed alone. */
export function formatCsvRecord(cells: readonly CsvCell[]): string {
  checkArray('cells', cells, 'text and numbers');
  return `${cells.map(formatCell).join(',')}\n`;
}

/** Quotes keep leading and trailing spaces, which readers trim otherwise. */
function formatCell(cell: CsvCell): string {
  if (typeof cell === 'number') return String(cell);
  const text = String(cell);
  return /^\s|\s$|[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Replaces the file at once and completely or, when that fails, not at all. Pipes and devices are written to. Errors of the
 * iterable pass through.
 */
export async function writeCsv(
  path: string,
  records: TableRecords,
  options: WriteOptions = {},
): Promise<void> {
  checkRecords(records);
  const signal = checkWriteOptions(options);
  const fill = async (write: Write) => {
    for await (const block of csvBlocks(records)) await write(Buffer.from(block));
  };
  await writeFileAtomically(path, fill, signal);
}

/** The text of writeCsv in blocks, for streams. */
export async function* csvBlocks(records: TableRecords): AsyncGenerator<string, void, undefined> {
  checkRecords(records);
  let block = '';
  for await (const cells of records) {
    block += formatCsvRecord(cells);
    if (block.length < BLOCK_LENGTH) continue;
    yield block;
    block = '';
  }
  if (block !== '') yield block;
}

function checkRecords(records: TableRecords): void {
  const given: Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined = records;
  if (given?.[Symbol.iterator] !== undefined || given?.[Symbol.asyncIterator] !== undefined) return;
  const message = `records is ${inspectValue(records)}: it must be an array or other iterable of records`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'records', value: records });
}

// Writes CSV files one record at a time.

import { SoftshardError } from '../../../errors.js';
import { checkArray, checkOptionNames, checkPath, checkSignal, inspectValue } from '../../checks.js';
import { checkAttached } from '../../memory/attached.js';
import { isGzipName, writeGzip } from '../../outputs/gzip.js';
import { type Write, type WriteOptions, writeFileAtomically } from '../../outputs/write-atomically.js';
import type { TableRecords } from '../format.js';

export type CsvCell = string | number;

/** Records are collected to this length, so that short ones do not cost a call each. */
const BLOCK_LENGTH = 1 << 16;

export interface CsvTextOptions {
  /** One character; default a comma, and in files named .tsv a tab. */
  readonly delimiter?: string | undefined;
}

export interface CsvWriteOptions extends WriteOptions, CsvTextOptions {}

/** RFC 4180, but lines end with a line feed alone. */
export function formatCsvRecord(cells: readonly CsvCell[], options: CsvTextOptions = {}): string {
  return formatRecord(cells, checkDelimiter(options));
}

function formatRecord(cells: readonly CsvCell[], delimiter: string): string {
  checkArray('cells', cells, 'text and numbers');
  return `${cells.map((cell) => formatCell(cell, delimiter)).join(delimiter)}\n`;
}

/** Quotes keep leading and trailing spaces, which readers trim otherwise. */
function formatCell(cell: CsvCell, delimiter: string): string {
  if (typeof cell === 'number') return String(cell);
  const text = String(cell);
  const isPlain = !/^\s|\s$|["\r\n]/.test(text) && !text.includes(delimiter);
  return isPlain ? text : `"${text.replaceAll('"', '""')}"`;
}

function checkDelimiter(options: CsvTextOptions): string {
  checkOptionNames('options', options, ['delimiter']);
  const { delimiter = ',' } = options;
  if (typeof delimiter === 'string' && /^[^"\r\n]$/.test(delimiter)) return delimiter;
  const message = `options.delimiter is ${inspectValue(delimiter)}: it must be one character, no quote and no line end`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.delimiter', value: delimiter });
}

/**
 * Replaces the file at once and completely or, when that fails, not at all. Pipes and devices are written to. Compressed if the
 * name ends in .gz. Errors of the iterable pass through.
 */
export async function writeCsv(
  path: string,
  records: TableRecords,
  options: CsvWriteOptions = {},
): Promise<void> {
  checkPath(path);
  checkRecords(records);
  checkOptionNames('options', options, ['delimiter', 'signal']);
  const signal = checkSignal('options.signal', options.signal);
  const text = { delimiter: options.delimiter ?? (/\.tsv(\.gz)?$/i.test(path) ? '\t' : ',') };
  checkDelimiter(text);
  const fill = async (write: Write) => {
    for await (const block of csvBlocks(records, text)) await write(Buffer.from(block));
  };
  const isGzip = isGzipName(path);
  await writeFileAtomically(path, (write) => (isGzip ? writeGzip(write, fill) : fill(write)), signal);
}

/** The text of writeCsv in blocks, for streams. */
export async function* csvBlocks(
  records: TableRecords,
  options: CsvTextOptions = {},
): AsyncGenerator<string, void, undefined> {
  checkRecords(records);
  const delimiter = checkDelimiter(options);
  let block = '';
  for await (const cells of records) {
    block += formatRecord(cells, delimiter);
    if (block.length < BLOCK_LENGTH) continue;
    yield block;
    block = '';
  }
  if (block !== '') yield block;
}

function checkRecords(records: TableRecords): void {
  checkAttached('records', records);
  const given: Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined = records;
  if (given?.[Symbol.iterator] !== undefined || given?.[Symbol.asyncIterator] !== undefined) return;
  const message = `records is ${inspectValue(records)}: it must be an array or other iterable of records`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'records', value: records });
}

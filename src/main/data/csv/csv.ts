// CSV files: features to a matrix, a label column to class indices; csv-columns.ts chooses the columns.

import { quoted } from '../../../printable.js';
import type { Allocator } from '../../memory/tensor.js';
import { ClassLabels } from '../class-labels.js';
import { type DataFile, withDataFile } from '../data-file.js';
import { formatError } from '../errors.js';
import { headOf, isText } from '../foreign-files.js';
import type { FileFormat, LabelContent } from '../format.js';
import { delimiterBetweenNumbers, isNumberText } from '../number-text.js';
import { CSV_OPTIONS, type CsvOptions, checkAllocator, checkCsvOptions } from '../read-options.js';
import { Columns, delimiterHint } from './csv-columns.js';
import { countRecords, type OnProgress, readRecords } from './csv-records.js';
import { type CsvTable, expectCells, noRows, TableBuilder } from './csv-table.js';
import { writeCsv } from './csv-writer.js';
import { VectorColumns } from './vector-columns.js';

export type { CsvTable } from './csv-table.js';

export const csvFormat: FileFormat = {
  name: 'csv',
  title: 'CSV',
  extensions: ['.csv'],
  options: CSV_OPTIONS,
  matches: isText,
  readMatrix: readTable,
  readLabels: readTextLabels,
  writeRecords: writeCsv,
};

/** Fraction of the progress for counting; parsing takes the rest. */
const COUNTING_SHARE = 0.05;

export async function readCsv(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<CsvTable> {
  checkAllocator(allocator);
  checkCsvOptions(options);
  return withDataFile(path, options, (file) => readTable(file, allocator, options));
}

/**
 * Reads the file twice: first to count its rows, then to parse it into a matrix of that size. So it needs no more memory than
 * the result and one block of the file.
 */
async function readTable(file: DataFile, allocator: Allocator, options: CsvOptions): Promise<CsvTable> {
  const delimiter = await delimiterOf(file, options);
  const counted = await countRecords(file, delimiter, progressPart(options, 0, COUNTING_SHARE));
  let table: TableBuilder | undefined;
  const rows = new VectorColumns(file.path, options, (spread) => {
    table = new TableBuilder(allocator, file.path, counted, spread);
    return table;
  });
  try {
    const parsing = progressPart(options, COUNTING_SHARE, 1);
    await readRecords(file, delimiter, counted, parsing, (cells, line) => rows.add(cells, line));
    return rows.end().finish();
  } catch (error) {
    table?.free();
    throw error;
  }
}

/**
 * Reads the label column of a CSV file, or text with one label a line. A first line that is a word above numbers, or 0 above
 * words, is taken for a header.
 */
async function readTextLabels(file: DataFile, options: CsvOptions): Promise<LabelContent> {
  const { path } = file;
  const delimiter = await delimiterOf(file, options);
  const counted = await countRecords(file, delimiter, progressPart(options, 0, COUNTING_SHARE));
  const labels = new ClassLabels(path, counted.records, options);
  const parsing = progressPart(options, COUNTING_SHARE, 1);
  let columns: Columns | undefined;
  /** Line 1, until the other labels show whether it is a header. */
  let first: { readonly label: string; readonly cells: readonly string[]; readonly line: number } | undefined;
  await readRecords(file, delimiter, counted, parsing, (cells, line) => {
    if (columns) {
      expectCells(path, columns, cells, line);
      labels.add(cells[columns.label!]!, line);
      return;
    }
    columns = labelColumns(path, cells, options);
    const label = cells[columns.label!]!;
    if (columns.firstLine === 'names') return;
    if (options.header === false) labels.add(label, line);
    else first = { label, cells, line };
  });
  let header = columns?.hasHeader ?? false;
  let headerIsGuess = false;
  if (first && columns) {
    const { label, cells, line } = first;
    const isCounted = columns.firstLine !== 'values';
    const isWord = !isNumberText(label);
    const verdict = isCounted || isWord ? labels.judgeFirst(label) : undefined;
    header = verdict ? verdict === 'header' : cells.filter(isNumberText).length > 2 && isCounted;
    headerIsGuess = isCounted && verdict === undefined;
    if (!header) labels.insertFirst(label, line);
  }
  if (labels.count === 0) throw noRows(path);
  expectNoColumns(path, labels, options);
  return { ...labels.finish(), header, ...(headerIsGuess && { headerIsGuess }) };
}

function labelColumns(path: string, first: readonly string[], options: CsvOptions): Columns {
  const { labelColumn, header } = options;
  if (labelColumn === undefined && first.length > 1) {
    throw formatError(
      path,
      `line 1: expected one label a line, found ${first.length} cells`,
      'Name the column that holds the labels in options.labelColumn.',
      { value: first.length },
    );
  }
  return new Columns(path, first, { labelColumn: labelColumn ?? 0, ...(header !== undefined && { header }) });
}

/** Refuses rows of numbers with another delimiter, each of which would be a label. */
function expectNoColumns(path: string, labels: ClassLabels, { labelColumn }: CsvOptions): void {
  const [label = ''] = labels.distinct;
  const delimiter = delimiterBetweenNumbers(label);
  if (labelColumn !== undefined || delimiter === undefined) return;
  if (!labels.distinct.every((other) => delimiterBetweenNumbers(other) === delimiter)) return;
  throw formatError(
    path,
    `expected one label a line, found ${label.split(delimiter).length} numbers: ${quoted(label)}`,
    `${delimiterHint(delimiter)} Name the column that holds the labels in options.labelColumn.`,
    { value: label },
  );
}

/** A tab where the name says so, or where line 1 has tabs and no commas. */
async function delimiterOf(file: DataFile, { delimiter }: CsvOptions): Promise<string> {
  if (delimiter !== undefined) return delimiter;
  if (/\.(?:tsv|tab)(?:\.gz|\.zst)?$/i.test(file.path)) return '\t';
  const text = new TextDecoder().decode(await headOf(file));
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1);
  const unquoted = line.replace(/"[^"]*"/g, '').trim();
  return unquoted.includes('\t') && !unquoted.includes(',') ? '\t' : ',';
}

const progressPart = ({ onProgress }: CsvOptions, from: number, to: number): OnProgress =>
  onProgress && ((fraction) => onProgress(from + fraction * (to - from)));

// CSV files: features to a matrix, a label column to class indices; csv-columns.ts chooses the columns.

import type { Allocator } from '../../memory/tensor.js';
import { type DataFile, withDataFile } from '../data-file.js';
import { headOf, isText } from '../foreign-files.js';
import type { FileFormat, LabelContent } from '../format.js';
import { CSV_OPTIONS, type CsvOptions, checkAllocator, checkCsvOptions } from '../read-options.js';
import { LabelBuilder } from './csv-labels.js';
import { countRecords, type OnProgress, readRecords } from './csv-records.js';
import { type CsvTable, TableBuilder } from './csv-table.js';
import { writeCsv } from './csv-writer.js';
import { TextColumns } from './text-columns.js';
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
 * Reads the file twice: first to count its rows, then to parse it into a matrix of that size. So it needs little more memory than
 * the result and some blocks of the file.
 */
async function readTable(file: DataFile, allocator: Allocator, options: CsvOptions): Promise<CsvTable> {
  const delimiter = await delimiterOf(file, options, DELIMITERS.ofTables);
  const counted = await countRecords(file, delimiter, progressPart(options, 0, COUNTING_SHARE));
  let table: TableBuilder | undefined;
  const rows = new VectorColumns(file.path, options, (spread) => {
    return new TextColumns((texts) => {
      table = new TableBuilder(allocator, file.path, delimiter, counted, { ...spread, texts });
      return table;
    });
  });
  try {
    const parsing = progressPart(options, COUNTING_SHARE, 1);
    await readRecords(file, delimiter, counted, parsing, rows);
    return rows.end().end().finish();
  } catch (error) {
    table?.free();
    throw error;
  }
}

/** Reads the label column of a CSV file, or text with one label a line. */
async function readTextLabels(file: DataFile, options: CsvOptions): Promise<LabelContent> {
  const others = options.labelColumn === undefined ? DELIMITERS.ofLabels : DELIMITERS.ofTables;
  const delimiter = await delimiterOf(file, options, others);
  const counted = await countRecords(file, delimiter, progressPart(options, 0, COUNTING_SHARE));
  const labels = new LabelBuilder(file.path, delimiter, counted, options);
  await readRecords(file, delimiter, counted, progressPart(options, COUNTING_SHARE, 1), labels);
  return labels.finish();
}

/** In place of commas, the first that line 1 has. */
const DELIMITERS = { ofTables: ['\t', ';', '|'], ofLabels: ['\t'] } as const;

/** As the name says, or as line 1 shows. */
async function delimiterOf(
  file: DataFile,
  { delimiter, decimal }: CsvOptions,
  besidesComma: readonly string[],
): Promise<string> {
  if (delimiter !== undefined) return delimiter;
  if (/\.(?:tsv|tab)(?:\.gz|\.zst)?$/i.test(file.path)) return '\t';
  const text = new TextDecoder().decode(await headOf(file));
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1);
  const unquoted = line.replace(/"[^"]*"/g, '').trim();
  const other = besidesComma.find((delimiter) => unquoted.includes(delimiter));
  if (other === undefined) return ',';
  // Between digits they are decimal points, of which a later message tells; with another delimiter only if that is said.
  const areDecimal = decimal === ',' || other === ';';
  const others = areDecimal ? unquoted.replace(/\d,\d/g, '') : unquoted;
  return others.includes(',') ? ',' : other;
}

const progressPart = ({ onProgress }: CsvOptions, from: number, to: number): OnProgress =>
  onProgress && ((fraction) => onProgress(from + fraction * (to - from)));

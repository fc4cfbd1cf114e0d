// CSV files: features to a matrix, a label column to class indices.

import { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import { checkArray, checkBoolean, checkOneOf, checkStrings, inspectValue } from '../../arguments/checks.js';
import type { Allocator } from '../../memory/tensor.js';
import { formatError, type ReadOptions } from '../byte-source.js';
import { ClassLabels } from '../class-labels.js';
import { delimiterBetweenNumbers, isNumberText } from '../number-text.js';
import { checkAllocator, checkReadOptions } from '../read-arguments.js';
import { Columns, delimiterHint } from './csv-columns.js';
import { countRecords, readRecords } from './csv-records.js';
import { type CsvTable, expectCells, noRows, TableBuilder, type TableOptions } from './csv-table.js';

export type { CsvTable } from './csv-table.js';

export interface CsvOptions extends TableOptions, ReadOptions {
  /** Default: a tab for files named .tsv, else a comma. */
  readonly delimiter?: string | undefined;
}

const OWN_NAMES: readonly (keyof CsvOptions)[] = [
  'labelColumn',
  'skipLabels',
  'featureColumns',
  'featureNames',
  'header',
  'delimiter',
  'classNames',
  'numericLabels',
];

/** By their names and kinds; whether the columns are there, the file says. */
export function checkCsvOptions(options: CsvOptions): void {
  checkReadOptions(options, OWN_NAMES);
  const { labelColumn, featureColumns, header = 'auto', delimiter = ',' } = options;
  if (labelColumn !== undefined) checkColumn('labelColumn', labelColumn);
  if (featureColumns !== undefined) checkArray('options.featureColumns', featureColumns, 'columns');
  for (const [i, key] of featureColumns?.entries() ?? []) checkColumn(`featureColumns[${i}]`, key);
  for (const name of ['classNames', 'featureNames'] as const) {
    const names = options[name];
    if (names !== undefined) checkStrings(`options.${name}`, names);
  }
  checkBoolean('options.skipLabels', options.skipLabels ?? false);
  checkOneOf('options.numericLabels', options.numericLabels ?? 'whole', ['whole', 'any']);
  if (![true, false, 'auto'].includes(header)) throw wrongOption('header', header, "true, false or 'auto'");
  if (typeof delimiter !== 'string' || !/^[^"\r\n]+$/.test(delimiter)) {
    throw wrongOption('delimiter', delimiter, 'one character or more, no quotes and no line ends');
  }
}

function checkColumn(name: string, key: unknown): void {
  if (typeof key !== 'string' && typeof key !== 'number') {
    throw wrongOption(name, key, 'the name of a column or its index');
  }
}

function wrongOption(name: string, value: unknown, right: string): SoftshardError {
  const argument = `options.${name}`;
  const message = `${argument} is ${inspectValue(value)}: it must be ${right}`;
  return new SoftshardError('ERR_OPTION', message, { argument, value });
}

export interface TextLabels {
  readonly targets: Int32Array;
  readonly classNames: string[];
  /** Whether line 1 was taken for a name. */
  readonly header: boolean;
  /** Present where line 1 may as well be the other: it is 0, as pandas calls a column without a name. */
  readonly headerIsGuess?: true;
}

/** The part of the progress that counting takes; parsing takes the rest. */
const COUNTING_SHARE = 0.05;

/**
 * Reads the file twice: first to count its rows, then to parse it into a matrix of that size, so that no more memory
 * is needed than the result takes, plus one block of the file.
 */
export async function readCsv(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<CsvTable> {
  checkAllocator(allocator);
  checkCsvOptions(options);
  const delimiter = delimiterOf(path, options);
  const counted = await countRecords(path, delimiter, progressPart(options, 0, COUNTING_SHARE));
  const table = new TableBuilder(allocator, path, counted, options);
  try {
    const parsing = progressPart(options, COUNTING_SHARE, 1);
    await readRecords(path, delimiter, counted, parsing, (cells, line) => table.add(cells, line));
    return table.finish();
  } catch (error) {
    table.free();
    throw error;
  }
}

/**
 * Labels alone: the label column of a CSV file, or a text file with one label a line. A first line that is a word above
 * numbers, or 0 above words, is taken for a header.
 */
export async function readTextLabels(path: string, options: CsvOptions = {}): Promise<TextLabels> {
  const delimiter = delimiterOf(path, options);
  const counted = await countRecords(path, delimiter, progressPart(options, 0, COUNTING_SHARE));
  const labels = new ClassLabels(path, counted.records, options);
  const parsing = progressPart(options, COUNTING_SHARE, 1);
  let columns: Columns | undefined;
  /** The label of line 1, until the others tell whether it is one. */
  let first: { readonly label: string; readonly cells: readonly string[]; readonly line: number } | undefined;
  await readRecords(path, delimiter, counted, parsing, (cells, line) => {
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

/** Rows of numbers with another delimiter between them would all be labels of their own. */
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

function delimiterOf(path: string, { delimiter }: CsvOptions): string {
  return delimiter ?? (/\.tsv(\.gz)?$/i.test(path) ? '\t' : ',');
}

function progressPart({ signal, onProgress }: ReadOptions, from: number, to: number): ReadOptions {
  return {
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (fraction: number) => onProgress(from + fraction * (to - from)) }),
  };
}

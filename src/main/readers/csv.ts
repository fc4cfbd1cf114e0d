// CSV files: features to a matrix, a label column to class indices.

import { SoftshardError } from '../../errors.js';
import { quoted, shortened } from '../../printable.js';
import { checkArray, shown } from '../options.js';
import type { Allocator, Matrix } from '../tensor.js';
import { allocateFor } from './allocation.js';
import { formatError, type ReadOptions } from './byte-source.js';
import { ClassLabels } from './class-labels.js';
import { type ColumnOptions, Columns, isNumberText } from './csv-columns.js';
import { countRecords, readRecords } from './csv-records.js';
import { checkAllocator, checkReadOptions } from './read-arguments.js';

export interface CsvOptions extends ColumnOptions, ReadOptions {
  /** Default: a tab for files named .tsv, else a comma. */
  readonly delimiter?: string | undefined;
  /** The classes in order, such as a trained model's: labels become indices in it, others are errors. */
  readonly classNames?: readonly string[] | undefined;
}

const OWN_NAMES: readonly (keyof CsvOptions)[] = [
  'labelColumn',
  'featureColumns',
  'header',
  'delimiter',
  'classNames',
];

/** By their names and kinds; whether the columns are there, the file says. */
export function checkCsvOptions(options: CsvOptions): void {
  checkReadOptions(options, OWN_NAMES);
  const { labelColumn, featureColumns, classNames, header = 'auto', delimiter = ',' } = options;
  if (labelColumn !== undefined) checkColumn('labelColumn', labelColumn);
  if (featureColumns !== undefined) checkArray('options.featureColumns', featureColumns, 'columns');
  for (const [i, key] of featureColumns?.entries() ?? []) checkColumn(`featureColumns[${i}]`, key);
  if (classNames !== undefined) checkArray('options.classNames', classNames, 'strings');
  for (const [i, name] of classNames?.entries() ?? []) {
    if (typeof name !== 'string') throw wrongOption(`classNames[${i}]`, name, 'a string');
  }
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
  const message = `${argument} is ${shown(value)}: it must be ${right}`;
  return new SoftshardError('ERR_OPTION', message, { argument, value });
}

export interface CsvTable {
  /** dims [rows, features] */
  readonly matrix: Matrix;
  /** Present when a label column was asked for. */
  readonly targets?: Int32Array;
  /** Class c is called classNames[c]; present together with `targets`. */
  readonly classNames?: string[];
  /** Present when the file has a header. */
  readonly featureNames?: string[];
}

export interface TextLabels {
  readonly targets: Int32Array;
  readonly classNames: string[];
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
  const maxRecords = await countRecords(path, progressPart(options, 0, COUNTING_SHARE));
  const table = new TableBuilder(allocator, path, maxRecords, options);
  try {
    await readRecords(
      path,
      delimiterOf(path, options),
      progressPart(options, COUNTING_SHARE, 1),
      (cells, line) => table.add(cells, line),
    );
    return table.finish();
  } catch (error) {
    table.free();
    throw error;
  }
}

/**
 * Labels alone: the label column of a CSV file, or a text file with one label a line. A first line that is not a
 * number above numbers is taken for a header.
 */
export async function readTextLabels(path: string, options: CsvOptions = {}): Promise<TextLabels> {
  const maxRecords = await countRecords(path, progressPart(options, 0, COUNTING_SHARE));
  const labels = new ClassLabels(path, maxRecords, options.classNames);
  const header = options.header ?? 'auto';
  let columns: Columns | undefined;
  await readRecords(
    path,
    delimiterOf(path, options),
    progressPart(options, COUNTING_SHARE, 1),
    (cells, line) => {
      const isFirst = columns === undefined;
      columns ??= labelColumns(path, cells, options);
      expectCells(path, columns, cells, line);
      const label = cells[columns.label!]!;
      if (isFirst && (columns.hasHeader || (header === 'auto' && labels.isOddOneOut(label)))) return;
      labels.add(label, line);
    },
  );
  if (header === 'auto' && !columns?.hasHeader && labels.firstIsOddOneOut) labels.dropFirst();
  if (labels.count === 0) throw noRows(path);
  return labels.finish();
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

/** Takes records one by one; the matrix is allocated when the first shows how many columns there are. */
class TableBuilder {
  readonly #allocator: Allocator;
  readonly #path: string;
  readonly #maxRecords: number;
  readonly #options: CsvOptions;
  #columns: Columns | undefined;
  #labels: ClassLabels | undefined;
  #matrix: Matrix | undefined;
  #rows = 0;

  constructor(allocator: Allocator, path: string, maxRecords: number, options: CsvOptions) {
    this.#allocator = allocator;
    this.#path = path;
    this.#maxRecords = maxRecords;
    this.#options = options;
  }

  add(cells: readonly string[], line: number): void {
    if (!this.#columns) {
      this.#columns = this.#start(cells);
      if (this.#columns.hasHeader) return;
    }
    this.#addRow(this.#columns, this.#matrix!, cells, line);
  }

  #start(first: readonly string[]): Columns {
    const columns = new Columns(this.#path, first, this.#options);
    if (columns.features.length === 0) {
      throw formatError(
        this.#path,
        `line 1: expected feature columns, found ${first.length} cell${first.length === 1 ? '' : 's'}`,
        this.#delimiterRemedy(first[0]!) || 'Give the file columns of numbers besides the label column.',
      );
    }
    const rows = this.#maxRecords - (columns.hasHeader ? 1 : 0);
    if (rows <= 0) throw noRows(this.#path);
    this.#matrix = this.#allocate(rows, columns.features.length);
    if (columns.label !== undefined) {
      this.#labels = new ClassLabels(this.#path, rows, this.#options.classNames);
    }
    return columns;
  }

  #addRow(columns: Columns, matrix: Matrix, cells: readonly string[], line: number): void {
    expectCells(this.#path, columns, cells, line);
    const [rows, features] = matrix.dims;
    if (this.#rows === rows) throw changedMeanwhile(this.#path, line);
    const begin = this.#rows * features;
    for (let feature = 0; feature < features; feature++) {
      const text = cells[columns.features[feature]!]!;
      const value = Math.fround(Number(text));
      if (!isNumberText(text) || !Number.isFinite(value)) throw this.#badCell(columns, feature, text, line);
      matrix.data[begin + feature] = value;
    }
    if (columns.label !== undefined) this.#labels!.add(cells[columns.label]!, line);
    this.#rows++;
  }

  #badCell(columns: Columns, feature: number, text: string, line: number): SoftshardError {
    const place = `line ${line}, ${columns.describe(columns.features[feature]!)}`;
    const details = { row: this.#rows, value: text };
    if (text === '') {
      return formatError(
        this.#path,
        `${place}: expected a number, found an empty cell`,
        'Fill it in, leave the row out, or choose other columns with featureColumns.',
        details,
      );
    }
    if (isNumberText(text)) {
      return formatError(
        this.#path,
        `${place}: expected a number within float32's range, found ${shortened(text)}`,
        'Scale the values before they are written.',
        details,
      );
    }
    const isFirst = this.#rows === 0 && !columns.hasHeader;
    return formatError(
      this.#path,
      `${place}: expected a number, found ${quoted(text)}`,
      this.#delimiterRemedy(text) ||
        `Write numbers such as 1, -2.5 or 3e-4${isFirst ? ', or pass header: true if this line holds names' : ''}; ` +
          'a column of classes is chosen with labelColumn, other text left out with featureColumns.',
      details,
    );
  }

  /** A file of one column that holds another usual delimiter was probably written with that. */
  #delimiterRemedy(text: string): string {
    const other = [';', '\t', ',', '|'].find((delimiter) => text.includes(delimiter));
    if (!other || (this.#columns?.count ?? 1) > 1) return '';
    return `If the columns are separated by ${JSON.stringify(other)}, pass it as delimiter.`;
  }

  finish(): CsvTable {
    const columns = this.#columns;
    if (!columns || this.#rows === 0) throw noRows(this.#path);
    if (!columns.hasHeader && (this.#options.header ?? 'auto') === 'auto' && this.#labels?.firstIsOddOneOut) {
      throw formatError(
        this.#path,
        'line 1: expected a number as label, as in all other lines, found text',
        'Pass header: true if line 1 holds names, header: false if it holds values.',
        { row: 0 },
      );
    }
    this.#shrinkToRows();
    const featureNames = columns.featureNames;
    return {
      matrix: this.#matrix!,
      ...this.#labels?.finish(),
      ...(featureNames && { featureNames }),
    };
  }

  #allocate(rows: number, features: number): Matrix {
    return allocateFor(this.#path, () => this.#allocator.matrix(rows, features));
  }

  /** Lines of exotic white space are counted as rows and then skipped by the parser: rare enough to copy for. */
  #shrinkToRows(): void {
    const larger = this.#matrix!;
    const [rows, features] = larger.dims;
    if (this.#rows === rows) return;
    const exact = this.#allocate(this.#rows, features);
    exact.data.set(larger.data.subarray(0, exact.data.length));
    larger.free();
    this.#matrix = exact;
  }

  free(): void {
    this.#matrix?.free();
  }
}

function expectCells(path: string, columns: Columns, cells: readonly string[], line: number): void {
  if (cells.length === columns.count) return;
  throw formatError(
    path,
    `line ${line}: expected ${columns.count} cells, as in the first line, found ${cells.length}`,
    'Give every row the same columns; a field that holds the delimiter must be quoted.',
    { value: cells.length },
  );
}

function noRows(path: string): SoftshardError {
  return formatError(path, 'expected rows of values, found none', 'Name a file with at least one row.');
}

function changedMeanwhile(path: string, line: number): SoftshardError {
  return formatError(
    path,
    `line ${line}: expected the end of the file, found more rows than were counted`,
    'The file changed while it was read: read it again when it is complete.',
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

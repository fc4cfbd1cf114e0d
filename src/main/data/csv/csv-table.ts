// Turns CSV records into a matrix and labels, one by one.

import type { SoftshardError } from '../../../errors.js';
import { listed, quoted } from '../../../printable.js';
import type { Allocator, Matrix } from '../../memory/tensor.js';
import { ClassLabels } from '../class-labels.js';
import { allocateFor, changedError, formatError, missingRemedy } from '../errors.js';
import type { MatrixContent } from '../format.js';
import {
  type DecimalMark,
  isMissingAmongNumbers,
  isNumberText,
  isTruth,
  textWithPoint,
  withPoint,
} from '../number-text.js';
import type { TableOptions } from '../read-options.js';
import { Columns, type CsvColumnOptions, delimiterRemedy } from './csv-columns.js';
import type { Counted, RecordSink } from './csv-records.js';
import { PlainRows, type RowSink } from './plain-rows.js';

export type CsvTable = MatrixContent & Required<Pick<MatrixContent, 'header'>>;

interface Held {
  readonly cells: readonly string[];
  readonly line: number;
}

/** The first record shows the number of columns; the matrix is allocated then. */
export class TableBuilder implements RecordSink, RowSink {
  plainRows: PlainRows | undefined;
  readonly #allocator: Allocator;
  readonly #path: string;
  readonly #counted: Counted;
  readonly #delimiter: string;
  readonly #options: TableOptions & CsvColumnOptions;
  #columns: Columns | undefined;
  #labels: ClassLabels | undefined;
  readonly #ids: string[] = [];
  #matrix: Matrix | undefined;
  #rows = 0;
  /** Line 1 if it is taken for names but may be a row, which all labels and values decide. */
  #held: Held | undefined;
  #onlyZerosAndOnes = true;
  /** Features that have a truth value in the first row, or none. */
  readonly #mayBeTrue = new Set<number>();

  constructor(
    allocator: Allocator,
    path: string,
    delimiter: string,
    counted: Counted,
    options: TableOptions & CsvColumnOptions,
  ) {
    this.#allocator = allocator;
    this.#path = path;
    this.#delimiter = delimiter;
    this.#counted = counted;
    this.#options = options;
  }

  add(cells: readonly string[], line: number): void {
    if (!this.#columns) {
      this.#columns = this.#start(cells);
      if (this.#columns.firstLine === 'counting') this.#held = { cells, line };
      if (this.#columns.hasHeader) return;
    }
    this.#addRow(this.#columns, cells, line);
  }

  #start(first: readonly string[]): Columns {
    let columns = new Columns(this.#path, first, this.#options);
    // Names without rows are useless: these are values.
    const isNumbers = columns.firstLine === 'counting' || columns.firstLine === 'known';
    if (this.#counted.records === 1 && isNumbers) {
      columns = new Columns(this.#path, first, { ...this.#options, header: false });
    }
    if (columns.features.length === 0) {
      throw formatError(
        this.#path,
        `line 1: expected feature columns, found ${first.length} cell${first.length === 1 ? '' : 's'}`,
        delimiterRemedy(first) || 'Give the file columns of numbers besides the label column.',
      );
    }
    const rows = this.#counted.records - (columns.hasHeader ? 1 : 0);
    if (rows <= 0) throw noRows(this.#path);
    this.#matrix = this.#allocate(Math.min(rows, this.#mostRowsOf(columns)), columns.features.length);
    if (columns.label !== undefined && !this.#options.skipLabels) {
      // Leaves room for line 1, which may turn out to be a row.
      this.#labels = new ClassLabels(this.#path, this.#counted.records, this.#options);
    }
    // Ids are texts of all rows.
    if (columns.id !== undefined) return columns;
    this.plainRows = PlainRows.of(
      this.#delimiter,
      { ...columns, label: this.#labels ? columns.label : undefined },
      this,
      this.#options.decimal,
    );
    return columns;
  }

  /** A bound for files whose first line is wider than the others: a cell takes a byte, one with a number two. */
  #mostRowsOf({ count, features }: Columns): number {
    return Math.max(1, Math.floor((this.#counted.contentBytes + 1) / (count + new Set(features).size)));
  }

  #addRow(columns: Columns, cells: readonly string[], line: number): void {
    expectCells(this.#path, columns, cells, line);
    const begin = this.nextRowBegin();
    if (begin < 0) throw changedError(this.#path);
    for (const [feature, column] of columns.features.entries()) {
      const value = this.valueOf(cells[column]!, feature);
      if (value === undefined) throw this.#badCell(columns, feature, cells, line);
      this.values[begin + feature] = value;
    }
    this.endRow(cells[columns.label!], line);
    if (columns.id !== undefined) this.#ids.push(cells[columns.id]!);
  }

  get values(): Float32Array {
    return this.#matrix!.data;
  }

  nextRowBegin(): number {
    const [rows, features] = this.#matrix!.dims;
    return this.#rows < rows ? this.#rows * features : -1;
  }

  /** A truth value in a column of numbers is a mistake. */
  valueOf(text: string, feature: number): number | undefined {
    const number = withPoint(text, this.#options.decimal);
    const value = Math.fround(Number(number));
    if (isNumberText(number) && Number.isFinite(value)) return value;
    const isMissing = text === '' || isMissingAmongNumbers(text);
    if (this.#rows === 0 && (isMissing || isTruth(text))) this.#mayBeTrue.add(feature);
    if (isTruth(text) && this.#mayBeTrue.has(feature)) return /^t/i.test(text) ? 1 : 0;
    return isMissing && this.#options.missingCells === 'nan' ? Number.NaN : undefined;
  }

  endRow(label: string | undefined, line: number): void {
    if (this.#held && this.#onlyZerosAndOnes) {
      const features = this.#matrix!.dims[1];
      const row = this.values.subarray(this.#rows * features, (this.#rows + 1) * features);
      this.#onlyZerosAndOnes = row.every((value) => value === 0 || value === 1);
    }
    this.#labels?.add(this.#labelOf(label!), line);
    this.#rows++;
  }

  #labelOf(text: string): string {
    return textWithPoint(text, this.#options.decimal);
  }

  #badCell(columns: Columns, feature: number, cells: readonly string[], line: number): SoftshardError {
    const text = cells[columns.features[feature]!]!;
    const { decimal, featureNames } = this.#options;
    const place = `line ${line}, ${columns.describe(columns.features[feature]!)}`;
    const details = { row: this.#rows, value: text };
    const isFirst = this.#rows === 0 && !columns.hasHeader;
    const orNames = isFirst ? '; or pass header: true if this line holds names' : '';
    const isNeeded = featureNames !== undefined;
    if (text === '' || isMissingAmongNumbers(text)) {
      return formatError(
        this.#path,
        `${place}: expected a number, found ${text === '' ? 'an empty cell' : quoted(text)}`,
        missingRemedy(isNeeded, orNames),
        details,
      );
    }
    if (isNumberText(withPoint(text, decimal))) {
      return formatError(
        this.#path,
        `${place}: expected a number within float32's range, found ${text.slice(0, 60)}`,
        'Scale the values before they are written.',
        details,
      );
    }
    const others = isNeeded
      ? ''
      : '; a column of classes is chosen with labelColumn, one that names rows with idColumn, other text left out with excludeColumns';
    // Another column like it would be the next error.
    const alike = columns.features.filter(
      (column, other) => other > feature && this.valueOf(cells[column]!, other) === undefined,
    );
    const also =
      alike.length > 0
        ? `; there is none in ${listed(alike.map((column) => columns.describe(column)))} either`
        : '';
    return formatError(
      this.#path,
      `${place}: expected a number, found ${quoted(text)}${also}`,
      (columns.count === 1 && delimiterRemedy([text])) ||
        `${numbersRemedy(text, decimal)}${orNames}${others}.`,
      details,
    );
  }

  finish(): CsvTable {
    const columns = this.#columns;
    if (!columns || this.#rows === 0) throw noRows(this.#path);
    const isUndecided = !columns.hasHeader && (this.#options.header ?? 'auto') === 'auto';
    if (isUndecided && this.#labels?.firstIsOddOneOut) {
      throw formatError(
        this.#path,
        'line 1: expected a number as label, as in all other lines, found text',
        'Pass header: true if line 1 holds names, header: false if it holds values.',
        { row: 0 },
      );
    }
    const { header, headerIsGuess } = this.#settleFirst(columns);
    // Lines of exotic white space are counted as rows but skipped by the parser; that is rare enough to copy.
    if (this.#rows < this.#matrix!.dims[0]) this.#moveRows(this.#rows, 0);
    const { featureNames, idName, unused = [] } = columns;
    return {
      matrix: this.#matrix!,
      ...this.#labels?.finish(),
      ...(columns.id !== undefined && { ids: this.#ids }),
      ...(header && idName !== undefined && { idName }),
      header,
      ...(headerIsGuess && { headerIsGuess }),
      ...(header && featureNames && { featureNames }),
      ...(header && unused.length > 0 && { unusedColumns: [...unused] }),
    };
  }

  /** In two columns of zeros and ones, 0, 1 is a common row; among other values it is probably names. */
  #settleFirst({ firstLine, hasHeader, label }: Columns): { header: boolean; headerIsGuess: boolean } {
    if (!this.#held)
      return { header: hasHeader, headerIsGuess: firstLine === 'known' || firstLine === 'zero' };
    const { cells, line } = this.#held;
    const verdict = label === undefined ? undefined : this.#labels?.judgeFirst(this.#labelOf(cells[label]!));
    const numbers = cells.filter(isNumberText).length;
    const header = verdict ? verdict === 'header' : numbers > 2 || !this.#onlyZerosAndOnes;
    if (!header) this.#insertFirst(cells, line);
    return { header, headerIsGuess: verdict === undefined };
  }

  #insertFirst(cells: readonly string[], line: number): void {
    const { features, label, id } = this.#columns!;
    this.#moveRows(this.#rows + 1, 1).data.set(features.map((index) => Number(cells[index])));
    this.#rows++;
    this.#labels?.insertFirst(this.#labelOf(cells[label!]!), line);
    if (id !== undefined) this.#ids.unshift(cells[id]!);
  }

  #allocate(rows: number, features: number): Matrix {
    return allocateFor(this.#path, () => this.#allocator.matrix(rows, features));
  }

  /** Moves to a matrix of `rows` rows, the first `before` of them free. */
  #moveRows(rows: number, before: number): Matrix {
    const former = this.#matrix!;
    const features = former.dims[1];
    const matrix = this.#allocate(rows, features);
    matrix.data.set(former.data.subarray(0, this.#rows * features), before * features);
    former.free();
    this.#matrix = matrix;
    return matrix;
  }

  free(): void {
    this.#matrix?.free();
  }
}

function numbersRemedy(text: string, decimal: DecimalMark | undefined): string {
  if (decimal === ',') return 'Write numbers such as 1, -2,5 or 3e-4, with a decimal comma and no points';
  if (isNumberText(withPoint(text, ','))) return 'If commas are decimal points, pass options.decimal ","';
  return `Write numbers such as 1, -2.5 or 3e-4${/\d,\d/.test(text) ? ', with a decimal point and no commas' : ''}`;
}

export function expectCells(path: string, columns: Columns, cells: readonly string[], line: number): void {
  if (cells.length === columns.count) return;
  throw formatError(
    path,
    `line ${line}: expected ${columns.count} cells, as in the first line, found ${cells.length}`,
    'Give every row the same columns; a field that holds the delimiter must be quoted.',
    { value: cells.length },
  );
}

export function noRows(path: string): SoftshardError {
  return formatError(path, 'expected rows of values, found none', 'Name a file with at least one row.');
}

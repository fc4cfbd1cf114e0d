// Turns the label column of CSV records, or text with one label a line, into class indices.

import { quoted } from '../../../printable.js';
import { ClassLabels } from '../class-labels.js';
import { formatError } from '../errors.js';
import type { LabelContent } from '../format.js';
import { delimiterBetweenNumbers, isNumberText, textWithPoint } from '../number-text.js';
import type { CsvOptions } from '../read-options.js';
import { Columns, delimiterHint } from './csv-columns.js';
import type { Counted, RecordSink } from './csv-records.js';
import { expectCells, noRows } from './csv-table.js';
import { PlainRows, type RowSink } from './plain-rows.js';

/** A first line that is a word above numbers, or 0 above words, is taken for a header. */
export class LabelBuilder implements RecordSink, RowSink {
  plainRows: PlainRows | undefined;
  /** Cells of other columns may hold anything. */
  readonly values = new Float32Array();
  readonly #path: string;
  readonly #delimiter: string;
  readonly #options: CsvOptions;
  readonly #labels: ClassLabels;
  #columns: Columns | undefined;
  /** Line 1, until the other labels show whether it is a header. */
  #first: { readonly label: string; readonly cells: readonly string[]; readonly line: number } | undefined;

  constructor(path: string, delimiter: string, counted: Counted, options: CsvOptions) {
    this.#path = path;
    this.#delimiter = delimiter;
    this.#options = options;
    this.#labels = new ClassLabels(path, counted.records, options);
  }

  add(cells: readonly string[], line: number): void {
    if (this.#columns) {
      expectCells(this.#path, this.#columns, cells, line);
      this.endRow(cells[this.#columns.label!]!, line);
      return;
    }
    const columns = labelColumns(this.#path, cells, this.#options);
    const { count, label: column, firstLine } = columns;
    this.#columns = columns;
    this.plainRows = PlainRows.of(this.#delimiter, { count, features: [], label: column }, this);
    const label = textWithPoint(cells[column!]!, this.#options.decimal);
    if (firstLine === 'names') return;
    if (this.#options.header === false) this.#labels.add(label, line);
    else this.#first = { label, cells, line };
  }

  nextRowBegin(): number {
    return 0;
  }

  valueOf(): undefined {}

  endRow(label: string | undefined, line: number): void {
    this.#labels.add(textWithPoint(label!, this.#options.decimal), line);
  }

  finish(): LabelContent {
    const labels = this.#labels;
    let header = this.#columns?.hasHeader ?? false;
    let headerIsGuess = false;
    if (this.#first && this.#columns) {
      const { label, cells, line } = this.#first;
      const isCounted = this.#columns.firstLine !== 'values';
      const isWord = !isNumberText(label);
      const verdict = isCounted || isWord ? labels.judgeFirst(label) : undefined;
      header = verdict ? verdict === 'header' : cells.filter(isNumberText).length > 2 && isCounted;
      headerIsGuess = isCounted && verdict === undefined;
      if (!header) labels.insertFirst(label, line);
    }
    if (labels.count === 0) throw noRows(this.#path);
    expectNoColumns(this.#path, labels, this.#options);
    return { ...labels.finish(), header, ...(headerIsGuess && { headerIsGuess }) };
  }
}

function labelColumns(path: string, first: readonly string[], options: CsvOptions): Columns {
  const { labelColumn, header, decimal } = options;
  if (labelColumn === undefined && first.length > 1) {
    throw formatError(
      path,
      `line 1: expected one label a line, found ${first.length} cells`,
      'Name the column that holds the labels in options.labelColumn.',
      { value: first.length },
    );
  }
  return new Columns(path, first, { labelColumn: labelColumn ?? 0, header, decimal });
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

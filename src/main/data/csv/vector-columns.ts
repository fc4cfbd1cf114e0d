// CSV columns whose cells are lists of numbers, as pandas writes embeddings: each number becomes a column of its own.

import { formatError } from '../errors.js';
import { isNumberText } from '../number-text.js';
import type { ColumnKey, TableOptions } from '../read-options.js';
import type { RecordSink } from './csv-records.js';
import type { PlainRows } from './plain-rows.js';
import { RECORD_BOUNDS } from './record-scanner.js';

/** Takes records; made when the first rows have shown which columns are lists. */
interface HeldRecord {
  readonly cells: readonly string[];
  readonly line: number;
}

/** "[0.1, 0.2]", or without commas as numpy prints arrays; undefined for other cells. */
function numbersIn(cell: string): string[] | undefined {
  if (!cell.startsWith('[') || !cell.endsWith(']')) return undefined;
  const numbers = cell
    .slice(1, -1)
    .trim()
    .split(/\s*,\s*|\s+/);
  return isNumberText(numbers[0]!) ? numbers : undefined;
}

/** A column is a list, of as many numbers in each row, if it is one in the first row of values: line 1 or the one after. */
export class VectorColumns<Sink extends RecordSink> implements RecordSink {
  readonly #path: string;
  readonly #options: TableOptions;
  readonly #makeSink: (options: TableOptions) => Sink;
  /** Line 1 until the next one is known. */
  #first: HeldRecord | undefined;
  /** Of each column: how many it becomes; undefined for one that is no list. */
  #widths: readonly (number | undefined)[] = [];
  #sink: Sink | undefined;

  constructor(path: string, options: TableOptions, makeSink: (options: TableOptions) => Sink) {
    this.#path = path;
    this.#options = options;
    this.#makeSink = makeSink;
  }

  add(cells: readonly string[], line: number): void {
    if (this.#sink) {
      this.#sink.add(this.#spread(cells, line), line);
      return;
    }
    const record = { cells, line };
    const first = this.#first ?? record;
    const isValues = cells.some((cell) => numbersIn(cell) !== undefined);
    if (first === record && !isValues) {
      this.#first = record;
      return;
    }
    const sink = this.#start(first, isValues ? record : undefined);
    if (first !== record) sink.add(this.#named(first.cells), first.line);
    sink.add(this.#spread(cells, line), line);
  }

  /** Rows without lists go by. */
  get plainRows(): PlainRows | undefined {
    return this.#hasLists ? undefined : this.#sink?.plainRows;
  }

  get #hasLists(): boolean {
    return this.#widths.some((width) => width !== undefined);
  }

  /** After the last record: what the sink has become. */
  end(): Sink {
    if (this.#sink) return this.#sink;
    const sink = this.#start(this.#first ?? { cells: [], line: 1 }, undefined);
    if (this.#first) sink.add(this.#first.cells, this.#first.line);
    return sink;
  }

  #start({ cells: names }: HeldRecord, values: HeldRecord | undefined): Sink {
    const { labelColumn, idColumn, featureColumns, excludeColumns } = this.#options;
    const others = [labelColumn, idColumn].map((key) => (key === undefined ? -1 : indexOf(names, key)));
    this.#widths = (values?.cells ?? []).map((cell, column) =>
      others.includes(column) ? undefined : numbersIn(cell)?.length,
    );
    const isList = this.#hasLists;
    this.#sink = this.#makeSink({
      ...this.#options,
      ...(isList && labelColumn !== undefined && { labelColumn: this.#keysOf(names, labelColumn)[0] }),
      ...(isList && idColumn !== undefined && { idColumn: this.#keysOf(names, idColumn)[0] }),
      ...(isList &&
        featureColumns && { featureColumns: featureColumns.flatMap((key) => this.#keysOf(names, key)) }),
      ...(isList &&
        excludeColumns && { excludeColumns: excludeColumns.flatMap((key) => this.#keysOf(names, key)) }),
    });
    return this.#sink;
  }

  /** The columns that a column becomes, by name or by index as it is asked for. */
  #keysOf(names: readonly string[], key: ColumnKey): ColumnKey[] {
    const column = indexOf(names, key);
    const width = this.#widths[column];
    if (typeof key === 'string') return width === undefined ? [key] : elementNames(key, width);
    // An index that is none stays so.
    if (column < 0 || column >= names.length) return [Number.MAX_SAFE_INTEGER];
    const begin = this.#widths.slice(0, column).reduce<number>((sum, before) => sum + (before ?? 1), 0);
    return Array.from({ length: width ?? 1 }, (_, element) => begin + element);
  }

  #named(names: readonly string[]): string[] {
    return names.flatMap((name, column) => {
      const width = this.#widths[column];
      return width === undefined ? [name] : elementNames(name, width);
    });
  }

  #spread(cells: readonly string[], line: number): readonly string[] {
    if (!this.#widths.some((width) => width !== undefined)) return cells;
    const spread = cells.flatMap((cell, column) => {
      const width = this.#widths[column];
      if (width === undefined) return [cell];
      // A missing list has no numbers, whatever is done about those.
      const numbers = cell === '' ? Array<string>(width).fill('') : (numbersIn(cell) ?? [cell]);
      if (numbers.length === width) return numbers;
      throw formatError(
        this.#path,
        `line ${line}, column ${column + 1}: expected a list of ${width} numbers, as in the first row, found ${numbers.length}`,
        'Give every row as many numbers, as in "[0.5, 1, -2]".',
        { value: cell.slice(0, 200) },
      );
    });
    if (spread.length <= RECORD_BOUNDS.cells) return spread;
    const finding = `line ${line}: expected at most ${RECORD_BOUNDS.cells} cells and numbers of lists, found ${spread.length}`;
    throw formatError(this.#path, finding, 'Write one row a line; if it is no CSV file, name another.');
  }
}

const indexOf = (names: readonly string[], key: ColumnKey): number =>
  typeof key === 'string' ? names.indexOf(key) : key < 0 ? names.length + key : key;

/** As the values of lists in other tables are called. */
const elementNames = (name: string, width: number): string[] =>
  Array.from({ length: width }, (_, element) => `${name}[${element}]`);

// Takes the rows of a CSV file straight from its bytes, where they are plain; csv-parse takes the others.

import type { DecimalMark } from '../number-text.js';
import type { Columns } from './csv-columns.js';
import { readDecimal } from './decimals.js';
import { LabelTexts } from './label-texts.js';

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;

/** Not plain, or not complete: -1, as readDecimal says it. */
const NONE = -1;

/** Delimiters of several bytes, or that a number may contain, are left to csv-parse. */
const PLAIN_DELIMITER = /^[\t !#$%&'()*,/:;<=>?@[\\\]^_`{|}~]$/;

/** Where rows go, whichever way they are read. */
export interface RowSink {
  /** The features of all rows. */
  readonly values: Float32Array;
  /** Where the features of the next row begin in `values`; -1 if there is no room for it. */
  nextRowBegin(): number;
  /** The value of a feature's cell in the next row; undefined if it has none. */
  valueOf(text: string, feature: number): number | undefined;
  /** Takes the next row, whose features are in place. Throws if the label is wrong. */
  endRow(label: string | undefined, line: number): void;
}

export interface RowColumns extends Pick<Columns, 'count' | 'features'> {
  /** Undefined where labels are not wanted. */
  readonly label: number | undefined;
}

/** Bytes of the file that begin between two records. In the buffer a line feed follows them, at `end`. */
export interface Block {
  readonly bytes: Buffer;
  readonly end: number;
  /** The file ends at `end`. */
  readonly isLast: boolean;
}

/**
 * A row is plain if it has as many cells as the first record, a value in each feature, and quotes only around whole cells, with
 * neither quotes nor line ends inside. It then gives what it gives by way of csv-parse.
 */
export class PlainRows {
  /** Rows taken so far. */
  rows = 0;
  /** Of the file, from 1: where take() ended. */
  line = 1;
  readonly #sink: RowSink;
  readonly #delimiter: number;
  /** The byte of decimal points. */
  readonly #point: number;
  readonly #label: number | undefined;
  /** Of each column: the index of its feature, or NONE. */
  readonly #featureOf: Int32Array;
  /** Features of columns that are a feature already. */
  readonly #copies: { readonly from: number; readonly to: number }[] = [];
  /** 1 for bytes that are trimmed. */
  readonly #isBlank = new Uint8Array(256);
  /** 1 for bytes that end a cell; quotes are wrong within a cell, so that looking at it ends there too. */
  readonly #endsCell = new Uint8Array(256);
  readonly #endsText = new Uint8Array(256);
  readonly #labelTexts = new LabelTexts();
  #labelText: string | undefined;
  /** What #findText found. */
  #textBegin = 0;
  #textEnd = 0;
  #isQuoted = false;

  private constructor(
    delimiter: number,
    point: number,
    { count, features, label }: RowColumns,
    sink: RowSink,
  ) {
    this.#sink = sink;
    this.#delimiter = delimiter;
    this.#point = point;
    this.#label = label;
    this.#featureOf = new Int32Array(count).fill(NONE);
    for (const [feature, column] of features.entries()) {
      const other = this.#featureOf[column]!;
      if (other === NONE) this.#featureOf[column] = feature;
      else this.#copies.push({ from: other, to: feature });
    }
    for (const blank of [SPACE, TAB]) if (blank !== delimiter) this.#isBlank[blank] = 1;
    for (const byte of [delimiter, LINE_FEED, CARRIAGE_RETURN]) this.#endsCell[byte] = 1;
    for (const byte of [delimiter, LINE_FEED, CARRIAGE_RETURN, QUOTE]) this.#endsText[byte] = 1;
  }

  /** Undefined if no row is plain with this delimiter. */
  static of(
    delimiter: string,
    columns: RowColumns,
    sink: RowSink,
    decimal: DecimalMark = '.',
  ): PlainRows | undefined {
    return PLAIN_DELIMITER.test(delimiter) && delimiter !== decimal
      ? new PlainRows(delimiter.charCodeAt(0), decimal.charCodeAt(0), columns, sink)
      : undefined;
  }

  /** Takes rows from `begin`, which is on `line`. Returns where the first row begins that is not plain or not complete. */
  take(block: Block, begin: number, line: number): number {
    this.line = line;
    for (let at = begin; ; ) {
      const rowBegin = this.#skipBlank(block, at);
      if (rowBegin === block.end) return rowBegin;
      const rowEnd = this.#readRow(block.bytes, rowBegin);
      const next = rowEnd === NONE ? NONE : lineAfter(block, rowEnd);
      if (next === NONE) return rowBegin;
      this.#sink.endRow(this.#labelText, this.line);
      this.rows++;
      this.line++;
      at = next;
    }
  }

  /** Where the next line begins that is not blank, without the blanks before it. */
  #skipBlank(block: Block, begin: number): number {
    const { bytes, end } = block;
    for (let at = begin; at < end; ) {
      const byte = bytes[at]!;
      if (this.#isBlank[byte] === 1) at++;
      else if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) return at;
      else {
        const next = lineAfter(block, at);
        if (next === NONE) return at;
        at = next;
        this.line++;
      }
    }
    return end;
  }

  /** Returns where the row ends, at a line end; NONE if it is not plain. Its values are in place then, its label kept. */
  #readRow(bytes: Buffer, begin: number): number {
    const { values } = this.#sink;
    const featureOf = this.#featureOf;
    const isBlank = this.#isBlank;
    const endsCell = this.#endsCell;
    const label = this.#label;
    const delimiter = this.#delimiter;
    const point = this.#point;
    const last = featureOf.length - 1;
    const valuesBegin = this.#sink.nextRowBegin();
    if (valuesBegin === NONE) return NONE;
    let at = begin;
    for (let column = 0; ; column++) {
      while (isBlank[bytes[at]!] === 1) at++;
      const feature = featureOf[column]!;
      let end =
        feature === NONE || column === label
          ? NONE
          : readDecimal(bytes, at, values, valuesBegin + feature, point);
      if (end === NONE || endsCell[bytes[end]!] === 0) {
        end = this.#findText(bytes, at);
        if (end === NONE) return NONE;
        if (feature !== NONE && !this.#readValue(bytes, valuesBegin, feature)) return NONE;
        if (column === label && !this.#readLabel(bytes)) return NONE;
      }
      const isRowEnd = bytes[end] !== delimiter;
      if (isRowEnd !== (column === last)) return NONE;
      if (isRowEnd) {
        for (const { from, to } of this.#copies) values[valuesBegin + to] = values[valuesBegin + from]!;
        return end;
      }
      at = end + 1;
    }
  }

  /** Finds the text of the cell that begins at `begin`, and returns where the cell ends; NONE if it is not plain. */
  #findText(bytes: Buffer, begin: number): number {
    this.#isQuoted = bytes[begin] === QUOTE;
    let at = begin;
    if (this.#isQuoted) {
      do at++;
      while (bytes[at] !== QUOTE && bytes[at] !== LINE_FEED && bytes[at] !== CARRIAGE_RETURN);
      if (bytes[at] !== QUOTE) return NONE;
      this.#textBegin = begin + 1;
      this.#textEnd = at++;
      while (this.#isBlank[bytes[at]!] === 1) at++;
      return this.#endsCell[bytes[at]!] === 1 ? at : NONE;
    }
    while (this.#endsText[bytes[at]!] === 0) at++;
    if (bytes[at] === QUOTE) return NONE;
    this.#textBegin = begin;
    this.#textEnd = at;
    while (this.#textEnd > begin && this.#isBlank[bytes[this.#textEnd - 1]!] === 1) this.#textEnd--;
    return at;
  }

  /** Values are ASCII: whatever else the text holds, it has none. */
  #readValue(bytes: Buffer, valuesBegin: number, feature: number): boolean {
    const value = this.#sink.valueOf(bytes.toString('latin1', this.#textBegin, this.#textEnd), feature);
    if (value === undefined) return false;
    this.#sink.values[valuesBegin + feature] = value;
    return true;
  }

  /** Which blanks beyond ASCII are trimmed is left to csv-parse. */
  #readLabel(bytes: Buffer): boolean {
    const trimmed = this.#labelTexts.trimmed(bytes, this.#textBegin, this.#textEnd);
    this.#labelText =
      trimmed ?? (this.#isQuoted ? bytes.toString('utf8', this.#textBegin, this.#textEnd) : undefined);
    return this.#labelText !== undefined;
  }
}

/** Where the line after the line end at `at` begins; NONE if the next block has to tell. */
function lineAfter({ bytes, end, isLast }: Block, at: number): number {
  if (at < end && bytes[at] === LINE_FEED) return at + 1;
  if (at + 1 >= end) return isLast ? end : NONE;
  return bytes[at + 1] === LINE_FEED ? at + 2 : at + 1;
}

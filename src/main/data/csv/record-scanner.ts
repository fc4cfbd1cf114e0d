// Finds the ends of CSV records, much faster than parsing: counts them, bounds their size, and removes blank lines.

import { formatError } from '../errors.js';

/**
 * Of a record. Larger ones are unclosed quotes or not CSV; V8's strings end at 2^29, its arrays of cells at 2^27.
 */
export const RECORD_BOUNDS = { bytes: 2 ** 26, cells: 2 ** 22 } as const;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const BLANKS = [0x20, 0x09];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Maps lines of the packed text to lines of the file. Both note() and lineOf() take increasing lines. */
export class LineNumbers {
  /** From `packedLine` on, the file's line numbers are larger by `offset`. */
  #steps: { readonly packedLine: number; readonly offset: number }[] = [];
  #next = 0;
  #lastOffset = 0;
  #offset = 0;

  /** A record ends at `line` of the file and `packedLine` of the packed text. */
  note(packedLine: number, line: number): void {
    const offset = line - packedLine;
    if (offset === this.#lastOffset) return;
    this.#lastOffset = offset;
    this.#steps.push({ packedLine, offset });
  }

  lineOf(packedLine: number): number {
    while (this.#next < this.#steps.length && this.#steps[this.#next]!.packedLine <= packedLine) {
      this.#offset = this.#steps[this.#next++]!.offset;
    }
    if (this.#next === this.#steps.length) {
      this.#steps = [];
      this.#next = 0;
    }
    return packedLine + this.#offset;
  }
}

export class RecordScanner {
  /** Lines so far that are not blank, except line ends in quotes: at least as many as a parser finds. */
  records = 0;
  readonly #path: string;
  readonly #bounds: { readonly bytes: number; readonly cells: number };
  /** The delimiter's first byte, and how often the delimiter contains it. */
  readonly #delimiter: number;
  readonly #delimitersACell: number;
  /** 1 for bytes that are skipped before a record. */
  readonly #isBlank = new Uint8Array(256);
  #isStart = true;
  /** In the file, from 1. */
  #line = 1;
  /** In the packed text, from 1. */
  #packedLine = 1;
  readonly #lines: LineNumbers | undefined;
  #atLineBegin = true;
  #quoted = false;
  #quoteLine = 1;
  #former = 0;
  /** Of the current record. */
  #bytes = 0;
  #delimiters = 0;

  /** `lines` is told where records end. */
  constructor(
    path: string,
    delimiter: string,
    lines?: LineNumbers,
    bounds: { readonly bytes: number; readonly cells: number } = RECORD_BOUNDS,
  ) {
    const bytes = Buffer.from(delimiter);
    this.#path = path;
    this.#lines = lines;
    this.#bounds = bounds;
    this.#delimiter = bytes[0]!;
    this.#delimitersACell = bytes.filter((byte) => byte === bytes[0]).length;
    for (const blank of BLANKS) if (!bytes.includes(blank)) this.#isBlank[blank] = 1;
  }

  /**
   * Takes the next bytes of the file. Moves the bytes of records to the front, without blank lines and leading blanks, and
   * returns their number. Throws for a record beyond the bounds. Keeps its state in locals: this loop is all of counting.
   */
  pack(chunk: Uint8Array): number {
    const isBlank = this.#isBlank;
    const delimiter = this.#delimiter;
    let line = this.#line;
    let quoted = this.#quoted;
    let former = this.#former;
    let atLineBegin = this.#atLineBegin;
    let packed = 0;
    let recordBegin = this.#startOf(chunk);
    /** Begin of the bytes kept but not yet moved; the chunk's length if the last byte was not kept. */
    let keptBegin = atLineBegin ? chunk.length : recordBegin;
    for (let i = recordBegin; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (atLineBegin) {
        const isLineEnd = byte === LINE_FEED || byte === CARRIAGE_RETURN;
        if (isLineEnd || isBlank[byte] === 1) {
          // The carriage return of a CRLF has ended the line already.
          if (isLineEnd && (byte === CARRIAGE_RETURN || former !== CARRIAGE_RETURN)) line++;
          former = byte;
          if (keptBegin < i) packed = move(chunk, keptBegin, i, packed);
          keptBegin = chunk.length;
          continue;
        }
        atLineBegin = false;
        recordBegin = i;
        if (keptBegin > i) keptBegin = i;
      }
      if (byte === QUOTE) {
        // A doubled quote inside quotes closes and opens again at once.
        quoted = !quoted;
        this.#quoteLine = line;
      } else if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        if (!quoted) {
          this.#line = line;
          this.#endRecord(i - recordBegin);
          atLineBegin = true;
        }
        if (byte === CARRIAGE_RETURN || former !== CARRIAGE_RETURN) line++;
        this.#packedLine++;
      } else if (byte === delimiter && !quoted) {
        this.#delimiters++;
      }
      former = byte;
    }
    this.#line = line;
    this.#quoted = quoted;
    this.#former = former;
    this.#atLineBegin = atLineBegin;
    if (!atLineBegin) this.#grow(chunk.length - recordBegin);
    return keptBegin < chunk.length ? move(chunk, keptBegin, chunk.length, packed) : packed;
  }

  #startOf(chunk: Uint8Array): number {
    const isMarked = this.#isStart && BYTE_ORDER_MARK.every((byte, index) => chunk[index] === byte);
    this.#isStart = false;
    return isMarked ? BYTE_ORDER_MARK.length : 0;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    const { bytes: maxBytes, cells: maxCells } = this.#bounds;
    const isLong = this.#bytes > maxBytes;
    if (!isLong && this.#delimiters < maxCells * this.#delimitersACell) return;
    const found = isLong ? `${maxBytes} bytes in a record` : `${maxCells} cells in a record`;
    const remedy = this.#quoted
      ? `Close the quote of line ${this.#quoteLine}, or double it if it belongs to the text.`
      : 'Write one row a line; if it is no CSV file, name another.';
    throw formatError(this.#path, `line ${this.#line}: expected at most ${found}, found more`, remedy);
  }

  #endRecord(bytes: number): void {
    this.#grow(bytes);
    this.records++;
    this.#bytes = 0;
    this.#delimiters = 0;
    this.#lines?.note(this.#packedLine, this.#line);
  }

  /** Call after the last byte: the last record may have no line end. */
  end(): void {
    if (this.#quoted) {
      throw formatError(
        this.#path,
        `line ${this.#quoteLine}: expected a closing quote, found the end of the file`,
        'Close the quoted field, or double a quote that belongs to the text.',
      );
    }
    if (!this.#atLineBegin) this.#endRecord(0);
  }
}

/** Moves bytes [begin, end) to `to` ≤ begin; returns the index after them. */
function move(chunk: Uint8Array, begin: number, end: number, to: number): number {
  if (begin !== to) chunk.copyWithin(to, begin, end);
  return to + end - begin;
}

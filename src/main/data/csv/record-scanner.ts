// Finds where the records of a CSV file end, many times as fast as parsing them: to count them, to keep each within bounds,
// and to take blank lines out before they are parsed.

import { formatError } from '../errors.js';

/**
 * Of a record. More bytes are a field that is never closed, or no CSV; a string ends at 2^29, an array of cells at 2^27.
 */
export const RECORD_BOUNDS = { bytes: 2 ** 26, cells: 2 ** 22 } as const;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const BLANKS = [0x20, 0x09];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** The lines of a file by those of what a scanner leaves of it. Both are told and asked for in their order. */
export class LineNumbers {
  /** From which packed line on how many lines more the file has. */
  #steps: { readonly packedLine: number; readonly offset: number }[] = [];
  #next = 0;
  #lastOffset = 0;
  #offset = 0;

  /** A record ends at `line`, which is packed as `packedLine`. */
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
  /** Records that have ended: lines that are not blank, line ends in quotes aside. At least as many as a parser finds. */
  records = 0;
  readonly #path: string;
  readonly #bounds: { readonly bytes: number; readonly cells: number };
  /** The delimiter's first byte, and how many of them it takes for a cell. */
  readonly #delimiter: number;
  readonly #delimitersACell: number;
  /** What may stand before a record without belonging to it: by byte, 1. */
  readonly #isBlank = new Uint8Array(256);
  #isStart = true;
  /** Lines count from 1, as the file has them. */
  #line = 1;
  /** Lines as a parser counts them in what pack() leaves. */
  #packedLine = 1;
  readonly #lines: LineNumbers | undefined;
  #atLineBegin = true;
  #quoted = false;
  #quoteLine = 1;
  #former = 0;
  /** Of the running record. */
  #bytes = 0;
  #delimiters = 0;

  /** `lines` learns where the records end. */
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
   * Takes the next bytes of the file: moves those of records to the front, without blank lines and blanks before them, and
   * gives their number. Throws for a record beyond the bounds. State is in locals meanwhile: the loop is all there is to
   * counting.
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
    /** Of the bytes that are kept and not yet moved; the chunk's length where the last one was not kept. */
    let keptBegin = atLineBegin ? chunk.length : recordBegin;
    for (let i = recordBegin; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (atLineBegin) {
        const isLineEnd = byte === LINE_FEED || byte === CARRIAGE_RETURN;
        if (isLineEnd || isBlank[byte] === 1) {
          // The line feed of a CRLF ends the line that its carriage return has ended already.
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
        // A doubled quote inside quotes closes and opens again: nothing stands between.
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

  /** To be called once all bytes have been taken: the last record may have no line end. */
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

/** Bytes [begin, end) to `to`, which is not behind them; gives the place after them. */
function move(chunk: Uint8Array, begin: number, end: number, to: number): number {
  if (begin !== to) chunk.copyWithin(to, begin, end);
  return to + end - begin;
}

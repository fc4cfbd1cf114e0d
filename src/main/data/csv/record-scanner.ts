// Finds the ends of CSV records, much faster than parsing: counts them, bounds their size, removes blank lines.

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
  #isStart: boolean;
  /** In the file, from 1. */
  #line: number;
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

  /** `lines` is told where records end. The text begins on `line`. */
  constructor(
    path: string,
    delimiter: string,
    lines?: LineNumbers,
    bounds: { readonly bytes: number; readonly cells: number } = RECORD_BOUNDS,
    line = 1,
  ) {
    const bytes = Buffer.from(delimiter);
    this.#path = path;
    this.#lines = lines;
    this.#bounds = bounds;
    this.#isStart = line === 1;
    this.#line = line;
    lines?.note(1, line);
    this.#delimiter = bytes[0]!;
    this.#delimitersACell = bytes.filter((byte) => byte === bytes[0]).length;
    for (const blank of BLANKS) if (!bytes.includes(blank)) this.#isBlank[blank] = 1;
  }

  /** Of the next byte. */
  get line(): number {
    return this.#line;
  }

  /** As pack, for who wants only `records`: leaves the bytes where they are, and passes those of records by words. */
  count(chunk: Buffer): void {
    const longest = this.#bytes + chunk.length;
    const isNearBounds = longest > this.#bounds.bytes || longest > this.#bounds.cells;
    if (this.#quoted || isNearBounds || chunk.byteOffset % 4 !== 0 || chunk.includes(QUOTE)) {
      this.pack(chunk);
      return;
    }
    const words = new Int32Array(chunk.buffer, chunk.byteOffset, chunk.length >> 2);
    let at = this.#startOf(chunk);
    let recordBegin = at;
    for (; at < chunk.length; at++) {
      if (this.#atLineBegin) {
        const byte = chunk[at]!;
        const isLineEnd = byte === LINE_FEED || byte === CARRIAGE_RETURN;
        if (isLineEnd || this.#isBlank[byte] === 1) {
          if (isLineEnd && (byte === CARRIAGE_RETURN || this.#former !== CARRIAGE_RETURN)) this.#line++;
          this.#former = byte;
          continue;
        }
        this.#atLineBegin = false;
        recordBegin = at;
      }
      at = nextLineEnd(chunk, words, at);
      if (at === chunk.length) break;
      this.#endRecord(at - recordBegin);
      this.#atLineBegin = true;
      this.#line++;
      this.#former = chunk[at]!;
    }
    if (this.#atLineBegin) return;
    for (let i = recordBegin; i < chunk.length; i++) if (chunk[i] === this.#delimiter) this.#delimiters++;
    this.#grow(chunk.length - recordBegin);
    this.#former = 0;
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

/** Of the chunk's bytes as words of four. Returns the chunk's length if there is none from `begin` on. */
function nextLineEnd(chunk: Uint8Array, words: Int32Array, begin: number): number {
  let at = begin;
  for (;;) {
    // A byte of `x` is zero where that of `word` is a line feed; (x - 0x01…) & ~x & 0x80… tells whether there is one.
    if ((at & 3) === 0) {
      let index = at >> 2;
      for (; index < words.length; index++) {
        const feeds = words[index]! ^ 0x0a0a0a0a;
        const returns = words[index]! ^ 0x0d0d0d0d;
        if ((((feeds - 0x01010101) & ~feeds) | ((returns - 0x01010101) & ~returns)) & 0x80808080) break;
      }
      at = index << 2;
    }
    if (at >= chunk.length) return chunk.length;
    if (chunk[at] === LINE_FEED || chunk[at] === CARRIAGE_RETURN) return at;
    at++;
  }
}

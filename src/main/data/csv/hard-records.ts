// Takes the records of a CSV file that are not plain, by way of csv-parse.

import { quoted, shortened } from '../../../printable.js';
import { formatError } from '../errors.js';
import type { Block } from './plain-rows.js';
import { LineNumbers, RECORD_BOUNDS, RecordScanner } from './record-scanner.js';

/** May be mixed. */
const LINE_ENDS = ['\r\n', '\n', '\r'];

/**
 * csv-parse gets so many bytes at a time or more. A call costs as much as parsing 500: where hard records follow each other,
 * calls take more, and plain records along with them.
 */
const LEAST_BYTES = 256;
const MOST_BYTES = 16_384;

/** So few plain lines between two calls cost as much as a call. */
const FEW_LINES = 16;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;

/** Called for each record that is not blank. `line` is where it ends, from 1. */
export type OnRecord = (cells: readonly string[], line: number) => void;

/** Loaded when the first CSV file is read. */
type Parser = typeof import('csv-parse/sync');

export class HardRecords {
  /** Taken so far, and lines of other white space than spaces and tabs, which are none. */
  records = 0;
  /** Of the file, from 1: where take() ended. */
  line = 1;
  readonly #path: string;
  readonly #delimiter: string;
  readonly #parser: Parser;
  readonly #onRecord: OnRecord;
  #bytes = LEAST_BYTES;

  private constructor(path: string, delimiter: string, parser: Parser, onRecord: OnRecord) {
    this.#path = path;
    this.#delimiter = delimiter;
    this.#parser = parser;
    this.#onRecord = onRecord;
  }

  static async load(path: string, delimiter: string, onRecord: OnRecord): Promise<HardRecords> {
    return new HardRecords(path, delimiter, await import('csv-parse/sync'), onRecord);
  }

  /** Takes some records from `begin`, which is on `line`, and returns where they end: at `begin` if none is complete. */
  take(block: Block, begin: number, line: number): number {
    const isSoon = line - this.line < FEW_LINES;
    this.#bytes = isSoon ? Math.min(2 * this.#bytes, MOST_BYTES) : LEAST_BYTES;
    this.line = line;
    const end = endOfSome(block, begin, this.#bytes);
    if (end > begin) this.#parse(block.bytes.subarray(begin, end));
    return end;
  }

  #parse(bytes: Buffer): void {
    const { CsvError, parse } = this.#parser;
    const numbers = new LineNumbers();
    const scanner = new RecordScanner(this.#path, this.#delimiter, numbers, RECORD_BOUNDS, this.line);
    const packed = bytes.subarray(0, scanner.pack(bytes));
    scanner.end();
    try {
      parse(packed, {
        delimiter: this.#delimiter,
        record_delimiter: LINE_ENDS,
        trim: true,
        skip_empty_lines: true,
        // Sinks report rows of other lengths.
        relax_column_count: true,
        // Takes each record inside the parser, which keeps none.
        on_record: (cells: string[], { lines }) => {
          this.#onRecord(cells, numbers.lineOf(lines));
          return null;
        },
      });
    } catch (cause) {
      if (!(cause instanceof CsvError)) throw cause;
      const line = Number(cause.lines);
      const finding = cause.message.replace(`line ${line}`, `line ${numbers.lineOf(line)}`);
      throw formatError(
        this.#path,
        `expected CSV with delimiter ${quoted(this.#delimiter)}, found: ${shortened(finding)}`,
        'Put a field that holds quotes in quotes and double those inside: "5"" pipe".',
        { cause },
      );
    }
    this.records += scanner.records;
    this.line = scanner.line;
  }
}

/** The end of the first record that ends so many bytes after `begin` or later. */
function endOfSome({ bytes, end, isLast }: Block, begin: number, least: number): number {
  let isQuoted = false;
  // A carriage return in the last place may be half of a line end.
  for (let at = begin; at < end - 1; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (!isQuoted && (byte === LINE_FEED || byte === CARRIAGE_RETURN) && at - begin >= least) {
      return byte === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED ? at + 2 : at + 1;
    }
  }
  // The scanner refuses records beyond the bounds.
  return isLast || end - begin > RECORD_BOUNDS.bytes ? end : begin;
}

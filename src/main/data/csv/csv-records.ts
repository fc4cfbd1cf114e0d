// Counts and reads the records of a CSV file, with line numbers, without holding the file in memory.

import { pipeline } from 'node:stream/promises';
import { quoted, shortened } from '../../../printable.js';
import { type ByteSource, CHUNK_BYTES } from '../byte-source.js';
import type { DataFile } from '../data-file.js';
import { changedError, formatError } from '../errors.js';
import { expectCsv } from '../foreign-files.js';
import { LineNumbers, RecordScanner } from './record-scanner.js';

/** Called for each record that is not blank. `line` is where it ends, from 1. */
export type OnRecord = (cells: readonly string[], line: number) => void;

export type OnProgress = ((fraction: number) => void) | undefined;

/** What the first pass finds and the second relies on. */
export interface Counted {
  /** Lines that are not blank, except line ends in quotes: at least as many as records. */
  readonly records: number;
  readonly contentBytes: number;
}

/** May be mixed. */
const LINE_ENDS = ['\r\n', '\n', '\r'];

/** Passes each record to `onRecord`, whose errors end the pass. The file must not have changed since it was counted. */
export async function readRecords(
  file: DataFile,
  delimiter: string,
  counted: Counted,
  onProgress: OnProgress,
  onRecord: OnRecord,
): Promise<void> {
  const { CsvError, parse } = await import('csv-parse');
  await file.expectInPlace();
  const source = file.content(onProgress);
  const numbers = new LineNumbers();
  const scanner = new RecordScanner(file.path, delimiter, numbers);
  const parser = parse({
    delimiter,
    record_delimiter: LINE_ENDS,
    trim: true,
    skip_empty_lines: true,
    // TableBuilder reports rows of other lengths.
    relax_column_count: true,
    // Takes each record inside the parser; its object stream stays empty.
    on_record: (cells: string[], { lines }) => {
      onRecord(cells, numbers.lineOf(lines));
      return null;
    },
  });
  parser.resume();
  try {
    await pipeline(recordsOf(source, scanner), parser);
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = Number(cause.lines);
    const finding = cause.message.replace(`line ${line}`, `line ${numbers.lineOf(line)}`);
    throw formatError(
      file.path,
      `expected CSV with delimiter ${quoted(delimiter)}, found: ${shortened(finding)}`,
      'Put a field that holds quotes in quotes and double those inside: "5"" pipe".',
      { cause },
    );
  }
  if (scanner.records !== counted.records) throw changedError(file.path);
  await source.expectEnd('the last record');
}

/** The file without blank lines, which slow the parser down. */
async function* recordsOf(
  source: ByteSource,
  scanner: RecordScanner,
): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    // A new buffer for each chunk: the parser may still hold the last one.
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES / 4);
    const count = await source.read(chunk);
    const packed = scanner.pack(chunk.subarray(0, count));
    if (packed > 0) yield chunk.subarray(0, packed);
    if (count < chunk.length) return scanner.end();
  }
}

/**
 * Looks only for line ends, quotes and delimiters, some 20 times as fast as parsing, so that results can be allocated once and
 * filled in place.
 */
export async function countRecords(
  file: DataFile,
  delimiter: string,
  onProgress: OnProgress,
): Promise<Counted> {
  const source = file.content(onProgress);
  const scanner = new RecordScanner(file.path, delimiter);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const isFirst = source.offset === 0;
    const count = await source.read(chunk);
    if (isFirst) expectCsv(file.path, chunk.subarray(0, count));
    scanner.pack(chunk.subarray(0, count));
    if (count < chunk.length) break;
  }
  scanner.end();
  return { records: scanner.records, contentBytes: source.offset };
}

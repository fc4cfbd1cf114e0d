// CSV text as records with line numbers, and how many there will be, without holding the file in memory.

import { pipeline } from 'node:stream/promises';
import { quoted, shortened } from '../../printable.js';
import {
  type ByteSource,
  CHUNK_BYTES,
  formatError,
  type ReadOptions,
  withByteSource,
} from './byte-source.js';

/**
 * Called for each record that is not blank. `line` counts from 1 and is where the record ends; the parser counts a
 * CRLF within quotes as two lines.
 */
export type OnRecord = (cells: readonly string[], line: number) => void;

/** Mixed line ends are read alike. */
const LINE_ENDS = ['\r\n', '\n', '\r'];

/** Passes every record to `onRecord`, whose errors end the reading. */
export async function readRecords(
  path: string,
  delimiter: string,
  options: ReadOptions,
  onRecord: OnRecord,
): Promise<void> {
  const { CsvError, parse } = await import('csv-parse');
  await withByteSource(path, options, async (source) => {
    const parser = parse({
      delimiter,
      record_delimiter: LINE_ENDS,
      bom: true,
      trim: true,
      skip_empty_lines: true,
      // Rows of other lengths are reported here with their column names, not by the parser.
      relax_column_count: true,
      // Taken in the parser itself: nothing goes through the object stream, which only ends.
      on_record: (cells: string[], { lines }) => {
        onRecord(cells, lines);
        return null;
      },
    });
    parser.resume();
    try {
      await pipeline(chunksOf(source), parser);
    } catch (cause) {
      if (!(cause instanceof CsvError)) throw cause;
      throw formatError(
        path,
        `expected CSV with delimiter ${quoted(delimiter)}, found: ${shortened(cause.message)}`,
        'Put a field that holds quotes in quotes and double those inside: "5"" pipe".',
        { cause },
      );
    }
    await source.expectEnd('the last record');
  });
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    // A new buffer for each chunk: the parser may still hold the former one.
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES / 4);
    const count = await source.read(chunk);
    if (count > 0) yield chunk.subarray(0, count);
    if (count < chunk.length) return;
  }
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The number of lines that are not blank, line ends in quotes aside: at least as many as there are records. This pass
 * only looks for line ends and quotes and is some 20 times as fast as parsing, so that results can be allocated once
 * and filled in place.
 */
export async function countRecords(path: string, options: ReadOptions): Promise<number> {
  return withByteSource(path, options, async (source) => {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let records = 0;
    let line = 1;
    let quoteLine = 1;
    let quoted = false;
    let blank = true;
    let former = 0;
    for (;;) {
      const count = await source.read(chunk);
      for (let i = 0; i < count; i++) {
        const byte = chunk[i]!;
        if (byte === QUOTE) {
          // A doubled quote inside quotes closes and opens again: nothing stands between.
          quoted = !quoted;
          quoteLine = line;
          blank = false;
        } else if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
          // The line feed of a CRLF ends the line that its carriage return has ended already.
          if (byte === CARRIAGE_RETURN || former !== CARRIAGE_RETURN) line++;
          if (!quoted && !blank) records++;
          if (!quoted) blank = true;
        } else if (byte !== SPACE && byte !== TAB) {
          blank = false;
        }
        former = byte;
      }
      if (count < chunk.length) break;
    }
    if (quoted) {
      throw formatError(
        path,
        `line ${quoteLine}: expected a closing quote, found the end of the file`,
        'Close the quoted field, or double a quote that belongs to the text.',
      );
    }
    return blank ? records : records + 1;
  });
}

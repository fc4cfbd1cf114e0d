// The lines of a text file, one at a time, without the file in memory.

import { type ByteSource, CHUNK_BYTES } from './byte-source.js';
import { formatError } from './errors.js';

/** A line is parsed as a whole. */
const MOST_LINE_BYTES = 64 << 20;
const LINE_FEED = 10;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** Passes each line of the file that is not blank on, with its number from 1. */
export async function readLines(
  source: ByteSource,
  onLine: (bytes: Buffer, line: number) => void,
): Promise<void> {
  /** Of a line that has not ended yet. */
  let held: Buffer[] = [];
  let heldBytes = 0;
  let line = 0;
  const end = (bytes: Buffer): void => {
    line++;
    const whole = held.length === 0 ? bytes : Buffer.concat([...held, bytes]);
    held = [];
    heldBytes = 0;
    const isMarked = line === 1 && whole.subarray(0, 3).equals(BYTE_ORDER_MARK);
    const text = isMarked ? whole.subarray(3) : whole;
    if (!text.every(isBlank)) onLine(text, line);
  };
  /** Counts blank lines, of which a small compressed file may have many million, and gives where the next line begins. */
  const afterBlankLines = (chunk: Buffer, begin: number, count: number): number => {
    let lineBegin = begin;
    for (let at = begin; at < count; at++) {
      const byte = chunk[at]!;
      if (byte === LINE_FEED) {
        line++;
        lineBegin = at + 1;
      } else if (!isBlank(byte)) break;
    }
    return lineBegin;
  };
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const count = await source.read(chunk);
    let begin = heldBytes === 0 ? afterBlankLines(chunk, 0, count) : 0;
    for (let at = next(chunk, begin, count); at >= 0; at = next(chunk, begin, count)) {
      end(chunk.subarray(begin, at));
      begin = afterBlankLines(chunk, at + 1, count);
    }
    held.push(chunk.subarray(begin, count));
    heldBytes += count - begin;
    if (heldBytes > MOST_LINE_BYTES) {
      throw formatError(
        source.path,
        `line ${line + 1}: expected at most ${MOST_LINE_BYTES} bytes, found more`,
        'Write one row a line.',
      );
    }
    if (count < chunk.length) break;
  }
  if (heldBytes > 0) end(Buffer.alloc(0));
  await source.expectEnd('the last line');
}

function next(chunk: Buffer, begin: number, count: number): number {
  const at = chunk.indexOf(LINE_FEED, begin);
  return at < count ? at : -1;
}

/** Spaces, tabs and carriage returns. */
const isBlank = (byte: number): boolean => byte === 32 || byte === 9 || byte === 13;

// Counts and reads the records of a CSV file, with line numbers, without holding the file in memory.

import { type ByteSource, CHUNK_BYTES } from '../byte-source.js';
import type { DataFile } from '../data-file.js';
import { changedError } from '../errors.js';
import { expectCsv } from '../foreign-files.js';
import { HardRecords } from './hard-records.js';
import type { Block, PlainRows } from './plain-rows.js';
import { RecordScanner } from './record-scanner.js';

export type OnProgress = ((fraction: number) => void) | undefined;

/** Takes the records of a file. */
export interface RecordSink {
  /** Takes a record that is not blank. `line` is where it ends, from 1. */
  add(cells: readonly string[], line: number): void;
  /** Takes rows without cells, once the first record has shown which columns there are. */
  readonly plainRows: PlainRows | undefined;
}

/** What the first pass finds and the second relies on. */
export interface Counted {
  /** Lines that are not blank, except line ends in quotes: at least as many as records. */
  readonly records: number;
  readonly contentBytes: number;
}

/** Stays in the cache while it is parsed. A longer record gets a larger block. */
export const BLOCK_BYTES = CHUNK_BYTES / 4;

const LINE_FEED = 0x0a;

/** Passes each record to the sink, whose errors end the pass. The file must not have changed since it was counted. */
export async function readRecords(
  file: DataFile,
  delimiter: string,
  counted: Counted,
  onProgress: OnProgress,
  sink: RecordSink,
): Promise<void> {
  const hard = await HardRecords.load(file.path, delimiter, (cells, line) => sink.add(cells, line));
  await file.expectInPlace();
  const source = file.content(onProgress);
  let line = 1;
  const takeBlock = (block: Block): number => {
    for (let at = 0; ; ) {
      const { plainRows } = sink;
      if (plainRows) {
        at = plainRows.take(block, at, line);
        line = plainRows.line;
      }
      if (at === block.end) return at;
      const end = hard.take(block, at, line);
      if (end === at) return at;
      line = hard.line;
      at = end;
    }
  };
  await readBlocks(source, takeBlock);
  if (hard.records + (sink.plainRows?.rows ?? 0) !== counted.records) throw changedError(file.path);
  await source.expectEnd('the last record');
}

/** Passes the content in blocks, each beginning with what the last call did not take: it returns where that begins. */
async function readBlocks(source: ByteSource, takeBlock: (block: Block) => number): Promise<void> {
  let bytes = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES);
  let kept = 0;
  /** At its end, half of the block or more is new, so that a long record is looked at few times. */
  let least = 1;
  for await (const { chunk, isLast } of chunksOf(source)) {
    const end = kept + chunk.length;
    if (end >= bytes.length) bytes = Buffer.concat([bytes], 2 * end);
    chunk.copy(bytes, kept);
    kept = end;
    if (end < least && !isLast) continue;
    bytes[end] = LINE_FEED;
    const taken = takeBlock({ bytes, end, isLast });
    bytes.copyWithin(0, taken, end);
    kept = end - taken;
    least = 2 * kept;
  }
}

interface Chunk {
  /** Valid until the next one is asked for. */
  readonly chunk: Buffer;
  /** The content ends with it. */
  readonly isLast: boolean;
}

/** While the caller works on a chunk, the next one is read. */
async function* chunksOf(source: ByteSource): AsyncGenerator<Chunk, void, undefined> {
  let current = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let next = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let reading = source.read(current);
  try {
    for (let isLast = false; !isLast; ) {
      const count = await reading;
      isLast = count < current.length;
      if (!isLast) {
        reading = source.read(next);
        // Whoever waits for it hears of its failure.
        reading.catch(() => {});
      }
      yield { chunk: current.subarray(0, count), isLast };
      [current, next] = [next, current];
    }
  } finally {
    // The file is closed only when nothing is read from it.
    await reading.catch(() => {});
  }
}

/** Looks only for line ends and quotes, so that results can be allocated once and filled in place. */
export async function countRecords(
  file: DataFile,
  delimiter: string,
  onProgress: OnProgress,
): Promise<Counted> {
  const source = file.content(onProgress);
  const scanner = new RecordScanner(file.path, delimiter);
  let isFirst = true;
  for await (const { chunk } of chunksOf(source)) {
    if (isFirst) expectCsv(file.path, chunk);
    isFirst = false;
    scanner.count(chunk);
  }
  scanner.end();
  return { records: scanner.records, contentBytes: source.offset };
}

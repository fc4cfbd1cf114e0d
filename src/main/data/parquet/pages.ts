// Finds the pages of a column chunk by their headers, and reads and inflates one at a time.

import type { CompressionCodec } from 'hyparquet';
import type { DataFile } from '../data-file.js';
import { damagedTable } from '../table/column-table.js';
import { canInflateTo, inflate } from './decompress.js';
import type { Chunk } from './footer.js';
import type { ParquetLibrary } from './library.js';
import { structEnd } from './thrift.js';

export interface Page {
  readonly chunk: Chunk;
  readonly kind: 'dictionary' | 'data' | 'data v2';
  /** Of its content in the file. */
  readonly begin: number;
  readonly compressedBytes: number;
  /** With the levels. */
  readonly contentBytes: number;
  /** Of a dictionary its values, of data the entries of levels. */
  readonly entries: number;
  readonly encoding: string;
  /** Of version 2, whose levels are never compressed. */
  readonly repetitionBytes: number;
  readonly definitionBytes: number;
  readonly isCompressed: boolean;
}

/** The levels of version 2 apart from the values; else all of the page is in `content`. */
export interface PageBytes {
  readonly levels: Uint8Array;
  readonly content: Uint8Array;
}

/** Enough for a header with short statistics; longer ones are read again. */
const HEADER_BYTES = 512;
const MOST_HEADER_BYTES = 16 << 20;

/** All pages of a chunk. Their sizes fit into the chunk, and they have as many entries as it says. */
export async function findPages(file: DataFile, library: ParquetLibrary, chunk: Chunk): Promise<Page[]> {
  const pages: Page[] = [];
  let entries = 0;
  for (let at = chunk.begin; at < chunk.end && entries < chunk.entries; ) {
    const { page, end } = await readHeader(file, library, chunk, at);
    at = end;
    if (!page) continue;
    pages.push(page);
    if (page.kind !== 'dictionary') entries += page.entries;
  }
  if (entries !== chunk.entries) {
    throw damagedTable(file.path, `expected pages of ${chunk.entries} values, found ${entries}`);
  }
  return pages;
}

async function readHeader(
  file: DataFile,
  library: ParquetLibrary,
  chunk: Chunk,
  at: number,
): Promise<{ page: Page | undefined; end: number }> {
  for (let length = HEADER_BYTES; ; length *= 16) {
    const bytes = new Uint8Array(Math.min(length, chunk.end - at));
    await file.read(bytes, at);
    try {
      const headerEnd = structEnd(bytes, 0);
      if (headerEnd === undefined) {
        if (at + length >= chunk.end || length > MOST_HEADER_BYTES) throw new Error('its end is missing');
        continue;
      }
      const header = library.parquetHeader({ view: new DataView(bytes.buffer), offset: 0 });
      const begin = at + headerEnd;
      const end = begin + countOf(header.compressed_page_size);
      if (end > chunk.end) throw new Error(`a page up to byte ${end}, beyond its chunk`);
      return { page: pageOf(header, chunk, begin), end };
    } catch (cause) {
      throw damagedTable(file.path, `byte ${at}: expected the header of a Parquet page, found damage`, cause);
    }
  }
}

type Header = ReturnType<ParquetLibrary['parquetHeader']>;

/** Undefined for pages of no interest. */
function pageOf(header: Header, chunk: Chunk, begin: number): Page | undefined {
  const sizes = {
    chunk,
    begin,
    compressedBytes: countOf(header.compressed_page_size),
    contentBytes: countOf(header.uncompressed_page_size),
    repetitionBytes: 0,
    definitionBytes: 0,
    isCompressed: true,
  };
  const { dictionary_page_header: dictionary, data_page_header: data, data_page_header_v2: data2 } = header;
  if (header.type === 'DICTIONARY_PAGE' && dictionary) {
    const entries = countOf(dictionary.num_values);
    expectSizes(chunk.codec, sizes.compressedBytes, sizes.contentBytes);
    // Plain values; none of them has less than a byte.
    if (entries > sizes.contentBytes) throw new Error(`a dictionary of ${entries} values`);
    return { ...sizes, kind: 'dictionary', entries, encoding: dictionary.encoding };
  }
  if (header.type === 'DATA_PAGE' && data) {
    expectSizes(chunk.codec, sizes.compressedBytes, sizes.contentBytes);
    if (data.repetition_level_encoding !== 'RLE' || data.definition_level_encoding !== 'RLE') {
      throw new Error(`levels encoded as ${data.definition_level_encoding}`);
    }
    return { ...sizes, kind: 'data', entries: countOf(data.num_values), encoding: data.encoding };
  }
  if (header.type !== 'DATA_PAGE_V2' || !data2) return undefined;
  const repetitionBytes = countOf(data2.repetition_levels_byte_length);
  const definitionBytes = countOf(data2.definition_levels_byte_length);
  const levelBytes = repetitionBytes + definitionBytes;
  if (levelBytes > sizes.compressedBytes || levelBytes > sizes.contentBytes) {
    throw new Error(`${levelBytes} bytes of levels`);
  }
  const isCompressed = data2.is_compressed !== false && chunk.codec !== 'UNCOMPRESSED';
  const codec = isCompressed ? chunk.codec : 'UNCOMPRESSED';
  expectSizes(codec, sizes.compressedBytes - levelBytes, sizes.contentBytes - levelBytes);
  const entries = countOf(data2.num_values);
  return {
    ...sizes,
    kind: 'data v2',
    entries,
    encoding: data2.encoding,
    repetitionBytes,
    definitionBytes,
    isCompressed,
  };
}

function expectSizes(codec: CompressionCodec, compressed: number, content: number): void {
  if (canInflateTo(codec, compressed, content)) return;
  throw new Error(`${content} bytes in ${compressed} bytes of ${codec}`);
}

function countOf(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`a count of ${value}`);
}

export async function readPage(file: DataFile, library: ParquetLibrary, page: Page): Promise<PageBytes> {
  const bytes = Buffer.allocUnsafeSlow(page.compressedBytes);
  const count = await file.read(bytes, page.begin);
  if (count < bytes.length) {
    throw damagedTable(file.path, `byte ${page.begin + count}: expected a Parquet page, found the end`);
  }
  const levelBytes = page.repetitionBytes + page.definitionBytes;
  const codec = page.isCompressed ? page.chunk.codec : 'UNCOMPRESSED';
  const size = page.contentBytes - levelBytes;
  try {
    const content = await inflate(library, codec, bytes.subarray(levelBytes), size);
    return { levels: bytes.subarray(0, levelBytes), content };
  } catch (cause) {
    const finding = `byte ${page.begin}: expected a Parquet page of ${size} bytes compressed by ${codec}, found damage`;
    throw damagedTable(file.path, finding, cause);
  }
}

// Reads the footer of a Parquet file and checks it against the file: row groups, and where each column's chunks lie.

import type { CompressionCodec, FileMetaData } from 'hyparquet';
import { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import type { DataFile } from '../data-file.js';
import { formatError } from '../errors.js';
import { damagedTable } from '../table/column-table.js';
import type { ParquetLibrary } from './library.js';
import { type ParquetColumn, parquetColumns } from './schema.js';
import { structEnd } from './thrift.js';

/** What a column has in one row group: bytes [begin, end) of the file. */
export interface Chunk {
  readonly begin: number;
  readonly end: number;
  readonly codec: CompressionCodec;
  /** Entries of levels: values and nulls. */
  readonly entries: number;
  readonly rowBegin: number;
  readonly rows: number;
}

export interface Footer {
  readonly rows: number;
  readonly columns: readonly ParquetColumn[];
  /** The chunks of a column, in the order of their rows. */
  chunksOf(column: ParquetColumn): Chunk[];
}

const MAGIC = Buffer.from('PAR1');
/** The length of the metadata, and the magic bytes. */
const TAIL_BYTES = 8;

export async function readFooter(file: DataFile, library: ParquetLibrary): Promise<Footer> {
  const { path, sizeBytes } = file;
  const tail = Buffer.alloc(TAIL_BYTES);
  const tailBegin = Math.max(0, sizeBytes - TAIL_BYTES);
  await file.read(tail, tailBegin);
  if (!tail.subarray(4).equals(MAGIC)) {
    throw damagedTable(
      path,
      `byte ${sizeBytes}: expected the end of a Parquet file, PAR1, found other bytes`,
    );
  }
  const length = tail.readUInt32LE(0);
  if (length > tailBegin - MAGIC.length) {
    throw damagedTable(path, `expected ${length} bytes of metadata, found a file of ${sizeBytes} bytes`);
  }
  const bytes = new Uint8Array(length + TAIL_BYTES);
  await file.read(bytes, tailBegin - length);
  try {
    if (structEnd(bytes.subarray(0, length), 0) === undefined) throw new Error('its end is missing');
    const metadata = library.parquetMetadata(bytes, { geoparquet: false });
    return checkFooter(file, metadata, sizeBytes - bytes.length);
  } catch (cause) {
    if (cause instanceof SoftshardError) throw cause;
    throw damagedTable(path, 'expected the metadata of a Parquet file, found damage', cause);
  }
}

/** `dataEnd`: where the metadata begin. */
function checkFooter({ path }: DataFile, metadata: FileMetaData, dataEnd: number): Footer {
  const columns = parquetColumns(metadata);
  const groups = metadata.row_groups.map((group) => ({ group, rows: countOf(group.num_rows) }));
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  if (rows !== countOf(metadata.num_rows)) throw new Error(`${rows} rows in place of ${metadata.num_rows}`);
  return {
    rows,
    columns,
    chunksOf(column) {
      let rowBegin = 0;
      return groups.map(({ group, rows }) => {
        const chunk = { rowBegin, rows };
        rowBegin += rows;
        try {
          return { ...chunk, ...placeOf(path, group.columns[column.leaf], column, dataEnd) };
        } catch (cause) {
          if (cause instanceof SoftshardError) throw cause;
          throw damagedTable(path, `expected the place of column ${column.leafPath}, found damage`, cause);
        }
      });
    },
  };
}

type ColumnChunk = FileMetaData['row_groups'][number]['columns'][number];

function placeOf(
  path: string,
  chunk: ColumnChunk | undefined,
  { leafPath, name, type }: ParquetColumn,
  dataEnd: number,
): Pick<Chunk, 'begin' | 'end' | 'codec' | 'entries'> {
  if (chunk?.crypto_metadata !== undefined || chunk?.encrypted_column_metadata !== undefined) {
    const remedy = 'Write the file without encryption: it is not read here.';
    throw formatError(path, `column ${quoted(name)}: expected plain values, found encryption`, remedy);
  }
  const { file_path: elsewhere, meta_data: place } = chunk ?? {};
  if (elsewhere) throw new Error(`its values are in ${elsewhere}`);
  if (!place) throw new Error('it has no place');
  if (place.path_in_schema.join('.') !== leafPath) throw new Error(`found ${place.path_in_schema.join('.')}`);
  if (place.type !== type) throw new Error(`found values of ${place.type}, not ${type}`);
  const first = countOf(place.data_page_offset);
  // Some writers say 0 where there is no dictionary.
  const begin = place.dictionary_page_offset ? Math.min(first, countOf(place.dictionary_page_offset)) : first;
  const end = begin + countOf(place.total_compressed_size);
  if (begin < MAGIC.length || end > dataEnd) throw new Error(`bytes ${begin} to ${end} of ${dataEnd}`);
  return { begin, end, codec: place.codec, entries: countOf(place.num_values) };
}

function countOf(value: bigint | undefined): number {
  const count = Number(value);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new Error(`a count of ${value}`);
}

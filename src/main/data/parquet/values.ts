// Decodes the values of a page: those that are there, without the missing ones.

import { isArrayOf } from '../../memory/arrays.js';
import { decodeFloat32, type StoredType, typedView } from '../elements.js';
import { type ColumnPart, FloatBytes } from '../table/column-table.js';
import type { ParquetLibrary } from './library.js';
import { readRuns } from './runs.js';
import type { ParquetColumn, Storage } from './schema.js';

export type Values = ColumnPart['values'];

/** Of types whose plain values lie one after the other. */
const STORED: Partial<Record<Storage, StoredType>> = {
  INT32: 'int32',
  UINT32: 'uint32',
  INT64: 'int64',
  UINT64: 'uint64',
  FLOAT: 'float32',
  DOUBLE: 'float64',
  HALF: 'float16',
  FLOAT_BLOB: 'float32',
  HALF_BLOB: 'float16',
};

/** Numbers in one stored value. */
export function numbersIn({ storage, typeLength }: ParquetColumn): number {
  if (storage === 'FLOAT_BLOB') return typeLength / 4;
  return storage === 'HALF_BLOB' ? typeLength / 2 : 1;
}

/** Bytes of one stored value; undefined where they differ. */
function bytesIn({ storage, typeLength }: ParquetColumn): number | undefined {
  if (storage === 'FLOAT_BLOB' || storage === 'HALF_BLOB') return typeLength;
  if (storage === 'INT64' || storage === 'UINT64' || storage === 'DOUBLE') return 8;
  if (storage === 'TEXT' || storage === 'BOOLEAN') return undefined;
  return storage === 'HALF' ? 2 : 4;
}

/** `count` values; of blobs all the numbers in them. Throws where the bytes have fewer. */
export function decodeValues(
  { deltaBinaryUnpack }: ParquetLibrary,
  column: ParquetColumn,
  encoding: string,
  bytes: Uint8Array,
  count: number,
  dictionary: Values | undefined,
): Values {
  if (count === 0) return [];
  const integers = (at: number, length: number): { values: Int32Array; end: number } => {
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: at };
    const values = new Int32Array(length);
    deltaBinaryUnpack(reader, length, values);
    return { values, end: reader.offset };
  };
  switch (encoding) {
    case 'PLAIN':
      return plainValues(column, bytes, count);
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY':
      if (!dictionary) throw new Error('its dictionary is missing');
      return fromDictionary(column, bytes, count, dictionary);
    case 'RLE':
      // Booleans, after the length of the runs.
      if (column.storage !== 'BOOLEAN') break;
      return readRuns(bytes.subarray(4), 1, count);
    case 'BYTE_STREAM_SPLIT':
      return plainValues(column, unsplit(bytes, bytesIn(column), count), count);
    case 'DELTA_BINARY_PACKED': {
      const isLong = column.storage === 'INT64' || column.storage === 'UINT64';
      if (!isLong && column.storage !== 'INT32' && column.storage !== 'UINT32') break;
      const values = isLong ? new BigInt64Array(count) : new Int32Array(count);
      deltaBinaryUnpack(
        { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 },
        count,
        values,
      );
      if (column.storage === 'UINT32') return new Uint32Array(values.buffer);
      return column.storage === 'UINT64' ? new BigUint64Array(values.buffer) : values;
    }
    case 'DELTA_LENGTH_BYTE_ARRAY': {
      if (column.storage !== 'TEXT') break;
      const lengths = integers(0, count);
      return texts(bytes, lengths.end, lengths.values);
    }
    case 'DELTA_BYTE_ARRAY': {
      if (column.storage !== 'TEXT') break;
      const prefixes = integers(0, count);
      const suffixes = integers(prefixes.end, count);
      return prefixedTexts(bytes, suffixes.end, prefixes.values, suffixes.values);
    }
  }
  throw new Error(`the encoding ${encoding} of ${column.typeName}`);
}

function plainValues(column: ParquetColumn, bytes: Uint8Array, count: number): Values {
  const { storage } = column;
  if (storage === 'TEXT') return plainTexts(bytes, count);
  if (storage === 'BOOLEAN') {
    if (8 * bytes.length < count) throw new Error(`${bytes.length} bytes in place of ${count} bits`);
    return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3]! >> (i & 7)) & 1);
  }
  const length = count * bytesIn(column)!;
  if (bytes.length < length) throw new Error(`${bytes.length} bytes of values in place of ${length}`);
  const type = STORED[storage!]!;
  const stored = bytes.subarray(0, length);
  if (type === 'float32') return new FloatBytes(stored);
  // A copy: views need an offset that is a multiple of their element.
  const aligned = Buffer.from(new Uint8Array(stored).buffer);
  if (type !== 'float16') return typedView({ type, bigEndian: false }, aligned) as Values;
  const floats = new Float32Array(length / 2);
  decodeFloat32({ type, bigEndian: false }, aligned, floats);
  return floats;
}

function fromDictionary(column: ParquetColumn, bytes: Uint8Array, count: number, dictionary: Values): Values {
  if (bytes.length === 0) throw new Error('its values are missing');
  const indices = readRuns(bytes.subarray(1), bytes[0]!, count);
  const width = numbersIn(column);
  const values = dictionary instanceof FloatBytes ? dictionary.toFloats() : dictionary;
  const size = values.length / width;
  const bad = indices.find((index) => index >= size);
  if (bad !== undefined) throw new Error(`value ${bad} of a dictionary of ${size}`);
  if (width === 1) {
    if (!isArrayOf('float32', values)) return Array.from(indices, (index) => values[index]!);
    const floats = new Float32Array(count);
    for (let i = 0; i < count; i++) floats[i] = values[indices[i]!]!;
    return floats;
  }
  const floats = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    floats.set((values as Float32Array).subarray(indices[i]! * width, (indices[i]! + 1) * width), i * width);
  }
  return floats;
}

/** First all first bytes, then all second ones, and so on. */
function unsplit(bytes: Uint8Array, width: number | undefined, count: number): Uint8Array {
  if (width === undefined) throw new Error('the encoding BYTE_STREAM_SPLIT of text');
  if (bytes.length < count * width)
    throw new Error(`${bytes.length} bytes of values in place of ${count * width}`);
  const whole = new Uint8Array(count * width);
  for (let part = 0, from = 0; part < width; part++) {
    for (let to = part; to < whole.length; to += width) whole[to] = bytes[from++]!;
  }
  return whole;
}

const textOf = (bytes: Uint8Array, begin: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8', begin, end);

function plainTexts(bytes: Uint8Array, count: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // Each has its length in front.
  if (bytes.length < 4 * count) throw new Error(`${bytes.length} bytes of text for ${count} values`);
  const found: string[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.length) throw new Error('a text that goes beyond its page');
    found.push(textOf(bytes, at + 4, end));
    at = end;
  }
  return found;
}

function texts(bytes: Uint8Array, begin: number, lengths: Int32Array): string[] {
  let at = begin;
  return Array.from(lengths, (length) => {
    if (length < 0 || at + length > bytes.length) throw new Error('a text that goes beyond its page');
    at += length;
    return textOf(bytes, at - length, at);
  });
}

/** Each begins as the one before it. */
function prefixedTexts(
  bytes: Uint8Array,
  begin: number,
  prefixes: Int32Array,
  suffixes: Int32Array,
): string[] {
  let at = begin;
  let last: Uint8Array = new Uint8Array(0);
  return Array.from(suffixes, (length, i) => {
    const prefix = prefixes[i]!;
    if (length < 0 || at + length > bytes.length || prefix < 0 || prefix > last.length) {
      throw new Error('a text that goes beyond its page');
    }
    const text = Buffer.concat([last.subarray(0, prefix), bytes.subarray(at, at + length)]);
    at += length;
    last = text;
    return text.toString('utf8');
  });
}

// The same rows and labels as files of every format, by encoders that write no more than these need.
import { writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import * as arrow from 'apache-arrow';
import { type Files, writeTable } from '#softshard/main/index.js';

export type NumberType = 'float16' | 'float32' | 'float64';

export interface LabeledRows {
  /** Exact in 16 bits; no last feature is 0, which SVMlight does not write. */
  readonly values: readonly (readonly number[])[];
  readonly labels: readonly (number | string)[];
}

type Encode = (rows: LabeledRows, type: NumberType) => Buffer | string;

export interface TestFormat {
  readonly end: string;
  readonly types: readonly NumberType[];
  /** Where the labels are: in the file, as these options say, or in a file of their own. */
  readonly labels: readonly string[] | 'own file';
  /** The file cannot hold words. */
  readonly numbersOnly?: true;
  /** May be compressed in itself: readers take no .gz of it. */
  readonly isPacked?: true;
  readonly encode?: Encode;
  /** In place of `encode`. */
  write?(path: string, rows: LabeledRows, type: NumberType): Promise<void>;
}

const BYTES = { float16: 2, float32: 4, float64: 8 } as const;

/** IEEE 754 half precision of 0 or a number that is normal and exact in it. */
function float16Bits(value: number): number {
  if (value === 0) return 0;
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return ((bits >>> 16) & 0x8000) | ((((bits >>> 23) & 255) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

function bytesOf(values: readonly number[], type: NumberType): Buffer {
  const typed = {
    float16: () => Uint16Array.from(values, float16Bits),
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
  };
  return Buffer.from(typed[type]().buffer);
}

function npy(dims: readonly number[], descr: string, values: Buffer): Buffer {
  const shape = dims.map((dim) => `${dim},`).join(' ');
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117);
  return Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, 'latin1'), values]);
}

const npyRows: Encode = ({ values }, type) =>
  npy([values.length, values[0]!.length], `<f${BYTES[type]}`, bytesOf(values.flat(), type));

export function npyLabels({ labels }: LabeledRows): Buffer {
  if (labels.every((label) => typeof label === 'number')) {
    return npy([labels.length], '<i8', Buffer.from(BigInt64Array.from(labels, BigInt).buffer));
  }
  const longest = Math.max(...labels.map((label) => String(label).length));
  const characters = labels.flatMap((label) => [...String(label).padEnd(longest, '\0')]);
  const codes = Uint32Array.from(characters, (character) => character.codePointAt(0)!);
  return npy([labels.length], `<U${longest}`, Buffer.from(codes.buffer));
}

/** Not compressed. */
function zip(entries: Readonly<Record<string, Buffer>>): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(entries)) {
    // Version 2.0, no flags, stored, no time; CRC and both sizes; lengths of the name and of nothing more.
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt32LE(crc32(bytes), 10);
    facts.writeUInt32LE(bytes.length, 14);
    facts.writeUInt32LE(bytes.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), facts, Buffer.from(name), bytes]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), facts, place, Buffer.from(name));
    files.push(file);
    offset += file.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...files, ...directory, Buffer.from('PK\x05\x06'), end]);
}

const npz: Encode = (rows, type) => zip({ 'X.npy': npyRows(rows, type) as Buffer, 'y.npy': npyLabels(rows) });

const safetensors: Encode = ({ values, labels }, type) => {
  const X = bytesOf(values.flat(), type);
  const y = Buffer.from(Int32Array.from(labels, Number).buffer);
  const end = X.length + y.length;
  const header = JSON.stringify({
    X: {
      dtype: `F${8 * BYTES[type]}`,
      shape: [values.length, values[0]!.length],
      data_offsets: [0, X.length],
    },
    y: { dtype: 'I32', shape: [labels.length], data_offsets: [X.length, end] },
  });
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, Buffer.from(header), X, y]);
};

const idx: Encode = ({ values }, type) => {
  const header = Buffer.from([0, 0, type === 'float32' ? 0x0d : 0x0e, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(values.length, 4);
  header.writeUInt32BE(values[0]!.length, 8);
  const bytes = bytesOf(values.flat(), type);
  return Buffer.concat([header, type === 'float32' ? bytes.swap32() : bytes.swap64()]);
};

const svmlight: Encode = ({ values, labels }) =>
  values
    .map((row, at) => {
      const pairs = row.flatMap((value, feature) => (value === 0 ? [] : [`${feature + 1}:${value}`]));
      return `${labels[at]} ${pairs.join(' ')}\n`;
    })
    .join('');

const lines = ({ values, labels }: LabeledRows, line: (row: readonly number[], label: unknown) => string) =>
  values.map((row, at) => `${line(row, labels[at])}\n`).join('');

const names = ({ values }: LabeledRows) => values[0]!.map((_, at) => `f${at}`);

const csv =
  (delimiter: string): Encode =>
  (rows) =>
    [...names(rows), 'kind'].join(delimiter) +
    '\n' +
    lines(rows, (row, label) => [...row, label].join(delimiter));

const fieldsOf = (rows: LabeledRows, row: readonly number[]) =>
  Object.fromEntries(names(rows).map((name, at) => [name, row[at]]));

/** Columns of vectors, or of numbers. */
const arrowTable =
  (isVectors: boolean, write: (table: arrow.Table) => Uint8Array): Encode =>
  (rows, type) => {
    const { values, labels } = rows;
    const number = { float16: arrow.Float16, float32: arrow.Float32, float64: arrow.Float64 }[type];
    const features = isVectors
      ? { v: arrow.vectorFromArray(values, new arrow.List(new arrow.Field('item', new number()))) }
      : Object.fromEntries(
          names(rows).map((name, at) => [
            name,
            arrow.vectorFromArray(
              values.map((row) => row[at]!),
              new number(),
            ),
          ]),
        );
    const kinds = labels.every((label) => typeof label === 'number')
      ? arrow.vectorFromArray(labels as number[], new arrow.Int32())
      : arrow.vectorFromArray(labels.map(String), new arrow.Utf8());
    return Buffer.from(write(new arrow.Table({ ...features, kind: kinds } as Record<string, arrow.Vector>)));
  };

async function writeParquet(path: string, rows: LabeledRows, type: NumberType): Promise<void> {
  const isNumbers = rows.labels.every((label) => typeof label === 'number');
  const columns: Files.TableColumn[] = names(rows).map((name) => ({ name, type: type as 'float32' }));
  columns.push({ name: 'kind', type: isNumbers ? 'int32' : 'string' });
  const records = rows.values.map((row, at) => [...row, rows.labels[at]!]);
  await writeTable(path, { columns, records }, { format: 'parquet' });
}

const BOTH = ['float32', 'float64'] as const;
const ALL = ['float16', ...BOTH] as const;
const TEXT = ['float32'] as const;
const KIND = ['--label', 'kind'];

export const FORMATS: Readonly<Record<string, TestFormat>> = {
  npy: { end: '.npy', types: ALL, labels: 'own file', encode: npyRows },
  IDX: { end: '.idx', types: BOTH, labels: 'own file', encode: idx },
  npz: { end: '.npz', types: ALL, labels: [], isPacked: true, encode: npz },
  safetensors: { end: '.safetensors', types: ALL, labels: [], numbersOnly: true, encode: safetensors },
  SVMlight: { end: '.svm', types: TEXT, labels: [], numbersOnly: true, encode: svmlight },
  CSV: { end: '.csv', types: TEXT, labels: KIND, encode: csv(',') },
  'CSV with tabs': { end: '.tsv', types: TEXT, labels: KIND, encode: csv('\t') },
  'CSV with vectors': {
    end: '.csv',
    types: TEXT,
    labels: KIND,
    encode: (rows) => `v,kind\n${lines(rows, (row, label) => `"${JSON.stringify(row)}",${label}`)}`,
  },
  'JSON Lines': {
    end: '.jsonl',
    types: TEXT,
    labels: KIND,
    encode: (rows) => lines(rows, (row, kind) => JSON.stringify({ ...fieldsOf(rows, row), kind })),
  },
  'JSON Lines with vectors': {
    end: '.jsonl',
    types: TEXT,
    labels: KIND,
    encode: (rows) => lines(rows, (v, kind) => JSON.stringify({ v, kind })),
  },
  Parquet: { end: '.parquet', types: BOTH, labels: KIND, isPacked: true, write: writeParquet },
  Arrow: {
    end: '.arrow',
    types: ALL,
    labels: KIND,
    isPacked: true,
    encode: arrowTable(false, (table) => arrow.tableToIPC(table, 'file')),
  },
  'Arrow with vectors, a stream,': {
    end: '.arrows',
    types: ALL,
    labels: KIND,
    isPacked: true,
    encode: arrowTable(true, (table) => arrow.tableToIPC(table, 'stream')),
  },
};

export async function writeAs(
  { encode, write }: TestFormat,
  path: string,
  rows: LabeledRows,
  type: NumberType,
): Promise<void> {
  if (write) await write(path, rows, type);
  else writeFileSync(path, encode!(rows, type));
}

// Small right files of every format that is read, in parts that mutations go for: a header and what follows it.
import * as zlib from 'node:zlib';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { ClassificationMetrics, type Files } from '#softshard/main/index.js';
import { valuesAt } from './call-data.js';
import type { Random } from './random.js';
import { type TableFormat, tableParts } from './table-files.js';

export type Format =
  | TableFormat
  | 'idx'
  | 'npy'
  | 'npz'
  | 'safetensors'
  | 'words'
  | 'svmlight'
  | 'csv'
  | 'labels'
  | 'model'
  | 'names'
  | 'metrics';
export const FORMATS: readonly Format[] = [
  'idx',
  'npy',
  'npy',
  'npz',
  'npz',
  'safetensors',
  'words',
  'svmlight',
  'csv',
  'csv',
  'labels',
  'model',
  'model',
  'names',
  'metrics',
  'parquet',
  'parquet',
  'arrow',
  'arrow',
  'jsonl',
];

export interface BaseFile {
  readonly format: Format;
  readonly header: Buffer;
  readonly body: Buffer;
  /** How a table is to be read. */
  readonly options?: Files.CsvOptions;
  /** Puts them together, with lengths that are right where the format has some. */
  assemble(header: Buffer, body: Buffer): Buffer;
}

const WIDTHS: Readonly<Record<string, number>> = {
  b1: 1,
  u1: 1,
  i1: 1,
  u2: 2,
  i2: 2,
  u4: 4,
  i4: 4,
  u8: 8,
  i8: 8,
  f2: 2,
  f4: 4,
  f8: 8,
};
const CODES = Object.keys(WIDTHS);

const lengthOf = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

/** Bytes that make numbers of moderate size in most types. */
const bytesOf = (random: Random, length: number, code: string): Buffer => {
  const width = WIDTHS[code]!;
  const values = valuesAt(random.below(1e5), length / width);
  if (code === 'f4') return Buffer.from(values.buffer);
  if (code === 'f8') return Buffer.from(Float64Array.from(values).buffer);
  // Small numbers, whichever end comes first: one byte of each is set.
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += width) bytes[at] = random.below(7);
  return bytes;
};

const someDims = (random: Random): number[] =>
  Array.from({ length: random.of([1, 2, 2, 2, 3, 4]) }, (_, i) => random.size(i < 2 ? 20 : 4));

const IDX_TYPES = [
  [0x08, 'u1'],
  [0x09, 'i1'],
  [0x0b, 'i2'],
  [0x0c, 'i4'],
  [0x0d, 'f4'],
  [0x0e, 'f8'],
] as const;

function idx(random: Random): BaseFile {
  const [type, code] = random.of(IDX_TYPES);
  const dims = someDims(random);
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, type, dims.length]);
  for (const [axis, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * axis);
  const body = bytesOf(random, lengthOf(dims) * WIDTHS[code]!, code);
  return { format: 'idx', header, body, assemble: (...parts) => Buffer.concat(parts) };
}

function npy(random: Random): BaseFile {
  const code = random.of(CODES);
  const dims = someDims(random);
  const order = WIDTHS[code] === 1 ? '|' : random.of(['<', '<', '>', '=']);
  const shape = `(${dims.join(', ')}${dims.length === 1 ? ',' : ''})`;
  const fortran = random.chance(0.3) ? 'True' : 'False';
  const text = `{'descr': '${order}${code}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
  const version = random.between(1, 3);
  const padding = random.chance(0.5) ? ' '.repeat(random.below(64)) : '';
  return {
    format: 'npy',
    header: Buffer.from(`${text}${padding}\n`, 'latin1'),
    body: bytesOf(random, lengthOf(dims) * WIDTHS[code]!, code),
    assemble: (header, body) => {
      const start = Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0\0\0\0\0`, 'latin1');
      start.writeUInt32LE(header.length % 2 ** (version === 1 ? 16 : 32), 8);
      return Buffer.concat([start.subarray(0, version === 1 ? 10 : 12), header, body]);
    },
  };
}

/** Features that are mutated, and labels of as many rows beside them. */
function npz(random: Random): BaseFile {
  const X = npy(random);
  const y = npy(random);
  const names = random.of([
    ['X', 'y'],
    ['arr_0', 'arr_1'],
    ['a', 'b'],
  ]);
  const isDeflated = random.chance(0.5);
  return {
    format: 'npz',
    header: X.header,
    body: X.body,
    assemble: (header, body) =>
      zipped(
        [
          [`${names[0]}.npy`, X.assemble(header, body)],
          [`${names[1]}.npy`, y.assemble(y.header, y.body)],
        ],
        isDeflated,
      ),
  };
}

function zipped(members: readonly (readonly [name: string, content: Buffer])[], isDeflated: boolean): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of members) {
    const stored = isDeflated ? deflateRawSync(content, { level: 1 }) : content;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(isDeflated ? 8 : 0, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(stored.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), common, end, Buffer.from(name));
    const member = [Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), stored];
    parts.push(...member);
    offset += lengthOfAll(member);
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(lengthOfAll(directory), 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const lengthOfAll = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);

const DTYPES = [
  ['F32', 'f4'],
  ['F64', 'f8'],
  ['F16', 'f2'],
  ['BF16', 'u2'],
  ['I64', 'i8'],
  ['I32', 'i4'],
  ['U8', 'u1'],
  ['BOOL', 'b1'],
] as const;

function safetensors(random: Random): BaseFile {
  const [rows, columns] = [random.size(20), random.size(8)];
  const [dtype, code] = random.of(DTYPES);
  const [begin, end] = [rows * columns * WIDTHS[code]!, rows * (columns * WIDTHS[code]! + 8)];
  const entries = {
    X: { dtype, shape: [rows, columns], data_offsets: [0, begin] },
    y: { dtype: 'I64', shape: [rows], data_offsets: [begin, end] },
  };
  return {
    format: 'safetensors',
    header: Buffer.from(JSON.stringify(entries)),
    body: Buffer.concat([bytesOf(random, begin, code), bytesOf(random, end - begin, 'i8')]),
    assemble: withLength,
  };
}

function withLength(header: Buffer, body: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, body]);
}

/** A .npy file of labels that are text. */
function words(random: Random): BaseFile {
  const names = random.chance(0.5) ? NAMES.slice(0, 7) : NAMES.slice(7);
  const labels = Array.from({ length: random.size(30) }, () => random.of(names));
  const [order, kind, width] = random.of([
    ['<', 'U', 4],
    ['>', 'U', 4],
    ['|', 'S', 1],
  ] as const);
  const encoded = labels.map((label) => {
    if (kind === 'S') return Buffer.from(label);
    const bytes = Buffer.from(Uint32Array.from(label, (letter) => letter.codePointAt(0)!).buffer);
    return order === '>' ? bytes.swap32() : bytes;
  });
  const most = Math.max(...encoded.map(({ length }) => length));
  const array = npy(random);
  return {
    ...array,
    format: 'words',
    header: Buffer.from(
      `{'descr': '${order}${kind}${most / width}', 'fortran_order': False, 'shape': (${labels.length},), }\n`,
    ),
    body: Buffer.concat(encoded.map((bytes) => Buffer.concat([bytes, Buffer.alloc(most - bytes.length)]))),
  };
}

function svmlight(random: Random): BaseFile {
  const [columns, base, digits] = [random.size(9), random.below(2), random.below(5)];
  const labels = random.of([
    ['1', '-1'],
    ['+1', '-1', '3'],
    ['0', '1.0', '2'],
  ]);
  const row = (seed: number): string => {
    const values = Array.from(valuesAt(seed, columns), (value, i) => `${i + base}:${value.toFixed(digits)}`);
    const query = seed % 5 === 0 ? ' qid:7' : '';
    const comment = random.chance(0.1) ? ' # a note' : '';
    return `${random.of(labels)}${query} ${values.filter(() => random.chance(0.7)).join(' ')}${comment}`;
  };
  return {
    format: 'svmlight',
    header: Buffer.from(random.chance(0.3) ? '# a comment\n\n' : ''),
    body: Buffer.from(Array.from({ length: random.size(30) }, (_, i) => `${row(i * 7)}\n`).join('')),
    assemble: (...parts) => Buffer.concat(parts),
  };
}

const NAMES = [
  'setosa',
  'virginica',
  'a b',
  'x,y',
  'say "hi"',
  'ü',
  '猫',
  '0',
  '1',
  '01',
  '1.0',
  '10',
  '-3',
  '+1',
  '1e3',
];

const quoted = (cell: string): string =>
  /[",\r\n;\t|]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

function csv(random: Random): BaseFile {
  const columns = random.size(8);
  const rows = random.size(30);
  const delimiter = random.of([',', ',', ',', ';', '\t', '|']);
  const end = random.of(['\n', '\n', '\r\n', '\r']);
  const hasLabels = random.chance(0.6);
  const names = random.chance(0.5) ? NAMES.slice(0, 7) : NAMES.slice(7);
  const digits = random.below(6);
  const decimal = delimiter !== ',' && random.chance(0.3) ? ',' : '.';
  const isTruth = Array.from({ length: columns }, () => random.chance(0.1));
  const line = (row: number): string => {
    const numbers = Array.from(valuesAt(row * 31, columns), (value, i) =>
      isTruth[i] ? random.of(['True', 'false']) : value.toFixed(digits).replace('.', decimal),
    );
    return [...numbers, ...(hasLabels ? [quoted(random.of(names))] : [])].join(delimiter) + end;
  };
  const titles = Array.from({ length: columns }, (_, i) => random.of([`c${i}`, `"c ${i}"`, `${i}`]));
  const header = random.chance(0.6) ? [...titles, ...(hasLabels ? ['label'] : [])].join(delimiter) + end : '';
  const bom = random.chance(0.1) ? '\ufeff' : '';
  return {
    format: 'csv',
    options: {
      ...(hasLabels && { labelColumn: -1 }),
      ...(delimiter !== ',' && { delimiter }),
      ...(decimal === ',' && { decimal }),
    },
    header: Buffer.from(bom + header),
    body: Buffer.from(Array.from({ length: rows }, (_, row) => line(row)).join('')),
    assemble: (...parts) => Buffer.concat(parts),
  };
}

const namesText = (random: Random, count: number): Buffer => {
  const names = random.chance(0.5) ? NAMES.slice(0, 7) : NAMES.slice(7);
  const end = random.of(['\n', '\r\n']);
  return Buffer.from(Array.from({ length: count }, () => quoted(random.of(names)) + end).join(''));
};

const labels = (random: Random): BaseFile => ({
  format: 'labels',
  header: Buffer.from(random.chance(0.3) ? 'species\n' : ''),
  body: namesText(random, random.size(40)),
  assemble: (...parts) => Buffer.concat(parts),
});

const classNames = (random: Random): BaseFile => ({
  format: 'names',
  header: Buffer.alloc(0),
  body: Buffer.from(NAMES.slice(0, random.between(2, NAMES.length)).join('\n')),
  assemble: (...parts) => Buffer.concat(parts),
});

function model(random: Random): BaseFile {
  const [features, classes] = [random.size(12), random.between(2, 6)];
  const tensors: [name: string, shape: number[]][] = [
    ['weights', [features, classes]],
    ['bias', [classes]],
    ...(random.chance(0.3) ? [['featureScaling.shift', [features]] as [string, number[]]] : []),
  ];
  let end = 0;
  const entries = tensors.map(([name, shape]) => {
    const begin = end;
    end += 4 * lengthOf(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
  });
  const hasShift = tensors.length === 3;
  const metadata = {
    format: 'softshard',
    formatVersion: '1',
    softshardVersion: '0.1.0',
    ...(random.chance(0.5) && { classNames: JSON.stringify(NAMES.slice(0, classes)) }),
    ...(hasShift && { featureScaling: JSON.stringify({ scale: 0.5 }) }),
    ...(random.chance(0.5) && { trainingOptions: JSON.stringify({ epochs: 3, options: { seed: 1 } }) }),
  };
  return {
    format: 'model',
    header: Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) })),
    body: Buffer.from(valuesAt(random.below(1e5), end / 4).buffer),
    assemble: withLength,
  };
}

/** Each row has one target, one prediction and one confidence. */
function metrics(random: Random): BaseFile {
  const [classes, bins, rows] = [random.between(2, 6), random.between(1, 5), random.size(30)];
  const saved = new ClassificationMetrics(undefined, { classes, bins }).toJSON();
  const [support, predicted, right, binRows] = [classes, classes, classes, bins].map((length) =>
    new Array<number>(length).fill(0),
  ) as [number[], number[], number[], number[]];
  const confusion: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const [target, prediction] = [random.below(classes), random.below(classes)];
    support[target]!++;
    predicted[prediction]!++;
    if (target === prediction) right[target]!++;
    binRows[random.below(bins)]!++;
    confusion.push([target, prediction, 1]);
  }
  const counts = { rows, ignored: 2, support, predicted, right, binRows, confusion };
  const sums = { loss: { units: '1fp200' }, lossSquares: { units: '3p210', plusInfinity: 1 } };
  return {
    format: 'metrics',
    header: Buffer.alloc(0),
    body: Buffer.from(JSON.stringify({ ...saved, ...counts, ...sums })),
    assemble: (...parts) => Buffer.concat(parts),
  };
}

const tableOf =
  (format: TableFormat) =>
  (random: Random): BaseFile => ({ format, ...tableParts(random, format) });

const MAKERS: Readonly<Record<Format, (random: Random) => BaseFile>> = {
  idx,
  npy,
  npz,
  safetensors,
  words,
  svmlight,
  csv,
  labels,
  model,
  names: classNames,
  metrics,
  parquet: tableOf('parquet'),
  arrow: tableOf('arrow'),
  jsonl: tableOf('jsonl'),
};

export const whole = ({ assemble, header, body }: BaseFile): Buffer => assemble(header, body);

export const baseFile = (random: Random, format: Format): BaseFile => MAKERS[format](random);

/** Undefined before Node 22.15. */
export const { zstdCompressSync } = zlib as typeof zlib & {
  readonly zstdCompressSync?: (bytes: Buffer) => Buffer;
};

/** As one member or as several, which inflate to the same. */
export function compressed(random: Random, bytes: Buffer): Buffer {
  if (zstdCompressSync && random.chance(0.3)) return zstdCompressSync(bytes);
  if (random.chance(0.7)) return gzipSync(bytes, { level: 1 });
  const cut = random.below(bytes.length + 1);
  return Buffer.concat([gzipSync(bytes.subarray(0, cut)), gzipSync(bytes.subarray(cut))]);
}

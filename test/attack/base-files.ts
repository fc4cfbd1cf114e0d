// Small right files of every format that is read, in parts that mutations go for: a header and what follows it.
import { gzipSync } from 'node:zlib';
import { ClassificationMetrics, type Files } from '#softshard/main/index.js';
import { valuesAt } from './call-data.js';
import type { Random } from './random.js';
import { type TableFormat, tableParts } from './table-files.js';

export type Format = TableFormat | 'idx' | 'npy' | 'csv' | 'labels' | 'model' | 'names' | 'metrics';
export const FORMATS: readonly Format[] = [
  'idx',
  'npy',
  'npy',
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
  const line = (row: number): string => {
    const numbers = Array.from(valuesAt(row * 31, columns), (value) => value.toFixed(digits));
    return [...numbers, ...(hasLabels ? [quoted(random.of(names))] : [])].join(delimiter) + end;
  };
  const titles = Array.from({ length: columns }, (_, i) => random.of([`c${i}`, `"c ${i}"`, `${i}`]));
  const header = random.chance(0.6) ? [...titles, ...(hasLabels ? ['label'] : [])].join(delimiter) + end : '';
  const bom = random.chance(0.1) ? '\ufeff' : '';
  return {
    format: 'csv',
    options: { ...(hasLabels && { labelColumn: -1 }), ...(delimiter !== ',' && { delimiter }) },
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
    assemble: (header, body) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, body]);
    },
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
  csv,
  labels,
  model,
  names: classNames,
  metrics,
  parquet: tableOf('parquet'),
  arrow: tableOf('arrow'),
  jsonl: tableOf('jsonl'),
};

export const baseFile = (random: Random, format: Format): BaseFile => MAKERS[format](random);

/** As one member or as several, which inflate to the same. */
export function compressed(random: Random, bytes: Buffer): Buffer {
  if (random.chance(0.7)) return gzipSync(bytes, { level: 1 });
  const cut = random.below(bytes.length + 1);
  return Buffer.concat([gzipSync(bytes.subarray(0, cut)), gzipSync(bytes.subarray(cut))]);
}

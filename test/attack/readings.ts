// Reading a file in one of the ways there are for its format, and comparing what comes with the oracles.
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as zlib from 'node:zlib';
import { gunzipSync } from 'node:zlib';
import { readClassNames } from '#softshard/main/cli/classes.js';
import {
  type Allocator,
  type ArenaTensor,
  ClassificationMetrics,
  type ElementType,
  type Files,
  type Matrix,
  openNpy,
  readCsv,
  readFeatures,
  readIdxLabels,
  readIdxMatrix,
  readLabels,
  readMatrix,
  readModelFile,
  readNpyLabels,
  readNpyMatrix,
  SoftshardError,
  type Vector,
} from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import type { BaseFile, Format } from './base-files.js';
import { lengthOf, plainElements } from './call-data.js';
import {
  csvRecords,
  delimiterOf,
  idxValues,
  modelContent,
  npyValues,
  npyWords,
  svmlightLabels,
  svmlightRows,
  tensorValues,
  type Values,
  zipMembers,
} from './file-oracles.js';
import type { Random } from './random.js';
import type { TableFormat } from './table-files.js';
import { columnOf, numbersOf } from './table-oracles.js';

/** Reads the file at `path`, whose bytes these are; throws what the reader throws, or where it accepts what is wrong. */
export type Reading = (path: string, bytes: Buffer, later: Later) => Promise<void>;
/** Takes what is compared with libraries of formats, for whose time a reader is not to be blamed. */
export type Later = (check: () => Promise<void>) => void;

/** More elements than this no small file can hold. */
const MOST_ELEMENTS = 2 ** 27;

/** Memory filled with junk, so that what is not written shows; counts what is asked for. */
class CountingMemory implements Allocator {
  elements = 0;

  matrix(rows: number, columns: number): Matrix {
    return { ...this.tensor('float32', [rows, columns]), dims: [rows, columns] };
  }

  vector<Type extends ElementType>(type: Type, length: number): Vector<Type> {
    return { ...this.tensor(type, [length]), dims: [length] };
  }

  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
    const length = lengthOf(dims);
    this.elements += length;
    if (length > MOST_ELEMENTS)
      throw new SoftshardError('ERR_ARENA_FULL', 'more than the attack has room for');
    const data = plainElements(type, length);
    data.fill(77);
    return { type, dims, data, free() {}, [Symbol.dispose]() {} };
  }
}

const isGzip = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
/** Its members are deflated. */
const isZip = (bytes: Buffer): boolean => bytes.toString('latin1', 0, 2) === 'PK';
const isZstd = (bytes: Buffer): boolean => bytes.length > 3 && bytes.readUInt32LE() === 0xfd2fb528;

function contentOf(bytes: Buffer): Buffer {
  if (isZstd(bytes)) return zstdContent(bytes);
  return isGzip(bytes) ? gunzipSync(bytes) : bytes;
}

const { zstdDecompressSync } = zlib as typeof zlib & {
  readonly zstdDecompressSync?: (
    bytes: Buffer,
    options: { readonly info: true },
  ) => { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
};

/** Node unpacks one frame at a time. */
function zstdContent(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const { buffer, engine } = zstdDecompressSync!(rest, { info: true });
    parts.push(buffer);
    rest = rest.subarray(engine.bytesWritten);
  }
  return Buffer.concat(parts);
}

/** How often deflate and zstd can repeat a byte. */
const MOST_INFLATION = { gzip: 1032, zstd: 32_768 } as const;
/** Rows of SVMlight leave zeros out. */
const MOST_ZEROS = { bytes: 2 ** 26, times: 4096 } as const;

/** Every value takes a byte of content or more, with the separator after it; only the last may have none. */
async function inMemory<Result>(
  bytes: Buffer,
  read: (memory: CountingMemory) => Promise<Result>,
): Promise<Result> {
  const memory = new CountingMemory();
  try {
    return await read(memory);
  } finally {
    const ratio =
      isGzip(bytes) || isZip(bytes) ? MOST_INFLATION.gzip : isZstd(bytes) ? MOST_INFLATION.zstd : 1;
    const zeros = isSparse(bytes)
      ? Math.max(MOST_ZEROS.bytes, MOST_ZEROS.times * ratio * bytes.length) / 4
      : 0;
    const most = Math.max(ratio * bytes.length, zeros);
    const { elements } = memory;
    expectThat(
      elements <= most + 1,
      `memory for ${elements} values is asked for, of a file of ${bytes.length} bytes`,
    );
  }
}

function isSparse(bytes: Buffer): boolean {
  try {
    return /^[^,\n]*\d:/m.test(contentOf(bytes).toString('latin1', 0, 4096));
  } catch {
    return false;
  }
}

function expectValues(
  what: string,
  got: ArrayLike<number>,
  wanted: readonly number[],
  round = Math.fround,
): void {
  expectThat(got.length === wanted.length, `${what}: ${got.length} values, not ${wanted.length}`);
  const at = wanted.findIndex((value, i) => !Object.is(got[i], round(value)) && !bothZero(got[i]!, value));
  expectThat(at < 0, `${what}[${at}] is ${got[at]}, not ${wanted[at]}`);
}

/** "-0" of text may lose its sign. */
const bothZero = (a: number, b: number): boolean => a === 0 && b === 0;

type OfFile = Partial<Pick<Files.MatrixFile, 'format'>>;

function binaryValues(content: Buffer, { format }: OfFile, array = ''): Values {
  if (format === 'npz') return npyValues(zipMembers(content).get(`${array}.npy`)!);
  if (format === 'safetensors') return tensorValues(content, array);
  return content[0] === 0 ? idxValues(content) : npyValues(content);
}

function expectBinaryMatrix(
  matrix: Pick<Matrix, 'dims' | 'data'>,
  bytes: Buffer,
  file: OfFile & Pick<Files.MatrixFile, 'arrays'> = {},
): void {
  const { dims, values } = binaryValues(contentOf(bytes), file, file.arrays?.features[0]);
  const [rows, columns] = matrix.dims;
  expectThat(
    rows === dims[0] && rows * columns === values.length,
    `dims [${matrix.dims}] of a file of [${dims}]`,
  );
  expectValues('values', matrix.data, values);
}

const expectBinaryLabels = (labels: Int32Array, bytes: Buffer): void =>
  expectValues('labels', labels, binaryValues(contentOf(bytes), {}).values, (value) => value);

/** Text and class name are one label where they are equal as text or, exactly, as numbers. */
function isSameLabel(text: string, name: string | undefined): boolean {
  if (name === undefined || text === name) return text === name;
  const canonical = (number: string) => /^([+-]?)0*(\d*?)(?:\.(\d*?)0*)?(?:[eE]([+-]?\d+))?$/.exec(number);
  const [a, b] = [canonical(text), canonical(name)];
  if (a === null || b === null) return false;
  // With exponents in play float64 has to do.
  if (a[4] !== undefined || b[4] !== undefined) return Number(text) === Number(name);
  return (
    [1, 2, 3].every((part) => (a[part] ?? '').replace('+', '') === (b[part] ?? '').replace('+', '')) ||
    Number(text) === 0
  );
}

function expectLabels(
  { targets, classNames }: Pick<Files.LabelFile, 'targets' | 'classNames'>,
  wanted: readonly string[],
): void {
  expectThat(targets.length === wanted.length, `${targets.length} labels, not ${wanted.length}`);
  const at = wanted.findIndex((text, row) => !isSameLabel(text, classNames?.[targets[row]!]));
  expectThat(
    at < 0,
    `row ${at} has the label ${JSON.stringify(wanted[at])}, not ${classNames?.[targets[at]!]}`,
  );
}

type Table = Pick<Files.CsvTable, 'matrix' | 'targets' | 'classNames' | 'featureNames' | 'unusedColumns'>;

/** A cell may be a list of numbers, [0.1, 0.2]. */
const numbersOfList = (cell: string): string[] =>
  /^\[.*\]$/s.test(cell)
    ? cell
        .slice(1, -1)
        .trim()
        .split(/\s*,\s*|\s+/)
    : [cell];

function expectTable(table: Table, bytes: Buffer, options: Files.CsvOptions): void {
  const records = csvRecords(contentOf(bytes), options.delimiter ?? delimiterOf(contentOf(bytes)));
  const rows = table.featureNames === undefined ? records : records.slice(1);
  const last = (rows[0]?.length ?? 0) - 1;
  const isLabel = (column: number) => options.labelColumn !== undefined && column === last;
  // A first column without a name holds the rows' numbers.
  const begin = table.unusedColumns?.[0] === '' ? 1 : 0;
  const cells = rows.flatMap((row) =>
    row.filter((_, column) => column >= begin && !isLabel(column)).flatMap(numbersOfList),
  );
  expectValues('cells', table.matrix.data, cells.map(Number));
  if (table.targets === undefined) return;
  const { targets, classNames } = table;
  expectLabels(
    { targets, ...(classNames && { classNames }) },
    rows.map((row) => row[last]!),
  );
}

const readNpyRows: Reading = async (path, bytes) => {
  const file = await openNpy(path);
  try {
    const rows = file.dims[0]!;
    const { values } = npyValues(bytes);
    const width = values.length / rows;
    for (const [begin, end] of [
      [0, rows],
      [rows >> 1, rows],
      [0, Math.min(1, rows)],
    ] as const) {
      const got = await file.readRows(begin, end);
      // Halves come as their bits.
      if (file.type === 'float16') continue;
      expectValues(
        'rows',
        Array.from(got, Number),
        values.slice(begin * width, end * width),
        (value) => value,
      );
    }
  } finally {
    await file.close();
  }
};

const readAny: Reading = (path, bytes, later) =>
  inMemory(bytes, async (memory) => expectMatrixFile(await readMatrix(memory, path), bytes, {}, later));

const readAnyFeatures: Reading = (path, bytes, later) =>
  inMemory(bytes, async (memory) => {
    const file = await readFeatures(memory, path);
    const { dims, data } = file.matrix;
    const matrix = { ...file.matrix, type: 'float32', dims, data: Float32Array.from(data) } as const;
    expectMatrixFile({ ...file, matrix }, bytes, {}, later);
  });

/** Whatever its name says, a file is what its content shows. */
function expectMatrixFile(
  file: Files.MatrixFile,
  bytes: Buffer,
  options: Files.CsvOptions,
  later: Later,
): void {
  const { format } = file;
  if (isTable(format)) later(() => expectColumns(file, format, contentOf(bytes), options));
  else if (format === 'svmlight') expectSparse(file, bytes);
  else if (format !== 'csv') expectBinaryMatrix(file.matrix, bytes, file);
  // What other options make of text, the readings of CSV find out.
  else if (Object.keys(options).length === 0) expectTable(file, bytes, options);
}

function expectSparse({ matrix, targets, classNames }: Files.MatrixFile, bytes: Buffer): void {
  const { dims, values, labels } = svmlightRows(contentOf(bytes));
  expectThat(matrix.dims.join() === dims.join(), `dims [${matrix.dims}] of a file of [${dims}]`);
  expectValues('values', matrix.data, values);
  expectLabels({ targets: targets!, ...(classNames && { classNames }) }, labels);
}

const isTable = (format: Files.FormatName): format is TableFormat =>
  format === 'parquet' || format === 'arrow' || format === 'jsonl';

/** The columns that the names of the features tell of, and the labels. */
async function expectColumns(
  { matrix, featureNames = [], targets, classNames }: Files.MatrixFile,
  format: TableFormat,
  content: Buffer,
  { labelColumn }: Files.CsvOptions,
): Promise<void> {
  const [rows, features] = matrix.dims;
  expectThat(featureNames.length === features, `${featureNames.length} names of ${features} features`);
  const columns = new Map<string, { first: number; width: number }>();
  for (const [feature, name] of featureNames.entries()) {
    const column = name.replace(/\[\d+\]$/, '');
    const { first = feature, width = 0 } = columns.get(column) ?? {};
    columns.set(column, { first, width: width + 1 });
  }
  for (const [name, { first, width }] of columns) {
    // The library does not know this way to read it.
    if (name.endsWith(':float16')) continue;
    const wanted = await columnOf(format, content, name);
    if (!wanted) continue;
    expectThat(wanted.length === rows, `${rows} rows, not ${wanted.length}`);
    for (const [row, value] of wanted.entries()) {
      const begin = row * features + first;
      expectValues(
        `row ${row} of ${name}`,
        matrix.data.subarray(begin, begin + width),
        numbersOf(value, width),
      );
    }
  }
  if (!targets || !classNames || typeof labelColumn !== 'string') return;
  const labels = await columnOf(format, content, labelColumn);
  if (labels) expectLabels({ targets, classNames }, labels.map(String));
}

const tableReading = (random: Random, options: Files.CsvOptions): Reading => {
  const { labelColumn } = options;
  if (labelColumn !== undefined && random.chance(0.2)) {
    return async (path) => {
      await readLabels(path, { labelColumn });
    };
  }
  return (path, bytes, later) =>
    inMemory(bytes, async (memory) => {
      const file = await readMatrix(memory, path, options);
      expectMatrixFile(file, bytes, options, later);
    });
};

const readAnyLabels: Reading = async (path, bytes) => {
  const labels = await readLabels(path);
  // Files of one column; of these the attack has few.
  if (isTable(labels.format)) return;
  if (labels.format === 'svmlight') {
    expectLabels(labels, svmlightLabels(contentOf(bytes)));
    return;
  }
  // Which array of several was chosen is not said.
  if (labels.format === 'npz' || labels.format === 'safetensors') return;
  if (labels.format === 'npy' && labels.classNames) {
    expectLabels(labels, npyWords(contentOf(bytes)));
    return;
  }
  if (labels.format !== 'csv') {
    expectBinaryLabels(labels.targets, bytes);
    return;
  }
  const wanted = csvRecords(contentOf(bytes), delimiterOf(contentOf(bytes))).map((cells) => cells[0]!);
  const above = wanted.length - labels.targets.length;
  // A line above the labels may have been taken for their header.
  expectThat(above <= 1, `${wanted.length} lines give ${labels.targets.length} labels`);
  expectLabels(labels, wanted.slice(above));
};

const idxReadings: readonly Reading[] = [
  (path, bytes) =>
    inMemory(bytes, async (memory) => expectBinaryMatrix((await readIdxMatrix(memory, path)).matrix, bytes)),
  async (path, bytes) => expectBinaryLabels(await readIdxLabels(path), bytes),
];

const npyReadings: readonly Reading[] = [
  (path, bytes) =>
    inMemory(bytes, async (memory) => expectBinaryMatrix((await readNpyMatrix(memory, path)).matrix, bytes)),
  async (path, bytes) => expectBinaryLabels(await readNpyLabels(path), bytes),
  readNpyRows,
];

/** As the file is written, or with options that do not fit it. */
const csvReading = (random: Random, own: Files.CsvOptions): Reading => {
  const others = {
    ...random.some({ labelColumn: -1 }, 0.6),
    ...random.some({ delimiter: random.of([';', '\t', '|']), header: random.of([true, false]) }, 0.2),
  };
  const options = random.chance(0.8) ? own : others;
  return (path, bytes) =>
    inMemory(bytes, async (memory) => expectTable(await readCsv(memory, path, options), bytes, options));
};

/** Rows with this delimiter are never plain: csv-parse takes them all. */
const HARD_DELIMITER = '\x01';

/** With another delimiter between cells, though not within quotes. */
function withHardDelimiter(bytes: Buffer, delimiter: string): Buffer {
  let isQuoted = false;
  return Buffer.from(bytes).map((byte) => {
    if (byte === 0x22) isQuoted = !isQuoted;
    return byte === delimiter.charCodeAt(0) && !isQuoted ? HARD_DELIMITER.charCodeAt(0) : byte;
  }) as Buffer;
}

/** Plain rows, which are read from bytes, give what csv-parse makes of them, and so do their errors. */
const bothWays =
  ({ delimiter = ',', ...options }: Files.CsvOptions): Reading =>
  async (path, bytes) => {
    const read = (delimiter: string) =>
      inMemory(bytes, (memory) => readCsv(memory, path, { ...options, delimiter }));
    const codeOf = (error: unknown) => (error instanceof SoftshardError ? error.code : error);
    const contentOrCode = (table: Promise<Files.CsvTable>): Promise<unknown> =>
      table.then(({ matrix: { dims, data }, ...rest }) => ({ ...rest, dims, data }), codeOf);
    const plain = read(delimiter);
    const got = await contentOrCode(plain);
    if (!isGzip(bytes) && !bytes.includes(HARD_DELIMITER)) {
      writeFileSync(path, withHardDelimiter(bytes, delimiter));
      const wanted = await contentOrCode(read(HARD_DELIMITER));
      expectThat(isDeepStrictEqual(got, wanted), 'plain rows give other than csv-parse');
    }
    await plain;
  };

/** The file changes once it has been looked at: what is given is what it was, or nothing. */
const changingReading = (random: Random, options: Files.CsvOptions): Reading => {
  const part = random.next();
  const change = random.of([
    (path: string, bytes: Buffer) => truncateSync(path, Math.floor(part * bytes.length)),
    (path: string, bytes: Buffer) => appendFileSync(path, bytes.subarray(part * bytes.length)),
    (path: string, bytes: Buffer) => writeFileSync(path, Buffer.concat([bytes, bytes])),
  ]);
  return (path, bytes) =>
    inMemory(bytes, async (memory) => {
      let isChanged = false;
      const onProgress = () => {
        if (!isChanged) change(path, bytes);
        isChanged = true;
      };
      expectTable(await readCsv(memory, path, { ...options, onProgress }), bytes, options);
    });
};

const modelReading: Reading = async (path, bytes) => {
  const model = await readModelFile(path);
  const wanted = modelContent(contentOf(bytes));
  expectValues('weights', model.weights, [...wanted.weights]);
  expectValues('bias', model.bias, [...wanted.bias]);
  expectThat(model.features * model.classes === model.weights.length, 'its counts contradict its weights');
  expectThat(
    JSON.stringify(model.classNames) === JSON.stringify(wanted.classNames),
    'its class names are others',
  );
};

const namesReading: Reading = async (path, bytes) => {
  const { count, names } = await readClassNames(path);
  const wanted = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/);
  expectThat(
    count === wanted.length && names?.length === count,
    `${count} class names, not ${wanted.length}`,
  );
};

/** What is accepted comes back as it was, and gives a report. */
const metricsReading: Reading = async (_, bytes) => {
  const saved: unknown = JSON.parse(bytes.toString('utf8'));
  const metrics = ClassificationMetrics.fromJSON(saved);
  const again = metrics.toJSON();
  const text = JSON.stringify(again);
  expectThat(
    JSON.stringify(ClassificationMetrics.fromJSON(again)) === text,
    'saved metrics change by loading them',
  );
  const { accuracy, rows, correct } = metrics.report();
  expectThat(rows === 0 || (accuracy >= 0 && accuracy <= 1 && correct <= rows), `an accuracy of ${accuracy}`);
};

export function readingOf(random: Random, format: Format, { options = {} }: BaseFile): Reading {
  const any = [readAny, readAnyFeatures, readAnyLabels];
  const readings: Readonly<Record<Format, () => Reading>> = {
    idx: () => random.of([...any, ...idxReadings]),
    npy: () => random.of([...any, ...npyReadings]),
    npz: () => random.of(any),
    safetensors: () => random.of(any),
    words: () => random.of([readAnyLabels, readAnyLabels, ...any, ...npyReadings]),
    svmlight: () => random.of(any),
    csv: () =>
      random.of([
        csvReading(random, options),
        csvReading(random, options),
        bothWays(options),
        changingReading(random, options),
        ...any,
      ]),
    parquet: () => random.of([readAny, ...Array<Reading>(3).fill(tableReading(random, options))]),
    arrow: () => random.of([readAny, ...Array<Reading>(3).fill(tableReading(random, options))]),
    jsonl: () => random.of([readAny, ...Array<Reading>(3).fill(tableReading(random, options))]),
    labels: () => readAnyLabels,
    model: () => modelReading,
    names: () => namesReading,
    metrics: () => metricsReading,
  };
  return readings[format]();
}

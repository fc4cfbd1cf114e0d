// What a reader gives of a file, compared with what the oracles read in it.
import type { Files, Matrix } from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import { contentOf } from './file-content.js';
import {
  csvRecords,
  delimiterOf,
  idxValues,
  npyValues,
  svmlightRows,
  tensorValues,
  type Values,
  zipMember,
} from './file-oracles.js';
import type { Later } from './reading.js';
import type { TableFormat } from './table-files.js';
import { columnOf, numbersOf } from './table-oracles.js';

export function expectValues(
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
  if (format === 'npz') return npyValues(zipMember(content, `${array}.npy`));
  if (format === 'safetensors') return tensorValues(content, array);
  return content[0] === 0 ? idxValues(content) : npyValues(content);
}

export function expectBinaryMatrix(
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

export const expectBinaryLabels = (labels: Int32Array, bytes: Buffer): void =>
  expectValues('labels', labels, binaryValues(contentOf(bytes), {}).values, (value) => value);

/** Text and class name are one label where they are equal as text or, exactly, as numbers. */
export function isSameLabel(text: string, name: string | undefined): boolean {
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

export function expectLabels(
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

/** As the reader may be told to take a comma for the decimal point. */
const pointed = (cell: string, { decimal }: Files.CsvOptions): string =>
  decimal === ',' ? cell.replace(/[.,]/g, (mark) => (mark === ',' ? '.' : ',')) : cell;

/** Truth values are 1 and 0. */
const numberOf = (cell: string): number => Number({ true: 1, false: 0 }[cell.toLowerCase()] ?? cell);

type Table = Pick<Files.CsvTable, 'matrix' | 'targets' | 'classNames' | 'featureNames' | 'unusedColumns'>;

const isNumber = (cell: string): boolean => /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(cell);

/** A cell may be a list of numbers, [0.1, 0.2]. */
const numbersOfList = (cell: string): string[] =>
  /^\[.*\]$/s.test(cell)
    ? cell
        .slice(1, -1)
        .trim()
        .split(/\s*,\s*|\s+/)
    : [cell];

export function expectTable(table: Table, bytes: Buffer, options: Files.CsvOptions): void {
  const records = csvRecords(contentOf(bytes), options.delimiter ?? delimiterOf(contentOf(bytes)));
  const rows = table.featureNames === undefined ? records : records.slice(1);
  const last = (rows[0]?.length ?? 0) - 1;
  const isLabel = (column: number) => options.labelColumn !== undefined && column === last;
  const [names = []] = records;
  const isLeftOut = (column: number) =>
    (table.unusedColumns?.includes(names[column]!) ?? false) &&
    // A first column without a name holds the rows' numbers, others have text where the table begins.
    ((column === 0 && names[0] === '') ||
      rows.slice(0, 10).every((row) => !isNumber(pointed(row[column]!, options))));
  const cells = rows.flatMap((row) =>
    row.filter((_, column) => !isLeftOut(column) && !isLabel(column)).flatMap(numbersOfList),
  );
  expectValues(
    'cells',
    table.matrix.data,
    cells.map((cell) => numberOf(pointed(cell, options))),
  );
  if (table.targets === undefined) return;
  const { targets, classNames } = table;
  expectLabels(
    { targets, ...(classNames && { classNames }) },
    rows.map((row) => {
      const number = pointed(row[last]!, options);
      return isNumber(number) ? number : row[last]!;
    }),
  );
}

/** Whatever its name says, a file is what its content shows. */
export function expectMatrixFile(
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

export const isTable = (format: Files.FormatName): format is TableFormat =>
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

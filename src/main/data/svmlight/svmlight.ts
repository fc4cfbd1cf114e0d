// SVMlight files, which LIBSVM has too: a row is a label and the features that are not 0.

import type { Allocator, Matrix } from '../../memory/tensor.js';
import type { ByteSource } from '../byte-source.js';
import { ClassLabels } from '../class-labels.js';
import type { DataFile } from '../data-file.js';
import { allocateFor, changedError, formatError } from '../errors.js';
import { isText } from '../foreign-files.js';
import type { FileFormat, LabelContent, MatrixContent } from '../format.js';
import { isMissingAmongNumbers, isNumberText } from '../number-text.js';
import type { CsvOptions } from '../read-options.js';
import { readLines } from '../text-lines.js';
import { indexEnd, type Place, rowOf, splitRow, wrongCell } from './svmlight-lines.js';

export const svmlightFormat: FileFormat = {
  name: 'svmlight',
  title: 'SVMlight',
  extensions: ['.svm', '.svmlight', '.libsvm'],
  options: ['skipLabels', 'missingCells', 'classNames', 'numericLabels', 'features'],
  bringsLabels: true,
  matches,
  readMatrix,
  readLabels,
};

const NAME = /\.(?:svm|svmlight|libsvm)(?:\.gz|\.zst)?$/i;
/** A label that is a number, or several; a query; features. */
const ROW = /^[+-]?[\d.]+(?:[eE][+-]?\d+)?(?:,[+-]?[\d.]+)*(?:\s+qid:\d+)?(?:\s+\d+:[^\s:,]+)*$/;
/** As rows to predict may be. */
const ROW_WITHOUT_LABEL = /^(?:\d+:[^\s:,]+\s+)*\d+:[^\s:,]+$/;

/** In Latin-1. */
const UTF8_MARK = /^\xef\xbb\xbf/;

/** All rows must look so, and one have features; else the name decides. Any of this is CSV too. */
function matches(head: Uint8Array, path = ''): boolean {
  if (!isText(head)) return false;
  const text = Buffer.from(head).toString('latin1').replace(UTF8_MARK, '');
  // The last line, or its last cell, may be cut.
  const end = Math.max(text.lastIndexOf('\n'), text.includes('\n') ? -1 : text.lastIndexOf(' '));
  const rows = (head.length < 4096 ? text : text.slice(0, end)).split('\n').map(rowOf);
  const written = rows.filter((row) => row !== '');
  const isNamed = NAME.test(path);
  const areRows = written.every((row) => ROW.test(row) || (isNamed && ROW_WITHOUT_LABEL.test(row)));
  return written.length > 0 && areRows && (isNamed || written.some((row) => /\s\d+:/.test(row)));
}

/** What the first pass finds. */
interface Extent {
  readonly rows: number;
  readonly features: number;
  /** Of the first feature: 0 or 1. */
  readonly base: number;
}

/** Of a row, as for CSV; more need `features`. */
const MAX_FEATURES = 2 ** 22;

/**
 * A file may be written densely if it takes no more than this, or no more than so many times its own size: what is larger has
 * an index that is wrong, or features too rare for rows that hold all of them.
 */
const DENSE = { bytes: 2 ** 26, times: 4096 } as const;

/** Fraction of the progress for the first pass. */
const MEASURING_SHARE = 0.4;

/** Reads the file twice: for the number of rows and the largest index, then for the values. */
async function readMatrix(file: DataFile, allocator: Allocator, options: CsvOptions): Promise<MatrixContent> {
  const { path } = file;
  const { rows, features, base } = await measure(file, options);
  const matrix = allocateFor(path, () => allocator.matrix(rows, features));
  try {
    matrix.data.fill(0);
    const labels = options.skipLabels ? undefined : new ClassLabels(path, rows, options);
    let row = 0;
    const source = file.content(part(options, MEASURING_SHARE, 1));
    await readTexts(source, (text, line) => {
      const written = rowOf(text);
      if (written === '') return;
      if (row === rows) throw changedError(path);
      const { label, features: cells } = splitRow(written);
      labels?.add(labelOf(label, { path, line, row }), line);
      fillRow(matrix, cells, base, { path, line, row }, options);
      row++;
    });
    if (row < rows) throw changedError(path);
    return { matrix, elementType: 'float32', ...labels?.finish() };
  } catch (error) {
    matrix.free();
    throw error;
  }
}

async function readLabels(file: DataFile, options: CsvOptions): Promise<LabelContent> {
  const { path } = file;
  const rows = await countRows(file, options);
  const labels = new ClassLabels(path, rows, options);
  await readTexts(file.content(part(options, MEASURING_SHARE, 1)), (text, line) => {
    const written = rowOf(text);
    if (written === '') return;
    const row = labels.count;
    if (row === rows) throw changedError(path);
    labels.add(labelOf(splitRow(written).label, { path, line, row }), line);
  });
  return labels.finish();
}

async function countRows(file: DataFile, options: CsvOptions): Promise<number> {
  let rows = 0;
  await readTexts(file.content(part(options, 0, MEASURING_SHARE)), (text) => {
    if (rowOf(text) !== '') rows++;
  });
  if (rows === 0) throw noRows(file.path);
  return rows;
}

const noRows = (path: string) =>
  formatError(path, 'expected rows of features, found none', 'Name a file with at least one row.');

function labelOf(label: string, place: Place): string {
  if (label === '') {
    throw wrongCell(place, 'a label before the features', '', 'Write rows as "label 1:0.5 7:-2".');
  }
  if (label.includes(',')) {
    throw wrongCell(
      place,
      'one label',
      label,
      'A row has one class: write it once for each label, or choose one.',
    );
  }
  return label;
}

/** Indices must increase, as in scikit-learn; values are looked at later. */
async function measure(file: DataFile, options: CsvOptions): Promise<Extent> {
  const { path } = file;
  const most = options.features ?? MAX_FEATURES;
  const found = { rows: 0, lowest: Number.POSITIVE_INFINITY, highest: -1, highestLine: 0 };
  /** What scikit-learn says in a comment. */
  let stated: number | undefined;
  const source = file.content(part(options, 0, MEASURING_SHARE));
  await readTexts(source, (text, line) => {
    const written = rowOf(text);
    if (written === '') {
      const [, base] = /^# Column indices are (zero|one)-based/.exec(text) ?? [];
      if (base) stated = base === 'zero' ? 0 : 1;
      return;
    }
    const place = { path, line, row: found.rows };
    let last = -1;
    for (const cell of splitRow(written).features) {
      const index = Number(cell.slice(0, indexEnd(cell, place)));
      if (index <= last) {
        throw wrongCell(
          place,
          `a feature index above ${last}`,
          cell,
          'Write each feature once, by increasing index.',
        );
      }
      if (index > most) throw tooHigh(place, cell, options);
      last = index;
      if (index > found.highest) Object.assign(found, { highest: index, highestLine: line });
      if (index < found.lowest) found.lowest = index;
    }
    found.rows++;
  });
  if (found.rows === 0) throw noRows(path);
  const base = found.lowest === 0 ? 0 : (stated ?? 1);
  const needed = found.highest + 1 - base;
  const features = options.features ?? Math.max(0, needed);
  const place = { path, line: found.highestLine, row: 0 };
  if (needed > features) throw tooHigh(place, `${found.highest}`, options);
  if (features === 0)
    throw formatError(path, 'expected features, found none in any row', 'Give rows features.');
  expectDense(place, { rows: found.rows, features, base }, source.offset);
  return { rows: found.rows, features, base };
}

function tooHigh(place: Place, cell: string, { features }: CsvOptions) {
  const expected =
    features === undefined
      ? `at most ${MAX_FEATURES} features`
      : `the ${features} features that are known, counted from 0 or 1 as the lowest index shows`;
  return wrongCell(place, expected, cell, 'Correct the index, or leave features out that no model knows.');
}

function expectDense({ path, line }: Place, { rows, features }: Extent, contentBytes: number): void {
  const bytes = rows * features * 4;
  if (bytes <= DENSE.bytes || bytes <= DENSE.times * contentBytes) return;
  throw formatError(
    path,
    `line ${line}: expected features of which a row has more than a few, found an index that makes ${rows} rows of ${features} features, ${bytes} bytes with their zeros`,
    'Rows are held with their zeros: correct the index, or keep fewer features (sklearn.feature_selection, TruncatedSVD).',
    { value: features },
  );
}

function fillRow(
  matrix: Matrix,
  cells: readonly string[],
  base: number,
  place: Place,
  { missingCells }: CsvOptions,
): void {
  const begin = place.row * matrix.dims[1] - base;
  for (const cell of cells) {
    const colon = indexEnd(cell, place);
    const text = cell.slice(colon + 1);
    const value = Math.fround(Number(text));
    const isNumber = isNumberText(text) && Number.isFinite(value);
    if (!isNumber && !(missingCells === 'nan' && isMissingAmongNumbers(text)))
      throw badValue(place, cell, text);
    matrix.data[begin + Number(cell.slice(0, colon))] = isNumber ? value : Number.NaN;
  }
}

function badValue(place: Place, cell: string, text: string) {
  if (isNumberText(text)) {
    return wrongCell(
      place,
      "a number within float32's range",
      cell,
      'Scale the values before they are written.',
    );
  }
  const asNan = isMissingAmongNumbers(text) ? " missingCells: 'nan' reads it as NaN." : '';
  return wrongCell(
    place,
    'index:value with a number',
    cell,
    `Write numbers such as 1, -2.5 or 3e-4.${asNan}`,
  );
}

/** Latin-1: only comments have other bytes than ASCII. */
const readTexts = (source: ByteSource, onLine: (text: string, line: number) => void): Promise<void> =>
  readLines(source, (bytes, line) => onLine(bytes.toString('latin1'), line));

const part = ({ onProgress }: CsvOptions, from: number, to: number) =>
  onProgress ? (fraction: number) => onProgress(from + fraction * (to - from)) : undefined;

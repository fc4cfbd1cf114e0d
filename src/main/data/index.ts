// Reads features and labels from whatever format a file turns out to have.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { checkedDims, dataOf, dimsOf, isArrayOf, product, typeOf } from '../memory/arrays.js';
import type { Allocator } from '../memory/tensor.js';
import { type DataFile, type ReadOptions, withDataFile } from './data-file.js';
import { listDataFiles } from './file-list.js';
import { expectOneFormat, readLabelsOfFiles, readRowsOfFiles } from './file-set.js';
import type { FeatureMatrix, FileFormat, FormatName, LabelContent, MatrixContent } from './format.js';
import { type CsvOptions, checkAllocator, checkCsvOptions, READ_OPTIONS } from './read-options.js';
import { checkTaken, formatOf } from './registry.js';

export type { NpyFile } from './array-on-disk.js';
export type { ByteSource } from './byte-source.js';
export { matchLabels } from './class-labels.js';
export { type CsvTable, readCsv } from './csv/csv.js';
export {
  type CsvCell,
  type CsvTextOptions,
  type CsvWriteOptions,
  csvBlocks,
  formatCsvRecord,
  writeCsv,
} from './csv/csv-writer.js';
export type { DataFile, ReadOptions } from './data-file.js';
export type { DenseMatrix } from './dense.js';
export type { StoredType, StoredView } from './elements.js';
export { listDataFiles } from './file-list.js';
export type {
  ArrayContent,
  ChosenArrays,
  FeatureMatrix,
  FileFormat,
  FormatName,
  LabelContent,
  MatrixContent,
  StoredRows,
  TableRecords,
} from './format.js';
export { type FilesHash, hashFiles } from './hash-files.js';
export { readIdxLabels, readIdxMatrix } from './idx/idx.js';
export { readNpyLabels, readNpyMatrix } from './npy/npy.js';
export { type OpenNpyOptions, openNpy } from './npy/npy-file.js';
export {
  createNpyWriter,
  type NpyArray,
  type NpyContent,
  type NpyWriter,
  type NpyWriterOptions,
  writeNpy,
} from './npy/npy-writer.js';
export { type OpenFeatures, type OpenFeaturesOptions, openFeatures } from './open-features.js';
export type { ColumnKey, CsvOptions } from './read-options.js';
export { fileFormats, registerFileFormat } from './registry.js';
export type { ColumnType, Table, TableCell, TableColumn, TableFormat } from './writing/table.js';
export {
  shortestFloat,
  type TableWriteOptions,
  tableBlocks,
  tableFormatOf,
  writeTable,
} from './writing/write-table.js';

interface Detected {
  readonly format: FormatName;
}

/** Members depend on the format: CSV may bring labels and names, IDX and .npy bring their element type. */
export interface MatrixFile extends Detected, MatrixContent {}

/** As MatrixFile, but the matrix holds bytes if the file does. */
export interface FeatureFile extends Detected, MatrixContent<FeatureMatrix> {}

/** Text labels come with class names; the integers of IDX and .npy are class indices. */
export interface LabelFile extends Detected, LabelContent {}

/**
 * Reads any of the formats, compressed by gzip or zstd or not: a file, or the files of a folder or pattern as one
 * (listDataFiles). An option that is not for the file's format is ERR_OPTION.
 */
export const readMatrix = (
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<MatrixFile> =>
  readRows(allocator, path, options, async (format, file, allocator, options) =>
    checkRows(format, 'readMatrix', await format.readMatrix(file, allocator, options)),
  );

/**
 * As readMatrix, but bytes stay bytes, which takes a quarter of the memory. A classifier reads them as they are and applies
 * its featureScaling.
 */
export const readFeatures = (
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<FeatureFile> =>
  readRows<FeatureMatrix>(allocator, path, options, async (format, file, allocator, options) =>
    format.readFeatures
      ? checkRows(format, 'readFeatures', await format.readFeatures(file, allocator, options))
      : checkRows(format, 'readMatrix', await format.readMatrix(file, allocator, options)),
  );

/** Reads the label file of any of these formats, a CSV file's label column, or text with one label a line. */
export async function readLabels(path: string, options: CsvOptions = {}): Promise<LabelFile> {
  checkCsvOptions(options, READ_OPTIONS);
  const files = await listDataFiles(path);
  const readOne = (file: string, own: ReadOptions) =>
    readAny(file, { ...options, ...own }, async (format, open, all) =>
      checkLabels(format, await format.readLabels(open, all)),
    );
  if (files.length === 1) return readOne(files[0]!, options);
  await expectOneFormat(files, formatOfFile);
  return readLabelsOfFiles(path, files, options, readOne);
}

async function readRows<Rows extends FeatureMatrix>(
  allocator: Allocator,
  path: string,
  options: CsvOptions,
  read: (
    format: FileFormat,
    file: DataFile,
    allocator: Allocator,
    options: CsvOptions,
  ) => Promise<MatrixContent<Rows>>,
): Promise<Detected & MatrixContent<Rows>> {
  checkAllocator(allocator);
  checkCsvOptions(options, READ_OPTIONS);
  const files = await listDataFiles(path);
  const readOne = (file: string, into: Allocator, own: ReadOptions) =>
    readAny(file, { ...options, ...own }, (format, open, all) => read(format, open, into, all));
  if (files.length === 1) return readOne(files[0]!, allocator, options);
  await expectOneFormat(files, formatOfFile);
  return readRowsOfFiles(path, files, { allocator, options }, readOne);
}

const readAny = <Content>(
  path: string,
  options: CsvOptions,
  read: (format: FileFormat, file: DataFile, options: CsvOptions) => Promise<Content>,
): Promise<Detected & Content> =>
  withDataFile(path, options, async (file) => {
    const format = await formatOf(file);
    checkTaken(format, path, options);
    return { format: format.name, ...(await read(format, file, options)) };
  });

function checkRows<Rows extends FeatureMatrix>(
  format: FileFormat,
  reader: 'readMatrix' | 'readFeatures',
  content: MatrixContent<Rows>,
): MatrixContent<Rows> {
  const given: Partial<MatrixContent<Rows>> | null | undefined = content;
  const matrix = given?.matrix;
  const dims = checkedDims(dimsOf(matrix));
  const data = dataOf(matrix);
  const type = reader === 'readFeatures' && typeOf(matrix) === 'uint8' ? 'uint8' : 'float32';
  if (
    typeof matrix?.free !== 'function' ||
    typeOf(matrix) !== type ||
    !isArrayOf(type, data) ||
    dims?.length !== 2 ||
    product(dims) !== data.length
  ) {
    throw contentError(format, reader, content, '{ matrix }, which allocator.matrix(rows, features) gives');
  }
  const targets = given?.targets;
  if (targets === undefined || (isArrayOf('int32', targets) && targets.length === dims[0])) return content;
  matrix.free();
  throw contentError(format, reader, content, `targets as an Int32Array of ${dims[0]} entries, or none`);
}

function checkLabels(format: FileFormat, content: LabelContent): LabelContent {
  const given: Partial<LabelContent> | null | undefined = content;
  const names = given?.classNames;
  if (isArrayOf('int32', given?.targets) && (names === undefined || Array.isArray(names))) return content;
  throw contentError(format, 'readLabels', content, '{ targets: Int32Array, classNames?: string[] }');
}

function contentError(format: FileFormat, reader: string, value: unknown, expected: string): SoftshardError {
  const message = `${reader} of the format ${inspectValue(format.name)} gives ${inspectValue(value)}: it must give ${expected}`;
  return new SoftshardError('ERR_TYPE', message, { argument: `format.${reader}`, value });
}

/** The name of the format, recognised by how the content begins: what is text is CSV. Of several files, the first counts. */
export async function detectFormat(path: string): Promise<FormatName> {
  const [first] = await listDataFiles(path);
  return formatOfFile(first!);
}

const formatOfFile = (path: string): Promise<FormatName> =>
  withDataFile(path, {}, async (file) => (await formatOf(file)).name);

/** Throws ERR_FILE where there is no regular file, or are no regular files, that can be read. To be asked before long work. */
export async function checkInput(path: string): Promise<void> {
  for (const file of await listDataFiles(path)) await withDataFile(file, {}, async () => {});
}

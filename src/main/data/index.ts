// Reads features and labels from whatever format a file turns out to have.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { checkedDims, dataOf, dimsOf, isArrayOf, product, typeOf } from '../memory/arrays.js';
import type { Allocator } from '../memory/tensor.js';
import { type DataFile, withDataFile } from './data-file.js';
import type { FeatureMatrix, FileFormat, FormatName, LabelContent, MatrixContent } from './format.js';
import { type CsvOptions, checkAllocator, checkCsvOptions } from './read-options.js';
import { checkTaken, formatOf } from './registry.js';

export type { ByteSource } from './byte-source.js';
export { matchLabels } from './class-labels.js';
export { type CsvTable, readCsv } from './csv/csv.js';
export { type CsvCell, csvBlocks, formatCsvRecord, writeCsv } from './csv/csv-writer.js';
export { checkInput, type DataFile, type ReadOptions } from './data-file.js';
export type { DenseMatrix } from './dense.js';
export type { StoredType, StoredView } from './elements.js';
export type {
  ArrayContent,
  FeatureMatrix,
  FileFormat,
  FormatName,
  LabelContent,
  MatrixContent,
  StoredRows,
  TableRecords,
} from './format.js';
export { readIdxLabels, readIdxMatrix } from './idx/idx.js';
export { readNpyLabels, readNpyMatrix } from './npy/npy.js';
export { type NpyFile, type OpenNpyOptions, openNpy } from './npy/npy-file.js';
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

interface Detected {
  readonly format: FormatName;
}

/** Members depend on the format: CSV may bring labels and names, IDX and .npy bring their element type. */
export interface MatrixFile extends Detected, MatrixContent {}

/** As MatrixFile, but the matrix holds bytes if the file does. */
export interface FeatureFile extends Detected, MatrixContent<FeatureMatrix> {}

/** Text labels come with class names; the integers of IDX and .npy are class indices. */
export interface LabelFile extends Detected, LabelContent {}

/** Reads any of the formats, compressed by gzip or not. An option that is not for the file's format is ERR_OPTION. */
export async function readMatrix(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<MatrixFile> {
  checkAllocator(allocator);
  return readAny(path, options, async (format, file) =>
    checkRows(format, 'readMatrix', await format.readMatrix(file, allocator, options)),
  );
}

/**
 * As readMatrix, but bytes stay bytes, which takes a quarter of the memory. A classifier reads them as they are and applies
 * its featureScaling.
 */
export async function readFeatures(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<FeatureFile> {
  checkAllocator(allocator);
  return readAny<MatrixContent<FeatureMatrix>>(path, options, async (format, file) =>
    format.readFeatures
      ? checkRows(format, 'readFeatures', await format.readFeatures(file, allocator, options))
      : checkRows(format, 'readMatrix', await format.readMatrix(file, allocator, options)),
  );
}

/** Reads the label file of any of these formats, a CSV file's label column, or text with one label a line. */
export async function readLabels(path: string, options: CsvOptions = {}): Promise<LabelFile> {
  return readAny(path, options, async (format, file) =>
    checkLabels(format, await format.readLabels(file, options)),
  );
}

async function readAny<Content>(
  path: string,
  options: CsvOptions,
  read: (format: FileFormat, file: DataFile) => Promise<Content>,
): Promise<Detected & Content> {
  checkCsvOptions(options);
  return withDataFile(path, options, async (file) => {
    const format = await formatOf(file);
    checkTaken(format, path, options);
    return { format: format.name, ...(await read(format, file)) };
  });
}

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

/** The name of the format, recognised by how the content begins: what is text is CSV. */
export const detectFormat = (path: string): Promise<FormatName> =>
  withDataFile(path, {}, async (file) => (await formatOf(file)).name);

// Reads features and labels from whatever format a file turns out to have.

import type { Allocator } from '../memory/tensor.js';
import { type DataFile, withDataFile } from './data-file.js';
import type { FeatureMatrix, FileFormat, FormatName, LabelContent, MatrixContent } from './format.js';
import { type CsvOptions, checkAllocator, checkCsvOptions } from './read-options.js';
import { formatOf } from './registry.js';

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

/** Reads any of the formats, compressed by gzip or not. A format ignores options that do not apply to it. */
export async function readMatrix(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<MatrixFile> {
  checkAllocator(allocator);
  return readAny(path, options, (format, file) => format.readMatrix(file, allocator, options));
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
  return readAny<MatrixContent<FeatureMatrix>>(path, options, (format, file) =>
    format.readFeatures
      ? format.readFeatures(file, allocator, options)
      : format.readMatrix(file, allocator, options),
  );
}

/** Reads the label file of any of these formats, a CSV file's label column, or text with one label a line. */
export async function readLabels(path: string, options: CsvOptions = {}): Promise<LabelFile> {
  return readAny(path, options, (format, file) => format.readLabels(file, options));
}

async function readAny<Content>(
  path: string,
  options: CsvOptions,
  read: (format: FileFormat, file: DataFile) => Promise<Content>,
): Promise<Detected & Content> {
  checkCsvOptions(options);
  return withDataFile(path, options, async (file) => {
    const format = await formatOf(file);
    return { format: format.name, ...(await read(format, file)) };
  });
}

/** The name of the format, recognised by how the content begins: what is text is CSV. */
export const detectFormat = (path: string): Promise<FormatName> =>
  withDataFile(path, {}, async (file) => (await formatOf(file)).name);

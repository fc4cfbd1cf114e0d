// Reads features and labels from whatever format a file turns out to have.

import type { Allocator } from '../tensor.js';
import { formatError, withByteSource } from './byte-source.js';
import { type CsvOptions, type CsvTable, checkCsvOptions, readCsv, readTextLabels } from './csv.js';
import type { DenseMatrix, FeatureMatrix } from './dense.js';
import { isIdx, readIdxFeatures, readIdxLabels, readIdxMatrix } from './idx.js';
import { readNpyFeatures, readNpyLabels, readNpyMatrix } from './npy.js';
import { isNpy } from './npy-header.js';
import { checkAllocator, readOptionsOf } from './read-arguments.js';

export type { ReadOptions } from './byte-source.js';
export { type CsvOptions, type CsvTable, readCsv } from './csv.js';
export type { ColumnKey } from './csv-columns.js';
export { type CsvCell, csvBlocks, formatCsvRecord, writeCsv } from './csv-writer.js';
export type { DenseMatrix, FeatureMatrix } from './dense.js';
export type { StoredType, StoredView } from './elements.js';
export { readIdxLabels, readIdxMatrix } from './idx.js';
export { type NpyArray, type NpyContent, readNpyLabels, readNpyMatrix, writeNpy } from './npy.js';
export { type NpyFile, type OpenNpyOptions, openNpy } from './npy-file.js';
export { createNpyWriter, type NpyWriter, type NpyWriterOptions } from './npy-writer.js';

export type FileFormat = 'idx' | 'npy' | 'csv';

/** The members that a format has: a CSV file may bring labels and names, IDX and .npy their element type. */
export type MatrixFile = { readonly format: FileFormat } & CsvTable &
  Partial<Pick<DenseMatrix, 'elementType' | 'featureDims'>>;

/** As MatrixFile, but its matrix holds bytes where the file does. */
export interface FeatureFile extends Omit<MatrixFile, 'matrix'> {
  readonly matrix: FeatureMatrix;
}

export interface LabelFile {
  readonly format: FileFormat;
  readonly targets: Int32Array;
  /**
   * Only for text, whose labels are names: class c is called classNames[c]. The integers of IDX and .npy are class
   * indices already.
   */
  readonly classNames?: string[];
}

/** Reads IDX, .npy or CSV, compressed by gzip or not. The options on columns and delimiters are for CSV. */
export async function readMatrix(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<MatrixFile> {
  checkAllocator(allocator);
  checkCsvOptions(options);
  const format = await detectFormat(path);
  if (format === 'idx') return { format, ...(await readIdxMatrix(allocator, path, readOptionsOf(options))) };
  if (format === 'npy') return { format, ...(await readNpyMatrix(allocator, path, readOptionsOf(options))) };
  return { format, ...(await readCsv(allocator, path, options)) };
}

/**
 * As readMatrix, but bytes stay bytes: a quarter of the memory. A classifier takes them as they are and scales them by its
 * featureScaling.
 */
export async function readFeatures(
  allocator: Allocator,
  path: string,
  options: CsvOptions = {},
): Promise<FeatureFile> {
  checkAllocator(allocator);
  checkCsvOptions(options);
  const format = await detectFormat(path);
  if (format === 'idx')
    return { format, ...(await readIdxFeatures(allocator, path, readOptionsOf(options))) };
  if (format === 'npy')
    return { format, ...(await readNpyFeatures(allocator, path, readOptionsOf(options))) };
  return { format, ...(await readCsv(allocator, path, options)) };
}

/** Reads the label file of any of these formats, a CSV file's label column, or text with one label a line. */
export async function readLabels(path: string, options: CsvOptions = {}): Promise<LabelFile> {
  checkCsvOptions(options);
  const format = await detectFormat(path);
  if (format === 'idx') return { format, targets: await readIdxLabels(path, readOptionsOf(options)) };
  if (format === 'npy') return { format, targets: await readNpyLabels(path, readOptionsOf(options)) };
  return { format, ...(await readTextLabels(path, options)) };
}

/** Tells the format by how the content begins: CSV is what is text. */
export async function detectFormat(path: string): Promise<FileFormat> {
  return withByteSource(path, {}, async (source) => {
    const buffer = new Uint8Array(4096);
    const head = buffer.subarray(0, await source.read(buffer));
    if (isNpy(head)) return 'npy';
    if (isIdx(head)) return 'idx';
    if (head.length > 0 && !head.includes(0) && !isUtf16(head)) return 'csv';
    throw formatError(
      path,
      `expected an IDX, .npy or CSV file, found ${head.length === 0 ? 'an empty file' : `the bytes ${hex(head)}`}`,
      remedyFor(head),
    );
  });
}

const isUtf16 = (head: Uint8Array): boolean =>
  (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);

const hex = (head: Uint8Array): string =>
  [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

function remedyFor(head: Uint8Array): string {
  if (isUtf16(head)) return 'Save the text as UTF-8.';
  if (head[0] === 0x50 && head[1] === 0x4b) {
    return 'This is a zip archive: for .npz, save the array by itself with numpy.save; else unpack it.';
  }
  return 'Convert it to one of these.';
}

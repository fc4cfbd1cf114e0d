// Reads features and labels from whatever format a file turns out to have.

import type { Allocator } from '../memory/tensor.js';
import { withByteSource } from './byte-source.js';
import {
  type CsvOptions,
  type CsvTable,
  checkCsvOptions,
  readCsv,
  readTextLabels,
  type TextLabels,
} from './csv/csv.js';
import type { DenseMatrix, FeatureMatrix } from './dense.js';
import { expectCsv, HEAD_BYTES, unknownBytes } from './foreign-files.js';
import { isIdx, readIdxFeatures, readIdxLabels, readIdxMatrix } from './idx/idx.js';
import { readNpyFeatures, readNpyLabels, readNpyMatrix } from './npy/npy.js';
import { isNpy } from './npy/npy-header.js';
import { checkAllocator, readOptionsOf } from './read-arguments.js';

export type { ReadOptions } from './byte-source.js';
export { type CsvOptions, type CsvTable, readCsv } from './csv/csv.js';
export type { ColumnKey } from './csv/csv-columns.js';
export { type CsvCell, csvBlocks, formatCsvRecord, writeCsv } from './csv/csv-writer.js';
export type { DenseMatrix, FeatureMatrix } from './dense.js';
export type { StoredType, StoredView } from './elements.js';
export { readIdxLabels, readIdxMatrix } from './idx/idx.js';
export { matchLabels } from './label-matching.js';
export { type NpyArray, type NpyContent, readNpyLabels, readNpyMatrix, writeNpy } from './npy/npy.js';
export { type NpyFile, type OpenNpyOptions, openNpy } from './npy/npy-file.js';
export { createNpyWriter, type NpyWriter, type NpyWriterOptions } from './npy/npy-writer.js';

export type FileFormat = 'idx' | 'npy' | 'csv';

/** The members that a format has: a CSV file may bring labels and names, IDX and .npy their element type. */
export type MatrixFile = { readonly format: FileFormat } & Pick<CsvTable, 'matrix'> &
  Partial<Omit<CsvTable, 'matrix'>> &
  Partial<Pick<DenseMatrix, 'elementType' | 'featureDims'>>;

/** As MatrixFile, but its matrix holds bytes where the file does. */
export interface FeatureFile extends Omit<MatrixFile, 'matrix'> {
  readonly matrix: FeatureMatrix;
}

/** Names and header are for text, whose labels are names; the integers of IDX and .npy are class indices already. */
export interface LabelFile extends Partial<TextLabels> {
  readonly format: FileFormat;
  readonly targets: Int32Array;
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
    const buffer = new Uint8Array(HEAD_BYTES);
    const head = buffer.subarray(0, await source.read(buffer));
    if (isNpy(head)) return 'npy';
    if (isIdx(head)) return 'idx';
    if (head.length === 0) throw unknownBytes(path, head, ANY_FORMAT);
    expectCsv(path, head, ANY_FORMAT);
    return 'csv';
  });
}

const ANY_FORMAT = 'an IDX, .npy or CSV file';

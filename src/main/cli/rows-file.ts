// Rows of a file: in memory, or on disk where they are too many.

import { stat } from 'node:fs/promises';
import { type Files, openFeatures, readLabels, SoftshardError, type Training } from '../index.js';
import { given } from './command-options.js';
import { bytes } from './output.js';
import type { Session } from './session.js';

/** Bytes as stored, all other numbers as float32. */
export type FileRows = Files.FeatureMatrix | Files.OpenFeatures;

export type RowsFile = Omit<Files.FeatureFile, 'matrix'> & { readonly matrix: FileRows };

/** The file, if its rows are too many for memory and can be read one by one; it is closed with the session. */
export async function openLarge(
  { engine, progress, signal, mostRowBytes, openFiles }: Session,
  path: string,
  { name: format, locateRows, bringsLabels = false }: Files.FileFormat,
  options: Files.CsvOptions,
): Promise<RowsFile | undefined> {
  // What is stored is at least a quarter of what it takes in memory.
  const file = await stat(path).catch(() => undefined);
  const isLarge = file?.isFile() && file.size * Float32Array.BYTES_PER_ELEMENT > mostRowBytes;
  if (locateRows === undefined || !isLarge) return undefined;
  const { featureColumns, labelColumn, skipLabels } = options;
  const matrix = await openRows(path, { signal, ...given({ featureColumns, labelColumn, skipLabels }) });
  if (matrix === undefined) return undefined;
  openFiles.push(matrix);
  const size = matrix.rows * matrix.features * (matrix.type === 'uint8' ? 1 : Float32Array.BYTES_PER_ELEMENT);
  if (size <= mostRowBytes) return undefined;
  if (engine.ranks === 1)
    progress.note(
      `${path}: its rows stay on disk, since they would take ${bytes(size)} of memory (--memory)`,
    );
  const { arrays } = matrix;
  const isAsked = !skipLabels && (bringsLabels || labelColumn !== undefined);
  const hasLabels = arrays ? arrays.labels !== undefined : isAsked;
  const named = given({ labelColumn: arrays?.labels });
  const labels = hasLabels ? await readLabels(path, { ...options, ...named, signal }) : {};
  return { ...labels, format, matrix, ...(arrays && { arrays }) };
}

/** Undefined for a compressed file, or one in another order. */
async function openRows(
  path: string,
  options: Files.OpenFeaturesOptions,
): Promise<Files.OpenFeatures | undefined> {
  try {
    return await openFeatures(path, options);
  } catch (error) {
    if (error instanceof SoftshardError && error.code === 'ERR_FORMAT') return undefined;
    throw error;
  }
}

/** Rows [begin, end). */
export function windowOf(rows: FileRows, begin: number, end: number): Training.FeatureRows {
  const [, features] = rows.dims;
  if ('data' in rows) return rows.data.subarray(begin * features, end * features);
  return {
    rows: end - begin,
    features,
    type: rows.type,
    gather: (rowNumbers, into) =>
      rows.gather(
        rowNumbers.map((row) => begin + row),
        into,
      ),
  };
}

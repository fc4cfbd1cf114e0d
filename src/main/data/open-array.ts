// Parts of an array larger than memory: of a .npy file, or the array of an .npz or safetensors file that holds one.

import { listed, quoted } from '../../printable.js';
import { ArrayOnDisk, type NpyFile } from './array-on-disk.js';
import { keepDataFile, type OpenFile } from './data-file.js';
import { formatError } from './errors.js';
import type { FileFormat, StoredRows } from './format.js';
import { npyArrayOf, type OpenNpyOptions } from './npy/npy-file.js';
import { formatOf } from './registry.js';

/** As openNpy, whose errors it has for files of other formats. */
export const openArray = (path: string, options: OpenNpyOptions): Promise<NpyFile> =>
  keepDataFile(path, options, async (file) => {
    const stored = await locate(file);
    return stored
      ? new ArrayOnDisk(file, { ...stored, columnMajor: false }, stored.offset)
      : npyArrayOf(file);
  });

/** Undefined for .npy, which may have another order, and for what openNpy refuses. */
async function locate(file: OpenFile): Promise<StoredRows | undefined> {
  const format = file.compression === undefined ? await formatOf(file).catch(() => undefined) : undefined;
  const hasArrays = format?.name === 'npz' || format?.name === 'safetensors';
  return hasArrays ? onlyArray(file, format) : undefined;
}

const REMEDY = "Save the array by itself: numpy.save('x.npy', array).";

/** Of several, any choice would be a guess: logits would pass for soft targets, say. */
async function onlyArray(file: OpenFile, { locateRows }: FileFormat): Promise<StoredRows> {
  const stored = await locateRows?.(file, {});
  if (stored === undefined) {
    const finding = 'expected an array that can be read in parts, found it compressed or in Fortran order';
    throw formatError(file.path, finding, REMEDY);
  }
  const { features = [], labels, others = [] } = stored.arrays ?? {};
  const names = [...features.map(quoted), ...(labels === undefined ? [] : [quoted(labels)]), ...others];
  if (names.length > 1) throw formatError(file.path, `expected one array, found ${listed(names)}`, REMEDY);
  return stored;
}

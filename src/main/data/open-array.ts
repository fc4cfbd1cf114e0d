// Parts of an array larger than memory: of a .npy file, or the array of an .npz or safetensors file that holds one.

import { OpenFile, withDataFile } from './data-file.js';
import type { StoredRows } from './format.js';
import { type NpyFile, OpenedNpy, type OpenNpyOptions, openNpy } from './npy/npy-file.js';
import { formatOf } from './registry.js';

/** As openNpy, whose errors it has for files of other formats. Of several arrays it takes that of features (readFeatures). */
export async function openArray(path: string, options: OpenNpyOptions = {}): Promise<NpyFile> {
  const found = await locate(path, options);
  if (found === undefined) return openNpy(path, options);
  const file = await OpenFile.open(path, options);
  return new OpenedNpy(file, { ...found, columnMajor: false }, found.offset);
}

/** Undefined for .npy, which may have another order, and for what openNpy refuses. */
const locate = (path: string, options: OpenNpyOptions): Promise<StoredRows | undefined> =>
  withDataFile(path, options, async (file) => {
    const format = file.compression === undefined ? await formatOf(file).catch(() => undefined) : undefined;
    const hasArrays = format?.name === 'npz' || format?.name === 'safetensors';
    return hasArrays ? format.locateRows?.(file, {}) : undefined;
  });

// Reads parts of a .npy file larger than memory, in their own element type.

import { checkOptionNames } from '../../checks.js';
import { ArrayOnDisk, type NpyFile } from '../array-on-disk.js';
import { keepDataFile, type OpenFile } from '../data-file.js';
import { expectValues, numbersOf } from '../dense-layout.js';
import { readNpyHeader } from './npy-header.js';

export interface OpenNpyOptions {
  /** Aborting rejects running reads with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Checks the header against the file's length; the file stays open until close(). */
export async function openNpy(path: string, options: OpenNpyOptions = {}): Promise<NpyFile> {
  checkOptionNames('options', options, ['signal']);
  return keepDataFile(path, options, npyArrayOf);
}

/** The array of a .npy file, which is closed with it. */
export async function npyArrayOf(file: OpenFile): Promise<NpyFile> {
  // Refuses a compressed file.
  await file.read(new Uint8Array(1), 0);
  const source = file.content();
  const layout = numbersOf(file.path, await readNpyHeader(source));
  expectValues(source, layout);
  return new ArrayOnDisk(file, layout, source.offset);
}

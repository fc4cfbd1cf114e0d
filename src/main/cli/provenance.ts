// What a model keeps of the files that it comes from.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { messageOf } from '../../errors.js';
import { listDataFiles, SoftshardError, type Training } from '../index.js';
import { shownPath } from './shown-paths.js';

/** The files of rows and labels that a command is given. */
interface RowFiles {
  readonly data: string;
  readonly labels?: string | undefined;
  readonly validationData?: string | undefined;
  readonly validationLabels?: string | undefined;
  readonly testData?: string | undefined;
  readonly testLabels?: string | undefined;
  readonly sampleWeight?: string | undefined;
}

interface FileFacts {
  readonly [key: string]: Training.Json;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

const CHUNK_BYTES = 1 << 20;

/** Name, size and SHA-256 of files, by what they hold; those that are not given are left out. */
export async function fileFacts(
  { data, labels, validationData, validationLabels, testData, testLabels, sampleWeight }: RowFiles,
  signal: AbortSignal,
): Promise<Record<string, FileFacts>> {
  const facts: Record<string, FileFacts> = {};
  const heldOut = { validationRows: validationData, validationLabels, testRows: testData, testLabels };
  const files = { rows: data, labels, ...heldOut, sampleWeight };
  for (const [name, path] of Object.entries(files)) {
    if (path !== undefined)
      facts[name] = { file: basename(shownPath(path)), ...(await digestOf(path, signal)) };
  }
  return facts;
}

/** Of a file as it is, compressed or not; of a folder or pattern, of all its files one after the other. */
export async function digestOf(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly files?: number; readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  const files = await listDataFiles(path);
  let bytes = 0;
  for (const file of files) {
    try {
      for await (const chunk of createReadStream(file, { signal, highWaterMark: CHUNK_BYTES })) {
        hash.update(chunk);
        bytes += chunk.length;
      }
    } catch (cause) {
      signal.throwIfAborted();
      const message = `${file}: cannot be read: ${messageOf(cause)}`;
      throw new SoftshardError('ERR_FILE', message, { value: file, cause });
    }
  }
  return { ...(files.length > 1 && { files: files.length }), bytes, sha256: hash.digest('hex') };
}

/** Figures that a model file can hold. */
export const finiteOnly = (figures: Readonly<Record<string, number | boolean | undefined>>) =>
  Object.fromEntries(
    Object.entries(figures).filter(([, value]) => typeof value === 'boolean' || Number.isFinite(value)),
  ) as Record<string, number | boolean>;

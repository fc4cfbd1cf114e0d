// What a model keeps of the files that it comes from.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { messageOf } from '../../errors.js';
import { SoftshardError, type Training } from '../index.js';

/** The files of rows and labels that a command is given. */
interface RowFiles {
  readonly data: string;
  readonly labels?: string | undefined;
  readonly validationData?: string | undefined;
  readonly validationLabels?: string | undefined;
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
  { data, labels, validationData, validationLabels, sampleWeight }: RowFiles,
  signal: AbortSignal,
): Promise<Record<string, FileFacts>> {
  const facts: Record<string, FileFacts> = {};
  const files = { rows: data, labels, validationRows: validationData, validationLabels, sampleWeight };
  for (const [name, path] of Object.entries(files)) {
    if (path !== undefined) facts[name] = { file: basename(path), ...(await digestOf(path, signal)) };
  }
  return facts;
}

/** Of a file as it is, compressed or not. */
export async function digestOf(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { signal, highWaterMark: CHUNK_BYTES })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new SoftshardError('ERR_FILE', `${path}: cannot be read: ${messageOf(cause)}`, {
      value: path,
      cause,
    });
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Figures that a model file can hold. */
export const finiteOnly = (figures: Readonly<Record<string, number | boolean | undefined>>) =>
  Object.fromEntries(
    Object.entries(figures).filter(([, value]) => typeof value === 'boolean' || Number.isFinite(value)),
  ) as Record<string, number | boolean>;

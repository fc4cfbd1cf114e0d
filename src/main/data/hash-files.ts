// What tells whether data files are the same as before: size and SHA-256.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { checkOptionNames, checkSignal } from '../checks.js';
import { readError } from './errors.js';
import { listDataFiles } from './file-list.js';

export interface FilesHash {
  /** Of a folder or pattern: how many there are. */
  readonly files?: number;
  readonly bytes: number;
  /** Of a file as it is, compressed or not; of a folder or pattern, of all its files one after the other. */
  readonly sha256: string;
}

const CHUNK_BYTES = 1 << 20;

/** Throws ERR_FILE; rejects with signal.reason when aborted. */
export async function hashFiles(
  path: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<FilesHash> {
  checkOptionNames('options', options, ['signal']);
  const signal = checkSignal('options.signal', options.signal);
  const hash = createHash('sha256');
  const files = await listDataFiles(path);
  let bytes = 0;
  for (const file of files) {
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
        if (signal?.aborted) break;
        hash.update(chunk);
        bytes += chunk.length;
      }
    } catch (cause) {
      throw readError(file, cause);
    }
    signal?.throwIfAborted();
  }
  return { ...(files.length > 1 && { files: files.length }), bytes, sha256: hash.digest('hex') };
}

// An output being written, and what files, pipes and devices have in common.

import { dirname, resolve } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';
import { inspectValue } from '../../printable.js';
import type { Cancellation } from '../cancellation.js';

export interface Output {
  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Call when all is written: puts the content in place. */
  commit(): Promise<void>;
  /** Closes, removes a temporary file, and ends a waiting write. */
  discard(): Promise<void>;
}

/** Rejects with the signal's reason once it is aborted, without waiting for `work`. */
export function unlessAborted<Result>(
  work: Promise<Result>,
  signal: Cancellation | undefined,
): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const forget = () => signal.removeListener(onAbort);
    work
      .then(resolve, reject)
      .then(forget)
      .catch(() => {});
    signal.addListener(onAbort);
  });
}

/** Bytes a system call writes; the system allows at most 2^31 - 1. */
const CHUNK_BYTES = 8 << 20;

/** Writes `bytes` in parts; `writePart` resolves to the number it wrote, perhaps fewer than given. */
export async function writeAll(
  bytes: Uint8Array,
  writePart: (part: Uint8Array) => Promise<number>,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const part = bytes.subarray(done, done + CHUNK_BYTES);
    const written = await writePart(part);
    if (written === 0) throw new Error(`the system wrote 0 of ${part.length} bytes`);
    done += written;
  }
}

/** The code of a system error, whatever realm its class is from: test runners have their own. */
export const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Codes that may be about the folder. */
const FOLDER_CODES: ReadonlySet<unknown> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EROFS']);

export function writeError(path: string, cause: unknown): SoftshardError {
  const hint = FOLDER_CODES.has(codeOf(cause))
    ? `; does the folder ${folderOf(path, cause as NodeJS.ErrnoException)} exist, and may you write there?`
    : '';
  const name = typeof path === 'string' ? path : inspectValue(path);
  const message = `${name}: cannot be written: ${messageOf(cause)}${hint}`;
  return new SoftshardError('ERR_FILE', message, { argument: 'path', value: path, cause });
}

/** The folder at fault; behind a link it is not that of `path`. */
function folderOf(path: string, { syscall, path: failed }: NodeJS.ErrnoException): string {
  if (failed === undefined) return dirname(resolve(path));
  return resolve(syscall === 'realpath' ? failed : dirname(failed));
}

// Where content goes while it is written, and what all places have in common.

import { dirname, resolve } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';
import { inspectValue } from '../../printable.js';
import type { Cancellation } from '../dispatch/cancellation.js';

export interface Output {
  /** Writes all of `bytes` after what was written before. */
  write(bytes: Uint8Array): Promise<void>;
  /** All is written: the content takes its place. */
  commit(): Promise<void>;
  /** Leaves nothing open and no temporary file. Ends a write that is waiting. */
  discard(): Promise<void>;
}

/** As `work`, but rejects with the signal's reason as soon as that is aborted; nobody then waits for `work`. */
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

/** One system call's worth: a call may write at most 2^31 - 1 bytes, and large arrays need more. */
const CHUNK_BYTES = 8 << 20;

/** Hands `bytes` on in parts until all are written: `writePart` gives how much it wrote, maybe less than it was given. */
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

/** The code of a system's error, of whatever realm its class is: test runners have their own. */
export const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Failures of a folder rather than of a file. */
const FOLDER_CODES: ReadonlySet<unknown> = new Set(['ENOENT', 'EACCES', 'EPERM', 'EROFS']);

/** What failed to be written, with the system's reason as cause. */
export function writeError(path: string, cause: unknown): SoftshardError {
  const hint = FOLDER_CODES.has(codeOf(cause))
    ? `; does the folder ${folderOf(path, cause as NodeJS.ErrnoException)} exist, and may you write there?`
    : '';
  const name = typeof path === 'string' ? path : inspectValue(path);
  const message = `${name}: cannot be written: ${messageOf(cause)}${hint}`;
  return new SoftshardError('ERR_FILE', message, { argument: 'path', value: path, cause });
}

/** Where a link leads to, it is not the folder of `path`. */
function folderOf(path: string, { syscall, path: failed }: NodeJS.ErrnoException): string {
  if (failed === undefined) return dirname(resolve(path));
  return resolve(syscall === 'realpath' ? failed : dirname(failed));
}

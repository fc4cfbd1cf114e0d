// Replaces a file all at once: readers meet the former content or the new one, never a part.

import { open } from 'node:fs/promises';
import { SoftshardError } from '../errors.js';
import { checkPath, fileError } from './readers/byte-source.js';

/** One system call's worth: a call may write at most 2^31 - 1 bytes, and large arrays need more. */
const CHUNK_BYTES = 8 << 20;

/** Appends all of `bytes` to the file being written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * `fill` writes the content to a temporary file in the same folder, which then takes the name `path`. When anything
 * fails, the temporary file is removed and `path` is left as it was.
 */
export async function writeFileAtomically(
  path: string,
  fill: (write: Write) => Promise<void>,
): Promise<void> {
  checkPath(path);
  const { default: writeFileAtomic } = await import('write-file-atomic');
  try {
    // write-file-atomic names, syncs, renames and cleans up. The content is not handed to it: it writes with a single
    // call and does not look at how much of it was written, so a full disk could pass for success.
    await writeFileAtomic(path, '', { tmpfileCreated: (temporaryPath) => fillFile(temporaryPath, fill) });
  } catch (cause) {
    throw cause instanceof SoftshardError ? cause : fileError(path, 'written', cause);
  }
}

async function fillFile(path: string, fill: (write: Write) => Promise<void>): Promise<void> {
  const handle = await open(path, 'r+');
  let position = 0;
  try {
    await fill(async (bytes) => {
      for (let done = 0; done < bytes.length; ) {
        const length = Math.min(CHUNK_BYTES, bytes.length - done);
        const { bytesWritten } = await handle.write(bytes, done, length, position);
        if (bytesWritten === 0) throw new Error(`the system wrote 0 of ${length} bytes`);
        done += bytesWritten;
        position += bytesWritten;
      }
    });
  } finally {
    await handle.close();
  }
}

// A temporary file in the folder of the file it will replace; removes those that killed processes left.

import { createHash, randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { chmod, chown, type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Cancellation } from '../cancellation.js';
import { hostMark, isRunning } from '../machine/processes.js';
import { codeOf, type Output, writeAll } from './output.js';

/** The permission bits of a mode. */
const PERMISSIONS = 0o7777;

/** Takes the place of `target` on commit, with the mode and owner of the file that is there. */
export async function createTemporaryFile(target: string, signal?: Cancellation): Promise<Output> {
  const { onExit } = await import('signal-exit');
  await removeStale(target);
  const former = await stat(target).catch(() => undefined);
  const path = temporaryPath(target);
  const forget = onExit(() => {
    try {
      unlinkSync(path);
    } catch {
      // The next write to the same name tries again.
    }
  });
  let handle: FileHandle;
  try {
    handle = await open(path, 'wx', former ? former.mode & PERMISSIONS : 0o666);
  } catch (error) {
    forget();
    throw error;
  }
  let position = 0;
  return {
    write: (bytes) =>
      writeAll(bytes, async (part) => {
        signal?.throwIfAborted();
        const { bytesWritten } = await handle.write(part, 0, part.length, position);
        position += bytesWritten;
        return bytesWritten;
      }),
    async commit() {
      await handle.sync();
      await handle.close();
      if (former) {
        // In this order: chown clears the set-user-id bit.
        await ifAllowed(chown(path, former.uid, former.gid));
        await ifAllowed(chmod(path, former.mode & PERMISSIONS));
      }
      await rename(path, target);
      forget();
      await syncFolder(dirname(target));
    },
    async discard() {
      await handle.close().catch(() => {});
      await unlink(path).catch(() => {});
      forget();
    },
  };
}

/** Only the superuser may give files away, and not every file system has owners and modes. */
async function ifAllowed(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    const code = codeOf(error);
    const isSuperuser = process.getuid?.() === 0;
    if (code !== 'ENOSYS' && (isSuperuser || (code !== 'EINVAL' && code !== 'EPERM'))) throw error;
  }
}

/** Makes the new name survive a loss of power. Failures are ignored: the file is in place. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows cannot open folders.
  }
}

/** Leaves room for the suffix: most file systems allow 255 bytes. */
const MAX_NAME_BYTES = 180;

/** NAME.softshard-HOST-, before PROCESS-RANDOM.tmp. */
function prefixOf(target: string): string {
  const name = basename(target);
  const stem = Buffer.byteLength(name) <= MAX_NAME_BYTES ? name : digest(name);
  return join(dirname(target), `${stem}.softshard-${hostMark()}-`);
}

/** A new name for a file of this process that will be `target`. */
export const temporaryPath = (target: string): string =>
  `${prefixOf(target)}${process.pid}-${randomBytes(4).toString('hex')}.tmp`;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Larger folders are listed less often: about this many entries a write. */
const ENTRIES_A_WRITE = 500;

/** Writes into a folder until it is listed again. */
const pauses = new Map<string, number>();

/** Whether a file of this name is a temporary one, of whatever process. */
export const isTemporaryName = (name: string): boolean =>
  /\.softshard-[0-9a-f]{8}-\d+-[0-9a-f]{8}\.tmp$/.test(name);

/** Removes temporary files of the same name whose processes have ended. */
export async function removeStale(target: string): Promise<void> {
  const folder = dirname(target);
  const pause = pauses.get(folder) ?? 0;
  if (pause > 0) {
    pauses.set(folder, pause - 1);
    return;
  }
  // A folder may be writable but not readable.
  const names = await readdir(folder).catch(() => []);
  if (names.length >= ENTRIES_A_WRITE) pauses.set(folder, Math.floor(names.length / ENTRIES_A_WRITE));
  else pauses.delete(folder);
  const prefix = basename(prefixOf(target));
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const [, owner] = /^(\d+)-[0-9a-f]{8}\.tmp$/.exec(name.slice(prefix.length)) ?? [];
    if (owner === undefined || isRunning(Number(owner))) continue;
    await unlink(join(folder, name)).catch(() => {});
  }
}

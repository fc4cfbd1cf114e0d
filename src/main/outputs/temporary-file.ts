// A file beside the one that it will replace. Those that killed processes left are removed.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync, type Stats, unlinkSync } from 'node:fs';
import { chmod, chown, type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Cancellation } from '../dispatch/cancellation.js';
import { codeOf, type Output, writeAll } from './output.js';

/** Of a file's mode. */
const PERMISSIONS = 0o7777;

/** What takes the place of `target`, with the mode and owner of the file that is there. */
export async function createTemporaryFile(target: string, signal?: Cancellation): Promise<Output> {
  const { onExit } = await import('signal-exit');
  await removeStale(target);
  const former = await stat(target).catch(() => undefined);
  const path = `${prefixOf(target)}${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  const forget = onExit(() => {
    try {
      unlinkSync(path);
    } catch {
      // The next write to the same name tries again.
    }
  });
  try {
    const handle = await open(path, 'wx', former ? former.mode & PERMISSIONS : 0o666);
    return new TemporaryFile({ path, target, former, handle, signal, forget });
  } catch (error) {
    forget();
    throw error;
  }
}

interface Parts {
  readonly path: string;
  readonly target: string;
  /** Of the file that is to be replaced. */
  readonly former: Stats | undefined;
  readonly handle: FileHandle;
  readonly signal: Cancellation | undefined;
  /** Nothing is to be removed any more when the process ends. */
  readonly forget: () => void;
}

class TemporaryFile implements Output {
  readonly #parts: Parts;
  #position = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { handle, signal } = this.#parts;
    await writeAll(bytes, async (part) => {
      signal?.throwIfAborted();
      const { bytesWritten } = await handle.write(part, 0, part.length, this.#position);
      this.#position += bytesWritten;
      return bytesWritten;
    });
  }

  async commit(): Promise<void> {
    const { path, target, former, handle, forget } = this.#parts;
    await handle.sync();
    await handle.close();
    if (former) {
      // In this order: a new owner takes the set-user-id bit away.
      await ifAllowed(chown(path, former.uid, former.gid));
      await ifAllowed(chmod(path, former.mode & PERMISSIONS));
    }
    await rename(path, target);
    forget();
    await syncFolder(dirname(target));
  }

  async discard(): Promise<void> {
    const { path, handle, forget } = this.#parts;
    await handle.close().catch(() => {});
    await unlink(path).catch(() => {});
    forget();
  }
}

/** Who is not the superuser cannot give files away, and not every file system has owners and modes. */
async function ifAllowed(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    const code = codeOf(error);
    const isSuperuser = process.getuid?.() === 0;
    if (code !== 'ENOSYS' && (isSuperuser || (code !== 'EINVAL' && code !== 'EPERM'))) throw error;
  }
}

/** Lets the new name outlast a loss of power. The file is in place already: systems that cannot do it may be silent. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // As on Windows, where folders cannot be opened.
  }
}

/** Names of more bytes are too long for most file systems once something is added. */
const MAX_NAME_BYTES = 180;

/** NAME.softshard-HOST-, before PROCESS-RANDOM.tmp. */
function prefixOf(target: string): string {
  const name = basename(target);
  const stem = Buffer.byteLength(name) <= MAX_NAME_BYTES ? name : digest(name);
  return join(dirname(target), `${stem}.softshard-${hostMark()}-`);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

let mark: string | undefined;

/**
 * Tells who counts processes: a number stands for the same process only in one run of a system, and in a container of it
 * for another one than outside.
 */
function hostMark(): string {
  mark ??= digest(
    [
      read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')) ?? hostname(),
      read(() => readlinkSync('/proc/self/ns/pid')) ?? process.platform,
    ].join(),
  );
  return mark;
}

function read(from: () => string): string | undefined {
  try {
    return from();
  } catch {
    return undefined;
  }
}

/** Entries of a folder that may be looked at for each write: folders of many files are looked at now and then. */
const ENTRIES_A_WRITE = 500;

/** Writes into a folder until it is looked at again. */
const pauses = new Map<string, number>();

/** Removes what processes that are gone were writing to the same name when they were killed. */
async function removeStale(target: string): Promise<void> {
  const folder = dirname(target);
  const pause = pauses.get(folder) ?? 0;
  if (pause > 0) {
    pauses.set(folder, pause - 1);
    return;
  }
  // A folder that may be written but not read keeps them.
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

function isRunning(owner: number): boolean {
  try {
    return process.kill(owner, 0);
  } catch (error) {
    // A process of somebody else is EPERM.
    return codeOf(error) !== 'ESRCH';
  }
}

// One process a run: lock.json says which, is created by one of several at once, and is taken over from one that has ended.
import { randomBytes } from 'node:crypto';
import { link, open, readdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SoftshardError } from '../../errors.js';
import { hostMark, isRunning, startOf } from '../machine/processes.js';
import { codeOf, writeError } from '../outputs/output.js';
import { removeStale, temporaryPath } from '../outputs/temporary-file.js';

/** Who holds a lock; JSON. */
interface Owner {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  /** Of the boot and container that count this process; see hostMark. */
  readonly system: string;
  /** Of the process, in ticks of its system; null where they are not known. */
  readonly processStart: string | null;
  readonly since: string;
}

export interface RunLock {
  /** Throws ERR_BUSY where another process has taken the run over, or removed the lock. */
  check(): Promise<void>;
  release(): Promise<void>;
}

export const LOCK = 'lock.json';
/** A holder touches its lock so often. */
const TOUCH_MS = 15_000;
/** Of a process that cannot be looked at, as it is on another machine: it has ended if it has not touched its lock for so long. */
const SILENCE_MS = 180_000;
/** Of a file that does not say whose it is: nobody takes so long for taking a lock. */
const LOCKING_MS = 3_600_000;
/** Of a lock that is just being taken over. */
const RETRY_MS = 20;
const MOST_TRIES = 100;

/** Throws ERR_BUSY, which names the holder, or ERR_FILE. */
export async function takeLock(folder: string): Promise<RunLock> {
  const path = join(folder, LOCK);
  const owner: Owner = {
    id: randomBytes(8).toString('hex'),
    pid: process.pid,
    host: hostname(),
    system: hostMark(),
    processStart: startOf(process.pid) ?? null,
    since: new Date().toISOString(),
  };
  try {
    for (let tries = 0; !(await createWhole(path, owner)); tries++) {
      const holder = await ownerIn(path);
      if (holder !== undefined && !(await hasEnded(holder, path))) throw held(folder, holder);
      if (holder !== undefined && (await takeOver(path, holder, owner))) break;
      if (tries >= MOST_TRIES)
        throw new Error(`${LOCK} cannot be read: remove it if no process uses the run`);
      await pause(RETRY_MS);
    }
  } catch (error) {
    throw error instanceof SoftshardError ? error : writeError(path, error);
  }
  await removeLeftovers(path);
  return holdLock(folder, path, owner);
}

function holdLock(folder: string, path: string, owner: Owner): RunLock {
  const timer = setInterval(() => {
    const now = new Date();
    // Where it fails, check tells why.
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  timer.unref();
  return {
    async check() {
      const holder = await ownerIn(path);
      if (holder?.id === owner.id) return;
      // The folder was removed, perhaps: the run comes back with the next checkpoint.
      if (holder === undefined && (await createWhole(path, owner))) return;
      const by = holder ?? (await ownerIn(path));
      throw by === undefined ? new Error(`${path} cannot be read`) : takenOver(folder, by);
    },
    async release() {
      clearInterval(timer);
      if ((await ownerIn(path).catch(() => undefined))?.id === owner.id) await unlink(path).catch(() => {});
    },
  };
}

/** With its content all at once: nobody sees an empty one. Gives whether there was none. */
async function createWhole(path: string, owner: Owner): Promise<boolean> {
  const content = `${JSON.stringify(owner, undefined, 2)}\n`;
  const temporary = temporaryPath(path);
  await writeFile(temporary, content);
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!NO_LINKS.has(codeOf(error))) throw error;
  } finally {
    await unlink(temporary).catch(() => {});
  }
  return createByOpening(path, content);
}

/** What file systems without hard links answer. */
const NO_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']);

async function createByOpening(path: string, content: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    await handle.writeFile(content).finally(() => handle.close());
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined where there is none, or none that is whole. */
async function ownerIn(path: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return undefined;
  }
}

async function hasEnded({ system, pid, processStart }: Owner, path: string): Promise<boolean> {
  if (system === hostMark()) {
    return !isRunning(pid) || (processStart !== null && startOf(pid) !== processStart);
  }
  return isOlderThan(path, SILENCE_MS);
}

/**
 * Several may see the same dead holder. The one that creates the claim on its succession replaces the lock, and nobody else does.
 * A claimant may die as well: then there is a claim on its claim, and so on.
 */
async function takeOver(path: string, dead: Owner, owner: Owner): Promise<boolean> {
  const claims: string[] = [];
  for (let last = dead; ; ) {
    const claim = `${path}.after-${last.id}`;
    claims.push(claim);
    if (await createWhole(claim, owner)) break;
    const other = await ownerIn(claim);
    if (other === undefined || !(await hasEnded(other, claim))) return false;
    last = other;
  }
  // The claim of a succession that is over, perhaps: then the lock is another one by now.
  const isStillDead = (await ownerIn(path))?.id === dead.id;
  if (isStillDead) {
    const temporary = temporaryPath(path);
    await writeFile(temporary, `${JSON.stringify(owner, undefined, 2)}\n`);
    await rename(temporary, path);
  }
  for (const claim of isStillDead ? claims : claims.slice(-1)) await unlink(claim).catch(() => {});
  return isStillDead;
}

/** Of processes that were killed while they took the lock. Claims of others that are alive they remove themselves. */
async function removeLeftovers(path: string): Promise<void> {
  await removeStale(path);
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const file = join(dirname(path), name);
    const owner = await ownerIn(file).catch(() => undefined);
    const isOver = owner === undefined ? await isOlderThan(file, LOCKING_MS) : await hasEnded(owner, file);
    if (isOver) await unlink(file).catch(() => {});
  }
}

async function isOlderThan(path: string, ms: number): Promise<boolean> {
  const touched = await stat(path).catch(() => undefined);
  return touched !== undefined && Date.now() - touched.mtimeMs > ms;
}

const nameOf = ({ pid, host, since }: Owner): string =>
  pid === process.pid && host === hostname()
    ? `this process (since ${since})`
    : `process ${pid} on ${host} (since ${since})`;

function held(folder: string, holder: Owner): SoftshardError {
  const silence =
    holder.system === hostMark()
      ? ''
      : `. Of a process on another machine or in another container it is not known whether it has ended: its lock is taken over ` +
        `when it has been silent for ${SILENCE_MS / 60_000} minutes`;
  const message = `${folder}: the run is in use by ${nameOf(holder)}: wait until it ends, or end it${silence}`;
  return new SoftshardError('ERR_BUSY', message, { argument: 'folder', value: folder });
}

function takenOver(folder: string, by: Owner): SoftshardError {
  const message = `${folder}: the run has been taken over by ${nameOf(by)}, and goes on there`;
  return new SoftshardError('ERR_BUSY', message, { argument: 'folder', value: folder });
}

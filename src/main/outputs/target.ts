// What a path names as a place to write to: links are followed, also those to files yet to be made.

import type { Stats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { codeOf } from './output.js';

/** A file is replaced; into a pipe, a device or what this process has open already, the content is streamed. */
export type OutputTarget =
  | {
      readonly kind: 'file';
      /** Where it is or will be, with links followed. */
      readonly path: string;
      readonly exists: boolean;
    }
  | { readonly kind: 'pipe'; readonly path: string }
  | { readonly kind: 'device'; readonly path: string }
  | {
      /** An open file of this process: 1 is its standard output. */
      readonly kind: 'descriptor';
      readonly path: string;
      readonly descriptor: number;
    };

/** Known by name, as not every system has them in a folder. */
const STANDARD_STREAMS: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

/** Rejects with the system's error, or with one that says why nothing can be written there. */
export async function findTarget(path: string): Promise<OutputTarget> {
  const standard = STANDARD_STREAMS.get(path);
  if (standard !== undefined) return { kind: 'descriptor', path, descriptor: standard };
  const stats = await statsOf(path, stat);
  if (stats?.isDirectory()) throw new Error('it is a folder: name a file');
  const { place, descriptor } = await follow(path);
  if (descriptor === 1 || descriptor === 2) return { kind: 'descriptor', path: place, descriptor };
  if (stats?.isSocket()) throw new Error('it is a socket: name a file, a pipe or a device');
  // What pipes and devices are opened by is the path itself: those in /proc lead to no name.
  if (stats?.isFIFO()) return { kind: 'pipe', path: await realpath(path).catch(() => path) };
  if (stats !== undefined && !stats.isFile()) return { kind: 'device', path };
  if (descriptor !== undefined) return { kind: 'descriptor', path: place, descriptor };
  return { kind: 'file', path: place, exists: stats !== undefined };
}

/** As many as Linux follows. */
const MAX_LINKS = 40;

/** The place that a path leads to, where nothing needs to be yet, or the descriptor of this process that it names. */
async function follow(path: string): Promise<{ place: string; descriptor?: number }> {
  let place = path;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const name = basename(place);
    if (name === '' || place.endsWith('/') || place.endsWith(sep)) {
      throw new Error('a name is missing: name a file');
    }
    const folder = await realpath(dirname(place));
    place = join(folder, name);
    if (/^\d+$/.test(name) && (await isOwnDescriptors(folder))) return { place, descriptor: Number(name) };
    const stats = await statsOf(place, lstat);
    if (!stats?.isSymbolicLink()) return { place };
    const target = await readlink(place);
    place = isAbsolute(target) ? target : `${folder}${sep}${target}`;
  }
  throw new Error('ELOOP: too many symbolic links');
}

/** /dev/fd leads to /proc/self/fd on Linux; elsewhere it is a folder. */
async function isOwnDescriptors(folder: string): Promise<boolean> {
  if (folder === '/dev/fd') return true;
  return folder.startsWith('/proc/') && folder === (await realpath('/proc/self/fd'));
}

async function statsOf(path: string, look: (path: string) => Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await look(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

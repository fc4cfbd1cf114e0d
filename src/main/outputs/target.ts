// Finds what a path names as a place to write; follows links, even to files that do not exist yet.

import type { Stats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { codeOf } from './output.js';

/** A file is replaced; a pipe, a device or an open descriptor gets the content as a stream. */
export type OutputTarget =
  | {
      readonly kind: 'file';
      /** With links followed. */
      readonly path: string;
      readonly exists: boolean;
    }
  | { readonly kind: 'pipe'; readonly path: string }
  | { readonly kind: 'device'; readonly path: string }
  | {
      /** Of this process: 1 is its standard output. */
      readonly kind: 'descriptor';
      readonly path: string;
      readonly descriptor: number;
    };

/** By name, because not every system has them as files. */
const STANDARD_STREAMS: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

/** Rejects with the system's error, or one that says why the path cannot be written. */
export async function findTarget(path: string): Promise<OutputTarget> {
  const standard = STANDARD_STREAMS.get(path);
  if (standard !== undefined) return { kind: 'descriptor', path, descriptor: standard };
  const stats = await statsOf(path, stat);
  if (stats?.isDirectory()) throw new Error('it is a folder: name a file');
  const { place, descriptor } = await follow(path);
  if (descriptor === 1 || descriptor === 2) return { kind: 'descriptor', path: place, descriptor };
  if (stats?.isSocket()) throw new Error('it is a socket: name a file, a pipe or a device');
  // Pipes and devices are opened by the path itself: those in /proc have no other name.
  if (stats?.isFIFO()) return { kind: 'pipe', path: await realpath(path).catch(() => path) };
  if (stats !== undefined && !stats.isFile()) return { kind: 'device', path };
  if (descriptor !== undefined) return { kind: 'descriptor', path: place, descriptor };
  return { kind: 'file', path: place, exists: stats !== undefined };
}

/** Linux's limit. */
const MAX_LINKS = 40;

/** The place that a path leads to, which need not exist, or the descriptor of this process that it names. */
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

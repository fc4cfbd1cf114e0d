// Folders that are made with those above them. Not by mkdir's `recursive`, which goes on for ever where a system denies that
// folders exist which do (Linux's /proc).
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './output.js';

/** Gives whether it was missing. */
export function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && statSync(path).isDirectory()) return false;
    const parent = dirname(path);
    if (codeOf(error) !== 'ENOENT' || parent === path || !makeFolder(parent)) throw error;
    return makeFolder(path);
  }
}

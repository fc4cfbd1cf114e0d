// The files that a path names: one, those of a folder, or those that a pattern matches.

import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';
import { checkPath } from '../checks.js';
import { codeOf } from '../outputs/output.js';
import { readError } from './errors.js';

/**
 * The path itself; the files in a folder, but not in folders below it; or the files that match a pattern: * and ? stand for
 * characters of a name, ** for folders of any depth. Sorted by name. Names that begin with a dot or an underscore, as those
 * of hidden files and of notes that writers of shards leave, need a pattern that begins so. A file whose name looks like a
 * pattern is itself. Throws ERR_FILE where a folder or pattern has no files, or a link that leads nowhere.
 */
export async function listDataFiles(path: string): Promise<string[]> {
  checkPath(path);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) {
    return expectSome(
      path,
      await matchesIn(path, ['*']),
      'the folder has no files of its own; those of folders below it have the pattern folder/**/*',
    );
  }
  if (stats !== undefined || !/[*?]/.test(path)) return [path];
  const parts = path.split('/');
  const fixed = parts.findIndex((part) => /[*?]/.test(part));
  const folder = parts.slice(0, fixed).join('/') || (path.startsWith('/') ? '/' : '');
  return expectSome(path, await matchesIn(folder, parts.slice(fixed)), 'no file matches');
}

function expectSome(path: string, files: string[], finding: string): string[] {
  // The order of code units, whatever the locale.
  if (files.length > 0) return [...new Set(files)].sort();
  const message = `${path}: ${finding}. Name a file, a folder of files or a pattern such as 'shards/*.csv'`;
  throw new SoftshardError('ERR_FILE', message, { argument: 'path', value: path });
}

async function matchesIn(folder: string, [part = '', ...rest]: readonly string[]): Promise<string[]> {
  const found: string[] = part === '**' ? await matchesIn(folder, rest.length > 0 ? rest : ['*']) : [];
  const pattern = patternOf(part === '**' ? '*' : part);
  for (const entry of await entriesOf(folder)) {
    if (!pattern.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (part === '**') {
      // Links to folders may lead in circles.
      if (entry.isDirectory()) found.push(...(await matchesIn(path, ['**', ...rest])));
    } else if (rest.length > 0) {
      if (await isKind(path, 'isDirectory')) found.push(...(await matchesIn(path, rest)));
    } else if (await isKind(path, 'isFile')) found.push(path);
  }
  return found;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder || '.', { withFileTypes: true });
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw readError(folder, cause);
  }
}

/** Follows links. What a link that leads nowhere stands for would be left out without a word. */
async function isKind(path: string, kind: 'isFile' | 'isDirectory'): Promise<boolean> {
  try {
    return (await stat(path))[kind]();
  } catch (cause) {
    const message = `${path}: what is there, or a link leads to, cannot be found: ${messageOf(cause)}. Mend or remove it, or name the others by a pattern`;
    throw new SoftshardError('ERR_FILE', message, { argument: 'path', value: path, cause });
  }
}

function patternOf(part: string): RegExp {
  const escaped = part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  // One * is as good as several, of which each would be tried anew.
  const body = escaped.replace(/\*+/g, '.*').replaceAll('?', '.');
  return new RegExp(`^${/^[*?]/.test(part) ? '(?![._])' : ''}${body}$`, 's');
}

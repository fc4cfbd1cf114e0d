// Errors about files: each names the path, what was expected, what was found, and the remedy.

import { isAbsolute } from 'node:path';
import { types } from 'node:util';
import { messageOf, SoftshardError } from '../../errors.js';
import { codeOf } from '../outputs/output.js';

/** `finding` says where, what was expected and what was found, without a full stop; `remedy` is a sentence. */
export function formatError(
  path: string,
  finding: string,
  remedy: string,
  details: { row?: number; value?: unknown; cause?: unknown } = {},
): SoftshardError {
  return new SoftshardError('ERR_FORMAT', `${path}: ${finding}. ${remedy}`, { argument: 'path', ...details });
}

/** `index`: of the value, in C order. */
export function beyondFloat32(path: string, index: number, features: number, value: number): SoftshardError {
  const row = Math.floor(index / features);
  return formatError(
    path,
    `row ${row}, feature ${index % features}: expected a value within float32's range, found ${value}`,
    'Scale the values before they are written.',
    { row, value },
  );
}

/** A failure of the file system; but for a file that is not there, the message gives the system's reason. */
export function readError(path: string, cause: unknown): SoftshardError {
  const isMissing = codeOf(cause) === 'ENOENT';
  const where = isAbsolute(path) ? '' : ` in ${process.cwd()}`;
  const message = isMissing
    ? `${path}: there is no such file${where}`
    : `${path}: cannot be read: ${messageOf(cause)}`;
  return new SoftshardError('ERR_FILE', message, { argument: 'path', value: path, cause });
}

export function changedError(path: string): SoftshardError {
  return formatError(
    path,
    'expected one content, found that the file changed while it was read',
    'Read it again when it is complete.',
  );
}

/** Allocates memory for what a file holds; an error names the file. */
export function allocateFor<Allocated>(path: string, allocate: () => Allocated): Allocated {
  try {
    return allocate();
  } catch (cause) {
    // V8 throws a RangeError for a typed array that is too long or finds no memory.
    const isRangeError = types.isNativeError(cause) && cause.name === 'RangeError';
    const code = cause instanceof SoftshardError ? cause.code : isRangeError ? 'ERR_ARENA_FULL' : undefined;
    if (code === undefined) throw cause;
    const message = `${path} is too large: ${messageOf(cause)}`;
    throw new SoftshardError(code, message, { argument: 'path', value: path, cause });
  }
}

/** What to do about a feature's missing cell. A column that a model needs cannot be left out. */
export function missingRemedy(isNeeded: boolean, more = ''): string {
  const ways = isNeeded ? ' or leave the row out' : ', leave the row out, or the column with excludeColumns';
  return `Fill it in${ways}${more}. missingCells: 'nan' reads it as NaN.`;
}

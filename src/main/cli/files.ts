// What can be known to go wrong with files before any work is done.

import { constants } from 'node:fs';
import { access, open, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf, SoftshardError } from '../../errors.js';

/** Throws ERR_FILE for the first that cannot be read. */
export async function checkInputs(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      await access(path, constants.R_OK);
    } catch (cause) {
      throw fileError(path, 'read', cause);
    }
  }
}

/**
 * Throws ERR_FILE unless a file can be put there: it tries, since permissions do not tell of read-only file systems
 * and their like. An output that would replace one of the inputs is refused.
 */
export async function checkOutput(path: string, inputs: readonly (string | undefined)[]): Promise<void> {
  const existing = await stat(path).catch(() => undefined);
  if (existing && !existing.isFile()) {
    throw new SoftshardError('ERR_FILE', `${path}: cannot be written: it is not a regular file`, {
      value: path,
    });
  }
  for (const input of inputs) {
    const stats = input === undefined ? undefined : await stat(input).catch(() => undefined);
    if (existing && stats && stats.ino === existing.ino && stats.dev === existing.dev) {
      const message = `${path}: would replace ${input}, which is read: choose another name`;
      throw new SoftshardError('ERR_FILE', message, { value: path });
    }
  }
  const probe = `${resolve(path)}.${process.pid}.tmp`;
  try {
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (cause) {
    throw fileError(
      path,
      'written',
      cause,
      `; does the folder ${dirname(resolve(path))} exist, and may you write there?`,
    );
  }
}

export function fileError(
  path: string,
  action: 'read' | 'written',
  cause: unknown,
  hint = '',
): SoftshardError {
  return new SoftshardError('ERR_FILE', `${path}: cannot be ${action}: ${messageOf(cause)}${hint}`, {
    value: path,
    cause,
  });
}

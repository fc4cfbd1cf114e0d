// Packages that only some formats need: loaded when a file asks for them.

import { messageOf, SoftshardError } from '../../errors.js';

/** Loads what `task`, such as 'reading Parquet', takes of the file at `path`; without it the error says how to install it. */
export async function loadOptional<Loaded>(
  path: string,
  task: string,
  packages: readonly string[],
  load: () => Promise<Loaded>,
): Promise<Loaded> {
  try {
    return await load();
  } catch (cause) {
    const [reason = ''] = messageOf(cause).split('\n');
    const what =
      packages.length === 1 ? `the package ${packages[0]}` : `the packages ${packages.join(' and ')}`;
    const message = `${path}: ${task} takes ${what}, which cannot be loaded (${reason}): npm install ${packages.join(' ')}`;
    throw new SoftshardError('ERR_FILE', message, { argument: 'path', value: path, cause });
  }
}

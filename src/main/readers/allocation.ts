// Memory for what a file holds: an error says which file it was for.
import { SoftshardError } from '../../errors.js';

export function allocateFor<Allocated>(path: string, allocate: () => Allocated): Allocated {
  try {
    return allocate();
  } catch (cause) {
    if (!(cause instanceof SoftshardError)) throw cause;
    const message = `${path} is too large: ${cause.message}`;
    throw new SoftshardError(cause.code, message, { argument: 'path', value: path, cause });
  }
}

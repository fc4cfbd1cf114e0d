// Memory for what a file holds: an error says which file it was for.
import { types } from 'node:util';
import { messageOf, SoftshardError } from '../../errors.js';

export function allocateFor<Allocated>(path: string, allocate: () => Allocated): Allocated {
  try {
    return allocate();
  } catch (cause) {
    // A typed array for which there is no memory, or that is longer than one may be.
    const isRangeError = types.isNativeError(cause) && cause.name === 'RangeError';
    const code = cause instanceof SoftshardError ? cause.code : isRangeError ? 'ERR_ARENA_FULL' : undefined;
    if (code === undefined) throw cause;
    const message = `${path} is too large: ${messageOf(cause)}`;
    throw new SoftshardError(code, message, { argument: 'path', value: path, cause });
  }
}

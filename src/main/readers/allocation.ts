// Memory for what a file holds: an error says which file it was for.
import { SoftshardError } from '../../errors.js';

export function allocateFor<Allocated>(path: string, allocate: () => Allocated): Allocated {
  try {
    return allocate();
  } catch (cause) {
    // A typed array for which there is no memory, or that is longer than one may be.
    const code =
      cause instanceof SoftshardError
        ? cause.code
        : cause instanceof RangeError
          ? 'ERR_ARENA_FULL'
          : undefined;
    if (code === undefined) throw cause;
    const message = `${path} is too large: ${(cause as Error).message}`;
    throw new SoftshardError(code, message, { argument: 'path', value: path, cause });
  }
}

// Which BLAS an engine uses: what its options or the environment ask for, if it is there.
import { SoftshardError } from '../../errors.js';
import { type BlasLibrary, findBlas } from '../../kernels/blas/library.js';
import { presentable } from '../../printable.js';
import { inspectValue } from '../checks.js';

/** Stands in for the option `blas` where that is not given. */
const VARIABLE = 'SOFTSHARD_BLAS';

/** Libraries of which a warning has said how they could be faster. */
const advised = new Set<string>();

/** Undefined where none is asked for, and, with a warning, where none is there. Throws ERR_OPTION. */
export function chooseBlas(option: unknown): BlasLibrary | undefined {
  const asked = option === undefined ? defaultBlas() : checkBlas(option);
  if (asked === false) return undefined;
  const search = findBlas(asked);
  if ('library' in search) {
    const { name, path, advice } = search.library;
    if (advice !== undefined && !advised.has(path))
      warn(`the BLAS ${name} (${path}) is slower than it could be: ${advice}`);
    advised.add(path);
    return search.library;
  }
  const by =
    option === undefined ? `${VARIABLE}=${process.env[VARIABLE]}` : `options.blas ${inspectValue(option)}`;
  warn(`${by} cannot be had, matrix products stay with the engine's own kernels: ${search.missing}`);
  return undefined;
}

const warn = (message: string): void =>
  process.emitWarning(presentable(message), { type: 'SoftshardWarning', code: 'WARN_BLAS' });

/** What an engine's option `blas` is by default: what SOFTSHARD_BLAS says in the environment, or false. */
export function defaultBlas(): boolean | string {
  const value = process.env[VARIABLE] ?? '';
  if (['', '0', 'false'].includes(value)) return false;
  return ['1', 'true'].includes(value) || value;
}

function checkBlas(option: unknown): boolean | string {
  if (typeof option === 'boolean' || (typeof option === 'string' && option !== '')) return option;
  const message = `options.blas is ${inspectValue(option)}: it must be true, false, or the file or name of a BLAS`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.blas', value: option });
}

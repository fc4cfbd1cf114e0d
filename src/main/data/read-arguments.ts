// What readers are given, checked before they look at the file.

import { SoftshardError } from '../../errors.js';
import { checkFunction, checkOptionNames, checkSignal, inspectValue } from '../arguments/checks.js';
import type { Allocator } from '../memory/tensor.js';
import type { ReadOptions } from './byte-source.js';

/** `own`: the names of the options that a reader has beside those of all. */
export function checkReadOptions(options: ReadOptions, own: readonly string[] = []): void {
  checkOptionNames('options', options, [...own, 'signal', 'onProgress']);
  checkSignal('options.signal', options.signal);
  checkFunction('options.onProgress', options.onProgress);
}

export function checkAllocator(allocator: Allocator): void {
  const given: Partial<Allocator> | null | undefined = allocator;
  if (typeof given?.matrix === 'function' && typeof given.tensor === 'function') return;
  const message = `allocator is ${inspectValue(allocator)}: pass an engine or hostMemory`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'allocator', value: allocator });
}

/** Those options that every reader takes. */
export const readOptionsOf = ({ signal, onProgress }: ReadOptions): ReadOptions => ({
  ...(signal && { signal }),
  ...(onProgress && { onProgress }),
});

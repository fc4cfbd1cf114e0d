// What calls that pass files larger than memory through have in common.

import { checkFunction, checkInteger, checkSignal } from '../checks.js';
import { PART_BYTES } from './row-windows.js';

export interface PassOptions<About> {
  /** About as many bytes of logits are read at a time; default 32 MiB. The bits do not depend on it. */
  readonly partBytes?: number | undefined;
  /** Called once, when all inputs are open and checked and no output is begun. What it throws ends the call. */
  readonly onStart?: ((about: About) => void) | undefined;
  /** Called with the fraction done. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const PASS_NAMES = ['partBytes', 'onStart', 'onProgress', 'signal'] as const;

export function checkPassOptions<About>(options: PassOptions<About>): void {
  checkSignal('options.signal', options.signal);
  checkFunction('options.onStart', options.onStart);
  checkFunction('options.onProgress', options.onProgress);
  checkInteger('options.partBytes', options.partBytes ?? PART_BYTES, 1, Number.MAX_SAFE_INTEGER);
}

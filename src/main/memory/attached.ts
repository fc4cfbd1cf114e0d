// Arrays that have lost their elements would pass for empty ones.
import { SoftshardError } from '../../errors.js';
import { arrayClassOf } from './arrays.js';

/** Any method of typed arrays that looks whether its array is still there. */
const { at } = Uint8Array.prototype;

/**
 * Throws ERR_TYPE where a typed array's buffer was detached (transferred to a thread, or by structuredClone), or resized so
 * that it ends before the array does.
 */
export function checkAttached(argument: string, array: unknown): void {
  if (!isTypedArray(array) || array.byteLength > 0) return;
  try {
    at.call(array, 0);
  } catch (cause) {
    const message =
      `${argument} is detached, or out of the bounds of its buffer: pass an array that still has its elements (one that ` +
      'postMessage or structuredClone transferred belongs to whom it was sent)';
    throw new SoftshardError('ERR_TYPE', message, { argument, value: array, cause });
  }
}

/** A DataView is none: of a detached buffer it throws at every touch. */
const isTypedArray = (value: unknown): value is Uint8Array => arrayClassOf(value) !== undefined;

// How lengths are divided and rounded, the same in every plan.
import { ALIGNMENT_BYTES } from '../../kernels/layout.js';

export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

/** The length of equal parts of at most `most`. */
export const equalParts = (length: number, most: number): number =>
  length === 0 ? 0 : Math.ceil(length / Math.ceil(length / most));

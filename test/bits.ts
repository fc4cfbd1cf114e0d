// Comparing results bit for bit, which toEqual does slowly and without telling NaNs apart.
import { createHash } from 'node:crypto';
import { expect } from 'vitest';

/** Arrays of at most this many elements are listed whole, longer ones in this many blocks at most. */
const MOST_LINES = 1024;

/**
 * Text that is the same for the same bits of typed arrays and numbers. Where it is not, the diff of a failure shows the elements,
 * or of long arrays the blocks of elements, that differ.
 */
export function bitsOf(...values: (ArrayBufferView | number)[]): string {
  return values.map((value) => textOf(typeof value === 'number' ? Float64Array.of(value) : value)).join('\n');
}

/** Fails unless all these texts are the same, with the diff of the first that is another. */
export function expectSameBits(texts: Iterable<string>, what?: string): void {
  const [first, ...others] = texts;
  for (const [index, text] of others.entries()) {
    expect(text, `${what ?? 'bits'}: number ${index + 1} and the first`).toBe(first);
  }
}

function textOf(view: ArrayBufferView): string {
  // The hash does not take shared memory.
  const bytes = Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  const elements = isArrayLike(view) ? view : bytes;
  const lines = [`${elements.length} elements ${hashOf(bytes)}`];
  const blockElements = Math.ceil(elements.length / MOST_LINES);
  const blockBytes = blockElements * (bytes.length / elements.length);
  for (let begin = 0, at = 0; begin < elements.length; begin += blockElements, at += blockBytes) {
    const element = elements[begin];
    const text = Object.is(element, -0) ? '-0' : String(element);
    lines.push(
      blockElements === 1
        ? `[${begin}] ${text}`
        : `[${begin}] ${text}, ${blockElements} elements ${hashOf(bytes.subarray(at, at + blockBytes))}`,
    );
  }
  return lines.join('\n');
}

const isArrayLike = (view: ArrayBufferView): view is ArrayBufferView & ArrayLike<number> => 'length' in view;

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

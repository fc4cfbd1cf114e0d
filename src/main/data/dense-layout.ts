// How the values of an array lie in a file: type and dims, which are checked against the file's size, and chunks of values.

import type { SoftshardError } from '../../errors.js';
import { type ByteSource, CHUNK_BYTES } from './byte-source.js';
import { bytesPerElement, type StoredElements } from './elements.js';
import { formatError } from './errors.js';

/** What a header says about the values that follow it. */
export interface DenseLayout {
  readonly elements: StoredElements;
  readonly dims: readonly number[];
  /** First dimension fastest (Fortran) instead of last (C). */
  readonly columnMajor: boolean;
}

/** An array of words: each takes the same number of bytes, NUL at its end. */
export interface TextLayout {
  readonly text: {
    /** numpy's type: '<U5', '|S3'. */
    readonly descr: string;
    readonly encoding: 'utf-32le' | 'utf-32be' | 'utf-8';
    /** Of a word. */
    readonly bytes: number;
  };
  readonly dims: readonly number[];
}

export type ArrayLayout = DenseLayout | TextLayout;

/** An array that is not read, such as one of Python objects; others of its file may be. */
export interface UnreadLayout {
  /** For messages. */
  readonly type: string;
  readonly dims: readonly number[];
  readonly refusal: SoftshardError;
}

export const isRead = (layout: ArrayLayout | UnreadLayout): layout is ArrayLayout => !('refusal' in layout);

/** Throws for an array of words. */
export function numbersOf(path: string, layout: ArrayLayout): DenseLayout {
  if ('elements' in layout) return layout;
  throw formatError(
    path,
    `expected numbers, found ${describe(layout)}`,
    "Words can be labels, not features: array.astype('float32') makes numbers of their digits.",
    { value: layout.text.descr },
  );
}

/** The number of values; throws unless the file can hold them. */
export function expectValues(
  source: ByteSource,
  layout: ArrayLayout,
  remedyIfEmpty = 'Write an array with rows and features.',
): number {
  const { dims } = layout;
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count === 0) {
    throw formatError(
      source.path,
      `expected at least one value, found dims [${dims.join(', ')}]`,
      remedyIfEmpty,
      { value: dims },
    );
  }
  const bytes = count * bytesEach(layout);
  if (!Number.isSafeInteger(bytes)) {
    throw formatError(
      source.path,
      `expected at most ${Number.MAX_SAFE_INTEGER} bytes of values, found ${describe(layout)}`,
      'The header is damaged, or the array too large: split it into files of fewer rows.',
      { value: dims },
    );
  }
  source.expectRoomFor(bytes, describe(layout));
  return count;
}

const bytesEach = (layout: ArrayLayout): number =>
  'text' in layout ? layout.text.bytes : bytesPerElement(layout.elements.type);

/** The type of the elements, for messages. */
export const typeNameOf = (layout: ArrayLayout): string =>
  'text' in layout ? `text (${layout.text.descr})` : layout.elements.type;

export const describe = (layout: ArrayLayout): string =>
  `${typeNameOf(layout)} values of dims [${layout.dims.join(', ')}]`;

interface StoredChunk {
  /** Index of the first element. */
  readonly start: number;
  readonly count: number;
  /** Valid until the next chunk. */
  readonly bytes: Buffer;
}

export async function* storedChunks(
  source: ByteSource,
  layout: ArrayLayout,
  total: number,
): AsyncGenerator<StoredChunk, void, undefined> {
  const width = bytesEach(layout);
  // Not from Node's pool: typed views need an offset that is a multiple of 8.
  const most = CHUNK_BYTES - (CHUNK_BYTES % width);
  const scratch = Buffer.allocUnsafeSlow(Math.min(most, total * width));
  for (let start = 0; start < total; ) {
    const count = Math.min(scratch.length / width, total - start);
    const bytes = scratch.subarray(0, count * width);
    await source.readExactly(bytes, describe(layout));
    yield { start, count, bytes };
    start += count;
  }
}

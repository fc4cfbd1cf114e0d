// Files that numpy, safetensors and scikit-learn wrote, and what they hold (test/fixtures/dense/make.py).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';

export const FIXTURES = fileURLToPath(new URL('../../fixtures/dense/', import.meta.url));
export const fixture = (name: string): string => join(FIXTURES, name);

export interface Expected {
  readonly X: readonly (readonly number[])[];
  readonly y: readonly number[];
  readonly words: readonly string[];
  readonly images: readonly (readonly number[])[];
}

export const expected: Expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));

/** Undefined before Node 22.15. */
export const { zstdCompressSync } = zlib as typeof zlib & {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer;
};

/** Ways to have a file, by the end of its name. */
export const COMPRESSIONS: readonly (readonly [end: string, compress: (bytes: Buffer) => Buffer])[] = [
  ['', (bytes) => bytes],
  ['.gz', (bytes) => gzipSync(bytes)],
  ...(zstdCompressSync ? [['.zst', zstdCompressSync] as const] : []),
];

// How large the parts are in which files pass through memory, and what is said of them.

import type { Engine, Files } from '../index.js';
import { UsageError } from './failures.js';
import { bytes, counted } from './output.js';
import { workersOf } from './session.js';

/** For tests, and for machines with little memory. */
export function partBytes(environment: NodeJS.ProcessEnv = process.env): { readonly partBytes?: number } {
  const { SOFTSHARD_WINDOW_BYTES: text } = environment;
  if (text === undefined || text === '') return {};
  if (/^[1-9]\d{0,14}$/.test(text)) return { partBytes: Number(text) };
  throw new UsageError(
    `SOFTSHARD_WINDOW_BYTES is ${text} in the environment: it must be a whole number of bytes of at least 1`,
  );
}

const ELEMENT_BYTES = { float64: 8, float32: 4, float16: 2, bfloat16: 2 } as const;

/** One line that describes the work. */
export function workOf(
  operation: string,
  { rows, classes, type, parts }: Files.AboutSoftmax,
  engine: Engine,
): string {
  const size = bytes(rows * classes * ELEMENT_BYTES[type]);
  const what = `${counted(rows, 'row')} of ${counted(classes, 'class', 'classes')} (${type}, ${size})`;
  return `${operation} of ${what} in ${counted(parts, 'part')}, ${workersOf(engine)}, ${engine.numerics} numerics`;
}

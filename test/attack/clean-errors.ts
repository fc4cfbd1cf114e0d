// What every rejection has to be: an error of this package with a code, in a short message that no terminal obeys.
import { SoftshardError } from '#softshard/main/index.js';
import { expectThat } from './attack.js';

const CODES: readonly string[] = [
  ...['ERR_OPTION', 'ERR_SHAPE', 'ERR_TARGET_RANGE', 'ERR_EMPTY', 'ERR_TYPE', 'ERR_ARENA_FULL', 'ERR_FREED'],
  'ERR_NOT_FITTED',
  ...['ERR_BUSY', 'ERR_CLOSED', 'ERR_WORKER', 'ERR_NUMERICS', 'ERR_DIVERGED', 'ERR_FILE', 'ERR_FORMAT'],
];
/** A screen: what is at fault is shown cut, the remedy whole. */
const MOST_LETTERS = 2000;

/** Control characters, lone surrogates, ends of lines, and what turns the direction of text. */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** `path`: part of the message that is not the package's. */
export function expectCleanError(error: unknown, path = ''): asserts error is SoftshardError {
  const shown = error instanceof Error ? error.stack : String(error);
  expectThat(error instanceof SoftshardError, `no SoftshardError: ${shown?.slice(0, 1000)}`);
  expectThat(CODES.includes(error.code), `an unknown code: ${error.code}`);
  expectCleanMessage(error.message.replaceAll(path, ''));
}

export function expectCleanMessage(message: string): void {
  expectThat(
    message.length <= MOST_LETTERS,
    `a message of ${message.length} letters: ${message.slice(0, 300)}…`,
  );
  const at = message.search(UNSAFE);
  expectThat(at < 0, `a control character at ${at}: ${JSON.stringify(message)}`);
}

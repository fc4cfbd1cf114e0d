// What every rejection has to be: an error of this package with a code, in a short message that no terminal obeys.
import { SoftshardError } from '#softshard/main/index.js';
import { expectThat } from './attack.js';

const CODES: readonly string[] = [
  ...['ERR_OPTION', 'ERR_SHAPE', 'ERR_TARGET_RANGE', 'ERR_EMPTY', 'ERR_TYPE', 'ERR_ARENA_FULL', 'ERR_FREED'],
  ...['ERR_BUSY', 'ERR_CLOSED', 'ERR_WORKER', 'ERR_NUMERICS', 'ERR_DIVERGED', 'ERR_FILE', 'ERR_FORMAT'],
];
const MOST_LETTERS = 1000;

/** C0 and C1 controls, and what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** `path`: part of the message that is not the package's. */
export function expectCleanError(error: unknown, path = ''): asserts error is SoftshardError {
  const shown = error instanceof Error ? error.stack : String(error);
  expectThat(error instanceof SoftshardError, `no SoftshardError: ${shown?.slice(0, 1000)}`);
  expectThat(CODES.includes(error.code), `an unknown code: ${error.code}`);
  const message = error.message.replaceAll(path, '');
  expectThat(
    message.length <= MOST_LETTERS,
    `a message of ${message.length} letters: ${message.slice(0, 300)}…`,
  );
  const at = message.search(CONTROL);
  expectThat(at < 0, `${error.code} with a control character at ${at}: ${JSON.stringify(message)}`);
}

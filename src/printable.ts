// Text of files and arguments, made safe to show. Control characters act on a terminal; format characters (bidi, zero-width)
// and lone surrogates make text look like another. Nothing but this says how they are shown, and how much of a text is.
import { type InspectOptions, inspect } from 'node:util';

/** Control, format and surrogate characters (a pair is no surrogate here), line and paragraph separators. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** All but line feeds and tabs. */
const UNSAFE_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** For what stands in a line: \n, \x1b, \u{202e} in place of the characters themselves. */
export const printable = (text: string): string => text.replace(UNSAFE, escaped);

/** For text that has lines and tabs of its own. */
export const printableLines = (text: string): string => text.replace(UNSAFE_IN_LINES, escaped);

/** The same JSON, of which a terminal shows every character: those that JSON.stringify leaves as they are become \uXXXX. */
export const printableJson = (json: string): string =>
  json.replace(UNSAFE_IN_LINES, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join(''),
  );

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return SHORT[character] ?? (code <= 0xff ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 0)}}`);
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** What messages show of a text. */
const SHOWN_CHARACTERS = 200;

/** The text, or its beginning and end. A copy: slices would keep a text of any size in memory. */
export function shortened(text: string, begin = SHOWN_CHARACTERS, end = 0): string {
  if (text.length <= begin + end) return text;
  const parts = `${text.slice(0, begin)}…${text.slice(text.length - end)}`;
  return Buffer.from(parts, 'utf16le').toString('utf16le');
}

/** The beginning and the end of a longer message are kept: what is at fault, and the remedy. */
const MESSAGE_BEGIN = 1500;
const MESSAGE_END = 400;

/** A message as it is told: on one line, and never as long as what it is about. */
export const presentable = (message: string): string =>
  printable(shortened(message, MESSAGE_BEGIN, MESSAGE_END));

const SHORT_INSPECTION: InspectOptions = {
  depth: 0,
  maxArrayLength: 4,
  maxStringLength: 60,
  breakLength: Number.POSITIVE_INFINITY,
  customInspect: false,
};

/** A short rendering of a value for messages. */
export function inspectValue(value: unknown): string {
  try {
    return shortened(inspect(value, SHORT_INSPECTION));
  } catch {
    // A getter of its own that says what it is.
    return `something of type ${typeof value}`;
  }
}

/** In quotes, for messages: cut where it is long. */
export const quoted = (text: string): string => printable(JSON.stringify(shortened(text)));

const LISTED_NAMES = 20;
const LISTED_CHARACTERS = 40;

/** Names for messages: the first of many, each cut where it is long. */
export function listed(names: readonly string[], most = LISTED_NAMES): string {
  const shown = names.slice(0, most).map((name) => shortened(name, LISTED_CHARACTERS));
  const more = names.length - shown.length;
  return printable(shown.join(', ')) + (more > 0 ? ` and ${more} more` : '');
}

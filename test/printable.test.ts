import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SoftshardError } from '#softshard/errors.js';
import { listed, printable, printableJson, printableLines, quoted, shortened } from '#softshard/printable.js';

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const anyText = fc.string({ unit: 'binary', maxLength: 30 });

describe('printable text', () => {
  test('has no control, format or surrogate character left (R2)', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(printable(text)).not.toMatch(UNSAFE);
        expect(quoted(text)).not.toMatch(UNSAFE);
        expect(listed([text, text])).not.toMatch(UNSAFE);
        expect(printableLines(text).replace(/[\n\t]/g, '')).not.toMatch(UNSAFE);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test.each([
    ['a window title', '\x1b]0;pwned\x07', '\\x1b]0;pwned\\x07'],
    ['C1, with which some terminals begin a command', '\u009b31m', '\\x9b31m'],
    ['DEL', 'a\x7fb', 'a\\x7fb'],
    ['the end of a line', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
    [
      'writing from right to left',
      '\u202egnp.exe\u2066\u200f\u061c',
      '\\u{202e}gnp.exe\\u{2066}\\u{200f}\\u{61c}',
    ],
    ['what takes no room', 'a\u200b\u2060\ufeff\u00adb', 'a\\u{200b}\\u{2060}\\u{feff}\\xadb'],
    ['tags', '\u{e0041}', '\\u{e0041}'],
    ['half a pair', '\ud83d', '\\u{d83d}'],
    ['line and paragraph separators', '\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['nothing of other text', 'Zürich 東京 😀 ñ × … ’', 'Zürich 東京 😀 ñ × … ’'],
  ])('shows %s (R2)', (_, text, wanted) => {
    expect(printable(text)).toBe(wanted);
  });

  test('is the same JSON (R2)', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, anyText), (object) => {
        const json = printableJson(JSON.stringify(object, undefined, 2));
        expect(json.replaceAll('\n', '')).not.toMatch(UNSAFE);
        expect(JSON.parse(json)).toEqual(object);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('is cut where it is long, pairs and all (R6)', () => {
    expect(shortened('a'.repeat(200))).toBe('a'.repeat(200));
    expect(shortened('a'.repeat(201))).toBe(`${'a'.repeat(200)}…`);
    expect(shortened('abcdefgh', 2, 3)).toBe('ab…fgh');
    expect(quoted(`${'a'.repeat(199)}😀`)).toBe(`"${'a'.repeat(199)}\\ud83d…"`);
    const names = Array.from({ length: 30 }, (_, i) => `name${i}`.repeat(i === 0 ? 1000 : 1));
    expect(listed(names)).toMatch(/^name0.{35}…, name1, .*name19 and 10 more$/);
  });
});

describe('messages of errors', () => {
  test('have nothing that acts on a terminal, whoever wrote it (R2)', () => {
    const { message, stack } = new SoftshardError('ERR_FILE', 'a\x1b[31m\n\u202eb: cannot be read');
    expect(message).toBe('a\\x1b[31m\\n\\u{202e}b: cannot be read');
    expect(stack).toContain(message);
    expect(stack?.replaceAll('\n', '')).not.toMatch(UNSAFE);
  });

  test('keep their begin and their remedy, and no more of a long text (R6)', () => {
    const long = 'x'.repeat(1e6);
    const error = new SoftshardError('ERR_FORMAT', `file: found ${long}. Write it again.`, { value: long });
    expect(error.message).toMatch(/^file: found x+…x+\. Write it again\.$/);
    expect(error.message.length).toBeLessThan(2000);
    expect(error.value).toBe(`${'x'.repeat(200)}…`);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineNumbers, RecordScanner } from '#softshard/main/data/csv/record-scanner.js';

interface Scanned {
  readonly packed: string;
  readonly records: number;
  /** The line of the file where each record ends. */
  readonly lines: readonly number[];
}

/** In chunks of `size` bytes. */
function scan(text: string, size: number, delimiter = ','): Scanned {
  const numbers = new LineNumbers();
  const scanner = new RecordScanner('file', delimiter, numbers);
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let begin = 0; begin < bytes.length; begin += size) {
    const chunk = Buffer.from(bytes.subarray(begin, begin + size));
    parts.push(chunk.subarray(0, scanner.pack(chunk)));
  }
  scanner.end();
  const packed = Buffer.concat(parts).toString();
  return { packed, records: scanner.records, lines: packedLines(packed).map((line) => numbers.lineOf(line)) };
}

/** Records by words, in chunks of `size` bytes. */
function count(text: string, size: number): number {
  const scanner = new RecordScanner('file', ',');
  const bytes = Buffer.from(text);
  for (let begin = 0; begin < bytes.length; begin += size) {
    scanner.count(Buffer.from(bytes.subarray(begin, begin + size)));
  }
  scanner.end();
  return scanner.records;
}

/** Where records end in text without blank lines, as csv-parse counts: each CR and LF within quotes, a CRLF else, is a line. */
function packedLines(packed: string): number[] {
  const ends: number[] = [];
  let line = 1;
  let quoted = false;
  for (const [part] of packed.matchAll(/"|\r\n|[\r\n]|$/g)) {
    if (part === '"') quoted = !quoted;
    else if (quoted) line += part.length;
    else {
      if (part !== '' || !/(^|[\r\n])$/.test(packed)) ends.push(line);
      line++;
    }
  }
  return ends;
}

/** Records and the lines where they end, by the file as a whole. */
function expectedOf(text: string): Pick<Scanned, 'records' | 'lines'> {
  const lines: number[] = [];
  const records = text.replace(/^\uFEFF/, '').matchAll(/(?:"[^"]*"|[^"\r\n])*(?:\r\n|\r|\n|$)/g);
  let line = 1;
  for (const [record] of records) {
    const ends = record.match(/\r\n|\r|\n/g)?.length ?? 0;
    const hasEnd = /[\r\n]$/.test(record);
    if (record.trim() !== '') lines.push(hasEnd ? line + ends - 1 : line + ends);
    line += ends;
  }
  return { records: lines.length, lines };
}

describe('RecordScanner', () => {
  it('counts records and their lines as the whole text has them, whatever the chunks, and leaves no blank line', () => {
    const part = fc.constantFrom(
      '1',
      'a,bcdefghi',
      '"x\r\ny"',
      '"\n\n"',
      '"a""b"',
      ' ',
      '\t',
      '\n',
      '\r\n',
      '\r',
      '\n\n',
      'é',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), fc.integer({ min: 3, max: 9 }), (parts, size) => {
        const text = parts.join('');
        const { packed, ...found } = scan(text, size);
        expect(found, JSON.stringify(text)).toEqual(expectedOf(text));
        const unquoted = packed.replaceAll(/"[^"]*"/g, 'q');
        expect(unquoted, JSON.stringify(text)).not.toMatch(/(^|[\r\n])[ \t]|\n[\r\n]|\r\r|^[\r\n]/);
        expect(packed.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
        expect(count(text, 4 * size), JSON.stringify(text)).toBe(found.records);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves nothing of a million blank lines, and knows the line after them (R8)', () => {
    const blank = ' \n\t\r\n\n'.repeat(300_000);
    expect(scan(`1,2\n${blank}3,4\n`, 1 << 16)).toEqual({
      packed: '1,2\n3,4\n',
      records: 2,
      lines: [1, 900_002],
    });
  });

  it('keeps blanks that are delimiters', () => {
    expect(scan('\t1\n \t\n', 64, '\t').packed).toBe('\t1\n\t\n');
    expect(scan(' 1\n\t 2\n', 64, ' ').packed).toBe(' 1\n 2\n');
  });

  const scanAll = (text: string, delimiter = ',') => {
    const scanner = new RecordScanner('file', delimiter, undefined, { bytes: 40, cells: 5 });
    for (let begin = 0; begin < text.length; begin += 7)
      scanner.pack(Buffer.from(text.slice(begin, begin + 7)));
    scanner.end();
    return scanner.records;
  };

  it.each([
    [
      'bytes',
      `1\n\n${'1'.repeat(41)}\n`,
      'line 3: expected at most 40 bytes in a record, found more. Write one row a line',
    ],
    ['bytes, never ending', '1'.repeat(100), 'line 1: expected at most 40 bytes'],
    ['bytes after a stray quote', `1,"2\n${'3,4\n'.repeat(20)}`, 'Close the quote of line 1, or double it'],
    ['cells', '1\n1,2,3,4,5,6\n', 'line 2: expected at most 5 cells in a record'],
    ['empty cells', ','.repeat(30), 'line 1: expected at most 5 cells in a record'],
  ])('refuses more %s in a record than it may have (R1)', (_, text, finding) => {
    expect(() => scanAll(text)).toThrow(finding);
  });

  it('takes records up to the bounds, one after the other, and delimiters of several characters', () => {
    expect(scanAll(`${'1'.repeat(40)}\n`.repeat(3))).toBe(3);
    expect(scanAll('1,2,3,4,"5,6"\n'.repeat(3))).toBe(3);
    expect(scanAll('1||2||3||4||5\n'.repeat(3), '||')).toBe(3);
    expect(() => scanAll('1||2||3||4||5||6\n', '||')).toThrow('cells');
  });
});

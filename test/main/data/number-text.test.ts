import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareDecimals,
  decimalOf,
  delimiterBetweenNumbers,
  exactKey,
  hasLeadingZeros,
  isMissingAmongNumbers,
  isNotAValue,
  isNumberText,
  isWhole,
  withoutExponent,
} from '#softshard/main/data/number-text.js';

/** Another way to exact values: an integer of as many decimal places as all have. */
function scaled(text: string): bigint {
  const [mantissa, exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa!.replace(/^[+-]/, '').split('.');
  const places = 60 + Number(exponent) - fraction.length;
  const magnitude = BigInt(`${whole}${fraction}` || '0') * 10n ** BigInt(places);
  return text.startsWith('-') ? -magnitude : magnitude;
}

const digits = (maxLength: number) =>
  fc.array(fc.constantFrom(...'0019'), { maxLength }).map((list) => list.join(''));

const numberText = fc
  .tuple(
    fc.constantFrom('', '+', '-'),
    digits(20),
    fc.constantFrom('', '.'),
    digits(20),
    fc.integer({ min: -12, max: 12 }),
  )
  .map(([sign, whole, point, fraction, exponent]) => {
    const mantissa = point === '' ? whole || '0' : `${whole}.${fraction}`;
    return `${sign}${mantissa === '.' ? '.0' : mantissa}${exponent === 0 ? '' : `e${exponent}`}`;
  });

describe('decimals', () => {
  it('compare and equal as integers of 60 decimal places do', () => {
    fc.assert(
      fc.property(numberText, numberText, (a, b) => {
        const [one, other] = [decimalOf(a)!, decimalOf(b)!];
        const order = scaled(a) < scaled(b) ? -1 : scaled(a) > scaled(b) ? 1 : 0;
        expect(Math.sign(compareDecimals(one, other)), `${a} against ${b}`).toBe(order);
        expect(exactKey(one) === exactKey(other), `${a} against ${b}`).toBe(order === 0);
        expect(isWhole(one), a).toBe(scaled(a) % 10n ** 60n === 0n);
      }),
      { numRuns: 2000 },
    );
  });

  it('take exponents of any size, and nothing but decimal notation', () => {
    const huge = ['-1e99999999999999999999', '-2', '0e99999999999999999999', '1e-99999999999999999999', '3'];
    const sorted = [...huge].reverse().sort((a, b) => compareDecimals(decimalOf(a)!, decimalOf(b)!));
    expect(sorted).toEqual(huge);
    for (const text of ['', '.', '+', '1e', '0x10', 'NaN', 'inf', '1 2', '1_000', '١']) {
      expect(decimalOf(text), text).toBeUndefined();
      expect(isNumberText(text), text).toBe(false);
    }
  });

  it('know leading zeros, which a lone 0 and fractions have not', () => {
    expect(['02139', '-007', '00', '01.5'].every(hasLeadingZeros)).toBe(true);
    expect(['0', '0.5', '-0', '10', '0e5'].some(hasLeadingZeros)).toBe(false);
  });

  it('are written without exponent where they are whole and not too long', () => {
    const texts = ['1.000000000000000000e+00', '-2.50e1', '0.0e0', '1e20', '2.5e0', '1.0', '+1'];
    const written = ['1', '-25', '0', '1e20', '2.5e0', '1.0', '+1'];
    expect(texts.map(withoutExponent)).toEqual(written);
  });
});

describe('texts that are no numbers', () => {
  it('stand for a missing value everywhere, or among numbers only', () => {
    for (const text of ['nan', 'NaN', '-nan', '<NA>', '#N/A', 'NaT'])
      expect(isNotAValue(text), text).toBe(true);
    for (const text of ['NA', 'N/A', 'null', 'None', '?', 'inf', '-Infinity', 'nan']) {
      expect(isMissingAmongNumbers(text), text).toBe(true);
    }
    for (const text of ['NA', 'None', 'null', 'Nan']) expect(isNotAValue(text), text).toBe(false);
    for (const text of ['none', 'Na', 'infinite', '0', 'a'])
      expect(isMissingAmongNumbers(text), text).toBe(false);
  });

  it.each([
    ['1 2', ' '],
    ['1.0e+00   2.0e+00', ' '],
    ['1;2', ';'],
    ['1\t2', '\t'],
    ['1, 2', ','],
    ['1|2', '|'],
    ['1', undefined],
    ['ankle boot', undefined],
    ['1 a', undefined],
    ['1;', undefined],
    ['', undefined],
  ])('%j has the delimiter %j between numbers', (text, delimiter) => {
    expect(delimiterBetweenNumbers(text)).toBe(delimiter);
  });
});

it('a million digits that end in something else are no number, and that takes no time (R8)', () => {
  const begin = performance.now();
  expect(isNumberText(`${'1'.repeat(1_000_000)}x`)).toBe(false);
  expect(decimalOf(`1${'0'.repeat(1_000_000)}1`)?.digits.length).toBe(1_000_002);
  // The square of it would take hours.
  expect(performance.now() - begin).toBeLessThan(10_000);
});

// Numbers as text: what counts as one, and their exact decimal values, which float64 would round.

/**
 * Decimal notation: sign, digits, exponent; no hexadecimal, "NaN" or "inf". No digit can match two parts of the pattern, which
 * would take quadratic time.
 */
const NUMBER = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d+))?$/;

export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}

/** What stands before the fraction of a number: 1.5 or 1,5. */
export type DecimalMark = '.' | ',';

/** The number with a decimal point: 1,5 is 1.5 where the mark is a comma, and 1.5 is no number there. */
export const withPoint = (text: string, mark: DecimalMark | undefined): string =>
  mark === ',' ? text.replace(/[.,]/g, (found) => (found === ',' ? '.' : ',')) : text;

/** Text that is no number stays as it is. */
export function textWithPoint(text: string, mark: DecimalMark | undefined): string {
  if (mark !== ',') return text;
  const number = withPoint(text, mark);
  return isNumberText(number) ? number : text;
}

/** 02139, -007: digits that name something rather than count it. */
export const hasLeadingZeros = (text: string): boolean => /^[+-]?0\d/.test(text);

/** sign · 0.digits · 10^exponent, with neither leading nor trailing zeros in the digits; zero has none. */
export interface Decimal {
  readonly sign: -1 | 1;
  readonly digits: string;
  readonly exponent: bigint;
}

/** Undefined if the text is not a number. */
export function decimalOf(text: string): Decimal | undefined {
  const [, sign, mantissa, power = '0'] = NUMBER.exec(text) ?? [];
  if (mantissa === undefined) return undefined;
  const [whole = '', fraction = ''] = mantissa.split('.');
  const significant = (whole + fraction).replace(/^0+/, '');
  const digits = withoutZerosAtEnd(significant);
  if (digits === '') return { sign: 1, digits, exponent: 0n };
  const exponent = BigInt(significant.length - fraction.length) + BigInt(power);
  return { sign: sign === '-' ? -1 : 1, digits, exponent };
}

/** A loop, because /0+$/ is tried anew at each zero. */
function withoutZerosAtEnd(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

/** The same text for equal numbers: 1, 1.0, +1 and 10e-1. */
export const exactKey = ({ sign, digits, exponent }: Decimal): string => `${sign}:${digits}e${exponent}`;

export const isWhole = ({ digits, exponent }: Decimal): boolean => exponent >= BigInt(digits.length);

/** 1.000e+02 -> 100; texts that are not whole numbers, or beyond 20 digits, stay as they are. */
export function withoutExponent(text: string): string {
  const value = /e/i.test(text) ? decimalOf(text) : undefined;
  if (!value || !isWhole(value) || value.exponent > 20n) return text;
  const digits = value.digits.padEnd(Number(value.exponent), '0');
  return digits === '' ? '0' : `${value.sign < 0 ? '-' : ''}${digits}`;
}

/** For sorting by value. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const [signA, signB] = [signOf(a), signOf(b)];
  if (signA !== signB) return signA - signB;
  if (a.exponent !== b.exponent) return a.exponent < b.exponent ? -signA : signA;
  if (a.digits === b.digits) return 0;
  // Digits after the decimal point: the order of their texts is that of their values.
  return a.digits < b.digits ? -signA : signA;
}

const signOf = ({ sign, digits }: Decimal): number => (digits === '' ? 0 : sign);

/** What numpy and pandas write for a missing value; never a name. */
const NOT_A_VALUE = /^(?:[+-]?(?:nan|NaN|NAN)|NaT|<NA>|#N\/A(?: N\/A)?|#NA|-?1\.#(?:IND|QNAN))$/;

/** What pandas reads as missing, and other signs for it; among words they are names ("None" may be a class). */
const MISSING_AMONG_NUMBERS = /^(?:Nan|NA|N\/A|n\/a|NULL|null|None|[+-]?(?:[Ii]nf(?:inity)?|INF)|\?|-|\.)$/;

export const isNotAValue = (text: string): boolean => NOT_A_VALUE.test(text);

export const isMissingAmongNumbers = (text: string): boolean =>
  NOT_A_VALUE.test(text) || MISSING_AMONG_NUMBERS.test(text);

/** A cell of a column of truth values, which are 1 and 0 as in other tables: pandas writes True, R TRUE, databases true. */
export const isTruth = (text: string): boolean => /^(?:true|false)$/i.test(text);

/** Delimiters that files have in place of the expected one; blanks last, since words have them too. */
const OTHER_DELIMITERS = [';', '\t', '|', ',', ' '];

/** The delimiter between numbers of which a text consists: two or more. */
export function delimiterBetweenNumbers(text: string): string | undefined {
  return OTHER_DELIMITERS.find((delimiter) => {
    const parts = text.split(delimiter).map((part) => part.trim());
    const cells = delimiter === ' ' ? parts.filter((part) => part !== '') : parts;
    return cells.length > 1 && cells.every(isNumberText);
  });
}

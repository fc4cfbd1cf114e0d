// Parsers of option values; commander puts the option's name before their messages.

import { InvalidArgumentError } from 'commander';
import type { Files } from '../index.js';

/** Decimal notation. */
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

function parseInteger(text: string, minimum: number, maximum: number): number | undefined {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  return Number.isInteger(value) && value >= minimum && value <= maximum ? value : undefined;
}

export function integer(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = parseInteger(text, minimum, maximum);
    if (value !== undefined) return value;
    const range =
      maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** A finite number in [0, limit), or in (0, limit) when it must be `positive`. */
export function numberBelow(
  limit: number,
  { positive = false }: { readonly positive?: boolean } = {},
): (text: string) => number {
  return (text) => {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    if (Number.isFinite(value) && value < limit && (positive ? value > 0 : value >= 0)) return value;
    const from = positive ? 'greater than 0' : 'of at least 0';
    throw new InvalidArgumentError(
      `It must be a number ${from}${Number.isFinite(limit) ? ` and less than ${limit}` : ''}.`,
    );
  };
}

/** Two numbers in [0, limit), separated by a comma. */
export function pairBelow(limit: number): (text: string) => [number, number] {
  return (text) => {
    const [first = Number.NaN, second = Number.NaN, ...more] = text
      .split(',')
      .map((part) => (NUMBER.test(part.trim()) ? Number(part) : Number.NaN));
    const isBelow = (value: number) => value >= 0 && value < limit;
    if (isBelow(first) && isBelow(second) && more.length === 0) return [first, second];
    throw new InvalidArgumentError(
      `It must be two numbers from 0 to less than ${limit}, separated by a comma.`,
    );
  };
}

/** A number of steps, or below 1 a fraction of all. */
export function stepsOrFraction(text: string): number {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && (value < 1 || Number.isSafeInteger(value))) return value;
  throw new InvalidArgumentError('It must be a whole number of steps, or a fraction of all steps below 1.');
}

export function fraction(text: string): number {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

export function rowsOrFull(text: string): number | 'full' {
  if (text === 'full') return text;
  const rows = parseInteger(text, 1, 2 ** 31 - 1);
  if (rows !== undefined) return rows;
  throw new InvalidArgumentError('It must be a whole number of rows of at least 1, or full.');
}

/** Catches a forgotten value: --output --json. A file of that name can be given as ./--json. */
export function path(text: string): string {
  if (text !== '' && !text.startsWith('--')) return text;
  throw new InvalidArgumentError('It must be a file name.');
}

/** As path, but - is standard output. A file of that name can be given as ./-. */
export const outputPath = (text: string): string => (text === '-' ? '/dev/stdout' : path(text));

/** An index from 0, or from the end as -1; any other text is a name. */
export function columnKey(text: string): Files.ColumnKey {
  if (text === '') throw new InvalidArgumentError('It must be the name or the index of a column.');
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

export function columnKeys(text: string): Files.ColumnKey[] {
  return text.split(',').map((key) => columnKey(key.trim()));
}

/** Of an option that may be repeated. */
export const moreColumnKeys = (text: string, former: readonly Files.ColumnKey[] = []): Files.ColumnKey[] => [
  ...former,
  ...columnKeys(text),
];

export function delimiter(text: string): string {
  const character = text === '\\t' || text === 'tab' ? '\t' : text;
  if (character.length === 1) return character;
  throw new InvalidArgumentError('It must be one character, or tab.');
}

const UNITS = ['', 'K', 'M', 'G', 'T'];
const LEAST_MEMORY_BYTES = 128 * 1024 * 1024;

/** Bytes, with units of 1024: 800M, 1.5G, 4GiB. */
export function memorySize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
  if (Number.isSafeInteger(bytes) && bytes >= LEAST_MEMORY_BYTES) return bytes;
  throw new InvalidArgumentError('It must be a size of at least 128M, such as 800M or 4G.');
}

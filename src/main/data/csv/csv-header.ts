// Whether line 1 of a CSV file holds names or values, where nobody says so.

import { delimiterBetweenNumbers, isMissingAmongNumbers, isNumberText } from '../number-text.js';

/**
 * 'names' and 'values' are certain. 'counting': 0, 1, 2, …, as pandas calls the columns of an array, and as values may run;
 * 'zero': the same with one number alone. 'known': all names that were asked for, numbers though they are.
 */
export type FirstLine = 'names' | 'known' | 'counting' | 'zero' | 'values';

export interface LineColumns {
  readonly features: readonly number[];
  readonly label: number | undefined;
  /** The names of features that are wanted, if any are. */
  readonly wanted: readonly string[] | undefined;
}

export function judgeFirstLine(first: readonly string[], columns: LineColumns): FirstLine {
  const { features, wanted } = columns;
  if (wanted && hasAll(first, columns, wanted)) return wanted.every(isNumberText) ? 'known' : 'names';
  const cells = features.map((index) => first[index]!);
  if (!cells.some(isNumberText) && cells.some((cell) => cell !== '')) {
    const isGap = cells.every((cell) => cell === '' || isMissingAmongNumbers(cell));
    const isOtherDelimiter = first.length === 1 && delimiterBetweenNumbers(first[0]!) !== undefined;
    return isGap || isOtherDelimiter ? 'values' : 'names';
  }
  return judgeNumbers(first, features);
}

function hasAll(first: readonly string[], { label }: LineColumns, wanted: readonly string[]): boolean {
  const names = new Set(first.filter((_, index) => index !== label));
  return wanted.every((name) => names.has(name));
}

/** Cells that are no features may be words: a label's name, say. */
function judgeNumbers(first: readonly string[], features: readonly number[]): FirstLine {
  const numbers = first.filter(isNumberText);
  if (!isCounting(numbers)) return 'values';
  const gaps = features.filter((index) => !isNumberText(first[index]!));
  // pandas leaves the name of the column of row numbers empty, which is the first.
  if (gaps.length > 0) return gaps.length === 1 && gaps[0] === 0 && first[0] === '' ? 'names' : 'values';
  return numbers.length > 1 ? 'counting' : 'zero';
}

/** 0, 1, 2, …: places, not names. */
export const isCounting = (texts: readonly string[]): boolean =>
  texts.length > 0 && texts.every((text, index) => text === String(index));

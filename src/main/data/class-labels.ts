// Turns labels written as text into class indices.

import type { SoftshardError } from '../../errors.js';
import { didYouMean } from '../../nearest-name.js';
import { listed, quoted } from '../../printable.js';
import { checkStrings } from '../checks.js';
import { allocateFor, formatError } from './errors.js';
import {
  compareDecimals,
  type Decimal,
  decimalOf,
  exactKey,
  hasLeadingZeros,
  isMissingAmongNumbers,
  isNotAValue,
  isNumberText,
  isTruth,
  isWhole,
  withoutExponent,
} from './number-text.js';
import type { LabelOptions } from './read-options.js';

/** More distinct labels are no classes but, say, row numbers; a Map ends at 2^24. */
export const MAX_CLASSES = 1_000_000;
const MAX_LABEL_CHARACTERS = 1000;
/** All distinct labels together. */
const MAX_CHARACTERS = 2 ** 26;

interface Found {
  readonly code: number;
  /** Of its first occurrence. */
  readonly line: number;
}

/**
 * Without given names, the classes are the distinct labels, sorted. If all are numbers they are sorted by value ("9" before
 * "10"), and equal numbers ("1", "1.0") are one class with the first spelling, but without exponent; else by UTF-16 code
 * units, whatever the locale. A number with leading zeros (a postcode) makes all labels text.
 */
export class ClassLabels {
  readonly #path: string;
  readonly #options: LabelOptions;
  /** Where a label is, for messages, by what `add` was told of it. */
  readonly #placeOf: (line: number) => string;
  readonly #given: LabelMatcher | undefined;
  /** Distinct labels in order of appearance. */
  readonly #found = new Map<string, Found>();
  #foundCharacters = 0;
  /** Class indices if names are given, else codes of `#found`. */
  readonly #codes: Int32Array;
  #rows = 0;

  constructor(
    path: string,
    maxRows: number,
    options: LabelOptions,
    placeOf = (line: number) => `line ${line}`,
  ) {
    this.#path = path;
    this.#options = options;
    this.#placeOf = placeOf;
    this.#codes = allocateFor(path, () => new Int32Array(maxRows));
    this.#given = options.classNames && new LabelMatcher(options.classNames);
  }

  get count(): number {
    return this.#rows;
  }

  add(label: string, line: number): void {
    this.#codes[this.#rows] = this.#codeOf(label, line, this.#rows);
    this.#rows++;
  }

  /** Inserts the label of line 1, which turned out not to be a header. */
  insertFirst(label: string, line: number): void {
    const code = this.#codeOf(label, line, 0);
    this.#codes.copyWithin(1, 0, this.#rows);
    this.#codes[0] = code;
    this.#rows++;
  }

  #codeOf(label: string, line: number, row: number): number {
    if (this.#given) return this.#given.indexOf(label) ?? this.#unknown(label, line, row);
    const known = this.#found.get(label);
    if (known) return known.code;
    this.#checkText(label, line, row);
    this.#foundCharacters += label.length;
    if (this.#found.size === MAX_CLASSES || this.#foundCharacters > MAX_CHARACTERS) {
      throw this.#error(
        line,
        row,
        label,
        `expected at most ${MAX_CLASSES} classes, of ${MAX_CHARACTERS} characters together, found another: ${quoted(label)}`,
        'Choose the column that holds classes in options.labelColumn.',
      );
    }
    const code = this.#found.size;
    this.#found.set(label, { code, line });
    return code;
  }

  #unknown(label: string, line: number, row: number): never {
    this.#checkText(label, line, row);
    const classNames = this.#options.classNames!;
    // Of numbers all are near.
    const meant = isNumberText(label) ? '' : didYouMean(label, classNames, quoted);
    throw this.#error(
      line,
      row,
      label,
      `expected a label that is one of the classes (${listed(classNames)}), found ${quoted(label)}${meant}`,
      'Correct the label, or train a model that knows this class.',
    );
  }

  #checkText(label: string, line: number, row: number): void {
    const refuse = (finding: string, remedy: string) => this.#error(line, row, label, finding, remedy);
    if (label === '') {
      throw refuse('expected a label, found an empty cell', 'Fill it in or leave the row out.');
    }
    if (isNotAValue(label)) throw this.#missing(label, line, row);
    if (label.includes('\uFFFD')) {
      throw refuse(`expected UTF-8 text, found the label ${quoted(label)}`, 'Save the file as UTF-8.');
    }
    if (label.length > MAX_LABEL_CHARACTERS) {
      throw refuse(
        `expected a label of at most ${MAX_LABEL_CHARACTERS} characters, found ${label.length}: ${quoted(label)}`,
        'Choose the column that holds classes in options.labelColumn.',
      );
    }
  }

  #missing(label: string, line: number, row: number | undefined): SoftshardError {
    const finding = `expected a label, found ${quoted(label)}, which is no value`;
    return this.#error(line, row, label, finding, 'Fill it in or leave the row out.');
  }

  #error(line: number, row: number | undefined, value: string, finding: string, remedy: string) {
    const details = { ...(row !== undefined && { row }), value };
    return formatError(this.#path, `${this.#placeOf(line)}: ${finding}`, remedy, details);
  }

  /**
   * Judges line 1, whose label has not been added: a header if it is a word above numbers or a number above words, a row if
   * its label occurs again.
   */
  judgeFirst(label: string): 'header' | 'row' | undefined {
    const others = this.#options.classNames ?? [...this.#found.keys()];
    if (isMissingAmongNumbers(label) || others.length === 0) return undefined;
    const isKnown = this.#given ? this.#given.indexOf(label) !== undefined : this.#found.has(label);
    if (isNumberText(label)) return !isKnown && !others.some(isNumberText) ? 'header' : undefined;
    if (isKnown) return 'row';
    return others.every(isNumberText) ? 'header' : undefined;
  }

  /** Whether only the first label is a word, the others numbers: line 1 is probably a header. */
  get firstIsOddOneOut(): boolean {
    const [first, ...others] = this.#found.keys();
    if (first === undefined || others.length === 0 || isNumberText(first)) return false;
    if (isMissingAmongNumbers(first) || !others.every(isNumberText)) return false;
    return !this.#codes.subarray(1, this.#rows).includes(0);
  }

  /** In order of appearance, as written; empty if class names are given. */
  get distinct(): string[] {
    return [...this.#found.keys()];
  }

  finish(): { targets: Int32Array; classNames: string[] } {
    const targets = this.#codes.slice(0, this.#rows);
    const { classNames: given } = this.#options;
    if (given) return { targets, classNames: [...given] };
    const labels = this.distinct;
    this.#checkNumbers(labels);
    const { classNames, classOf } = classesOf(labels);
    for (let row = 0; row < targets.length; row++) targets[row] = classOf[targets[row]!]!;
    return { targets, classNames };
  }

  #checkNumbers(labels: readonly string[]): void {
    const others = labels.filter((label) => !isMissingAmongNumbers(label));
    if (others.length === 0 || !others.every(isNumberText)) return;
    const gap = labels.find(isMissingAmongNumbers);
    if (gap !== undefined) throw this.#missing(gap, this.#found.get(gap)!.line, undefined);
    if (this.#options.numericLabels === 'any') return;
    const part = labels.find((label) => !isWhole(decimalOf(label)!));
    if (part === undefined) return;
    throw this.#error(
      this.#found.get(part)!.line,
      undefined,
      part,
      `expected classes, found continuous values, of which ${quoted(part)} is the first that is no whole number`,
      'A classifier predicts classes: choose the column that holds them in options.labelColumn, or put the values into ' +
        'classes. If they are names of classes, list them in options.classNames.',
    );
  }
}

export interface Classes {
  readonly classNames: string[];
  /** Class by code of a label. */
  readonly classOf: Int32Array;
}

/** The classes of distinct labels, whose places are their codes. */
export function classesOf(labels: readonly string[]): Classes {
  const areNumbers = labels.every(isNumberText) && !labels.some(hasLeadingZeros);
  return areNumbers ? classesByValue(labels) : classesByText(labels);
}

function classesByText(labels: readonly string[]): Classes {
  const classNames = [...labels].sort();
  const indices = new Map(classNames.map((name, index) => [name, index]));
  return { classNames, classOf: Int32Array.from(labels, (label) => indices.get(label)!) };
}

/** A class is named by its first label. */
function classesByValue(labels: readonly string[]): Classes {
  const firsts = new Map<string, { readonly name: string; readonly value: Decimal }>();
  const keys = labels.map((name) => {
    const value = decimalOf(name)!;
    const key = exactKey(value);
    if (!firsts.has(key)) firsts.set(key, { name, value });
    return key;
  });
  const sorted = [...firsts].sort(([, a], [, b]) => compareDecimals(a.value, b.value));
  const indices = new Map(sorted.map(([key], index) => [key, index]));
  return {
    classNames: sorted.map(([, { name }]) => withoutExponent(name)),
    classOf: Int32Array.from(keys, (key) => indices.get(key)!),
  };
}

/** The truth value that a label is: True in pandas, TRUE in R, true in JSON, 1 in arrays, 1.0 beside missing ones. */
function truthOf(label: string): string | undefined {
  if (isTruth(label)) return label.toLowerCase();
  if (!isNumberText(label) || hasLeadingZeros(label)) return undefined;
  return { 0: 'false', 1: 'true' }[Number(label)];
}

/** Finds the class with the same name as a label, or with a name that is the same number. */
class LabelMatcher {
  readonly #byName: ReadonlyMap<string, number>;
  /** Of two classes that are truth values. */
  readonly #byTruth: ReadonlyMap<string | undefined, number> | undefined;
  /** By exact value; empty if a name has leading zeros, which makes all names text. */
  readonly #byValue = new Map<string, number>();

  constructor(classNames: readonly string[]) {
    this.#byName = new Map(classNames.map((name, index) => [name, index]));
    const truths = new Map(classNames.map((name, index) => [truthOf(name), index]));
    if (classNames.length === 2 && truths.has('true') && truths.has('false')) this.#byTruth = truths;
    if (classNames.some(hasLeadingZeros)) return;
    for (const [index, name] of classNames.entries()) {
      const value = decimalOf(name);
      if (value && !this.#byValue.has(exactKey(value))) this.#byValue.set(exactKey(value), index);
    }
  }

  indexOf(label: string): number | undefined {
    const index = this.#byName.get(label) ?? this.#byTruth?.get(truthOf(label));
    if (index !== undefined || this.#byValue.size === 0 || hasLeadingZeros(label)) return index;
    const value = decimalOf(label);
    return value && this.#byValue.get(exactKey(value));
  }
}

/**
 * The index of each label's class, -1 if there is none. Numbers match by exact value, whatever their spelling ("1", "1.0"),
 * unless one has leading zeros, which makes it text.
 */
export function matchLabels(labels: readonly string[], classNames: readonly string[]): Int32Array {
  checkStrings('labels', labels);
  checkStrings('classNames', classNames);
  const matcher = new LabelMatcher(classNames);
  return Int32Array.from(labels, (label) => matcher.indexOf(label) ?? -1);
}

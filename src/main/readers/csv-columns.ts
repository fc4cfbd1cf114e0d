// Which columns of a CSV file are features and which is the label, and what they are called.

import { SoftshardError } from '../../errors.js';
import { listed, quoted } from '../../printable.js';
import { formatError } from './byte-source.js';

/** A column by its name in the header or by its index from 0; -1 is the last. */
export type ColumnKey = string | number;

export interface ColumnOptions {
  /** The column with the class of each row; without it, all columns are features. */
  readonly labelColumn?: ColumnKey | undefined;
  /** The feature columns in the order wanted; default: all but the label column. */
  readonly featureColumns?: readonly ColumnKey[] | undefined;
  /**
   * Whether line 1 holds names. 'auto' (the default): yes when a column is asked for by name, or when no feature cell
   * of line 1 is a number. Names that are numbers themselves need `true`.
   */
  readonly header?: boolean | 'auto' | undefined;
}

export class Columns {
  /** The number of cells in each record. */
  readonly count: number;
  /** Indices of the feature columns, in the order of the result. */
  readonly features: readonly number[];
  readonly label: number | undefined;
  readonly hasHeader: boolean;
  readonly #names: readonly string[] | undefined;

  /** `first` is the first record of the file, header or not. */
  constructor(path: string, first: readonly string[], options: ColumnOptions) {
    const { labelColumn, featureColumns, header = 'auto' } = options;
    const keys = [...(labelColumn === undefined ? [] : [labelColumn]), ...(featureColumns ?? [])];
    const named = keys.some((key) => typeof key === 'string');
    if (named && header === false) {
      throw new SoftshardError(
        'ERR_OPTION',
        'options.header: false leaves columns without names. Ask for columns by index, or pass header: true.',
        { argument: 'options.header', value: header },
      );
    }
    const names = named || header === true ? first : undefined;
    const indexOf = (key: ColumnKey, argument: string) => columnIndex(path, first, names, key, argument);
    this.count = first.length;
    this.label = labelColumn === undefined ? undefined : indexOf(labelColumn, 'options.labelColumn');
    this.features = featureColumns
      ? featureColumns.map((key) => indexOf(key, 'options.featureColumns'))
      : Array.from(first.keys()).filter((index) => index !== this.label);
    this.hasHeader = names !== undefined || (header === 'auto' && looksLikeHeader(first, this.features));
    this.#names = this.hasHeader ? first : undefined;
  }

  get featureNames(): string[] | undefined {
    const names = this.#names;
    return names && this.features.map((index) => names[index]!);
  }

  /** For messages: column 3 ("petal width"). */
  describe(index: number): string {
    const name = this.#names?.[index];
    return name ? `column ${index + 1} (${quoted(name)})` : `column ${index + 1}`;
  }
}

function columnIndex(
  path: string,
  first: readonly string[],
  names: readonly string[] | undefined,
  key: ColumnKey,
  argument: string,
): number {
  if (typeof key === 'string') {
    const index = names?.indexOf(key) ?? -1;
    const last = names?.lastIndexOf(key) ?? -1;
    if (index !== last) {
      throw formatError(
        path,
        `line 1: expected one column ${quoted(key)}, found it as columns ${index + 1} and ${last + 1}`,
        `Rename one of them, or ask for it by index in ${argument}.`,
        { value: key },
      );
    }
    if (index >= 0) return index;
    throw new SoftshardError(
      'ERR_OPTION',
      `${argument}: expected a column of ${path}, got ${quoted(key)}. Its columns are ${listed(first.map((name) => `"${name}"`))}.`,
      { argument, value: key },
    );
  }
  const index = key < 0 ? first.length + key : key;
  if (Number.isInteger(index) && index >= 0 && index < first.length) return index;
  throw new SoftshardError(
    'ERR_OPTION',
    `${argument}: expected an index from ${-first.length} to ${first.length - 1}, the columns of ${path}, got ${key}.`,
    { argument, value: key },
  );
}

function looksLikeHeader(first: readonly string[], features: readonly number[]): boolean {
  const cells = features.map((index) => first[index]!);
  return cells.some((cell) => cell !== '') && !cells.some(isNumberText);
}

/** Decimal notation; no hexadecimal, no "NaN" or "inf". */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function isNumberText(text: string): boolean {
  return NUMBER.test(text);
}

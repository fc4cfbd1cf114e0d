// Which columns of a CSV file are features and which is the label, and what they are called.

import { SoftshardError } from '../../../errors.js';
import { listed, quoted } from '../../../printable.js';
import { formatError } from '../byte-source.js';
import { delimiterBetweenNumbers } from '../number-text.js';
import { type FirstLine, isCounting, judgeFirstLine } from './csv-header.js';

/** A column by its name in the header or by its index from 0; -1 is the last. */
export type ColumnKey = string | number;

export interface ColumnOptions {
  /** The column with the class of each row; without it, all columns are features. */
  readonly labelColumn?: ColumnKey | undefined;
  /** The feature columns in the order wanted; default: all but the label column. */
  readonly featureColumns?: readonly ColumnKey[] | undefined;
  /**
   * What a model calls its features. Where the file has names the features come in this order, and `featureColumns` does not
   * count; other columns are left out, and a name that is missing is an error. A file without names is read by place.
   */
  readonly featureNames?: readonly string[] | undefined;
  /**
   * Whether line 1 holds names. 'auto' (the default): yes when a column is asked for by name, when no feature cell of
   * line 1 is a number, or when line 1 counts 0, 1, 2, … as pandas names the columns of an array; `headerIsGuess` tells where
   * it may as well be otherwise. Other names that are numbers need `true`.
   */
  readonly header?: boolean | 'auto' | undefined;
}

export class Columns {
  /** The number of cells in each record. */
  readonly count: number;
  /** Indices of the feature columns, in the order of the result. */
  readonly features: readonly number[];
  readonly label: number | undefined;
  readonly firstLine: FirstLine;
  /** Names of the columns that `featureNames` leaves out. */
  readonly unused: readonly string[] | undefined;
  readonly #names: readonly string[] | undefined;

  /** `first` is the first record of the file, header or not. */
  constructor(path: string, first: readonly string[], options: ColumnOptions) {
    const { labelColumn, featureColumns, featureNames: wanted, header = 'auto' } = options;
    const keys = [...(labelColumn === undefined ? [] : [labelColumn]), ...(featureColumns ?? [])];
    const areNamed = keys.some((key) => typeof key === 'string');
    if (areNamed && header === false) {
      throw new SoftshardError(
        'ERR_OPTION',
        'options.header: false leaves columns without names. Ask for columns by index, or pass header: true.',
        { argument: 'options.header', value: header },
      );
    }
    const names = areNamed || header === true ? first : undefined;
    const indexOf = (key: ColumnKey, argument: string) => columnIndex(path, first, names, key, argument);
    const label = labelColumn === undefined ? undefined : indexOf(labelColumn, 'options.labelColumn');
    const features = featureColumns
      ? featureColumns.map((key) => indexOf(key, 'options.featureColumns'))
      : Array.from(first.keys()).filter((index) => index !== label);
    this.count = first.length;
    this.label = label;
    this.firstLine = names
      ? 'names'
      : header === false
        ? 'values'
        : judgeFirstLine(first, { features, label, wanted });
    this.#names = this.hasHeader ? first : undefined;
    const named = this.#names && !featureColumns ? withoutRowNumbers(first, features) : features;
    const byName =
      wanted && this.#names ? featuresByName(path, first, { features: named, label, wanted }) : undefined;
    this.features = byName ?? named;
    const used = new Set(this.features);
    this.unused = featureColumns
      ? undefined
      : first.filter((_, index) => index !== label && !used.has(index));
  }

  /** Where line 1 may be either, this is what it is taken for until more is known. */
  get hasHeader(): boolean {
    return this.firstLine === 'names' || this.firstLine === 'known' || this.firstLine === 'counting';
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

/** pandas and R write the rows' numbers or names as a first column, without a name above it. */
const withoutRowNumbers = (first: readonly string[], features: readonly number[]): readonly number[] =>
  first[0] === '' && features[0] === 0 && features.length > 1 ? features.slice(1) : features;

interface WantedColumns {
  /** Those that are taken where names do not tell. */
  readonly features: readonly number[];
  readonly label: number | undefined;
  readonly wanted: readonly string[];
}

/** Undefined where the columns of one side are only numbered: then places are all there is. */
function featuresByName(
  path: string,
  first: readonly string[],
  { features, label, wanted }: WantedColumns,
): number[] | undefined {
  const columnsOf = new Map<string, number[]>();
  for (const [index, name] of first.entries()) {
    if (index === label) continue;
    const columns = columnsOf.get(name);
    if (columns) columns.push(index);
    else columnsOf.set(name, [index]);
  }
  const missing = wanted.filter((name) => !columnsOf.has(name));
  if (missing.length > 0) {
    const own = features.map((index) => first[index]!);
    if (isCounting(own) || isCounting(wanted)) return undefined;
    throw formatError(
      path,
      `line 1: expected the model's features ${listed(wanted.map(quoted))}, found ${listed([...columnsOf.keys()].map(quoted))}: ` +
        `${listed(missing.map(quoted))} ${missing.length === 1 ? 'is' : 'are'} missing`,
      delimiterRemedy(first) ||
        'Name the columns as in the training data, or give the columns in the order of the features in options.featureColumns.',
      { value: missing },
    );
  }
  return wanted.map((name) => {
    const [index, other] = columnsOf.get(name)!;
    if (other !== undefined) throw ambiguous(path, name, index!, other, 'options.featureColumns');
    return index!;
  });
}

function columnIndex(
  path: string,
  first: readonly string[],
  names: readonly string[] | undefined,
  key: ColumnKey,
  argument: string,
): number {
  const remedy = delimiterRemedy(first);
  const refuse = (expected: string) =>
    new SoftshardError('ERR_OPTION', `${argument}: expected ${expected}.${remedy && ` ${remedy}`}`, {
      argument,
      value: key,
    });
  if (typeof key === 'string') {
    const index = names?.indexOf(key) ?? -1;
    const last = names?.lastIndexOf(key) ?? -1;
    if (index !== last) throw ambiguous(path, key, index, last, argument);
    if (index >= 0) return index;
    throw refuse(`a column of ${path}, got ${quoted(key)}. Its columns are ${listed(first.map(quoted))}`);
  }
  const index = key < 0 ? first.length + key : key;
  if (Number.isInteger(index) && index >= 0 && index < first.length) return index;
  throw refuse(`an index from ${-first.length} to ${first.length - 1}, the columns of ${path}, got ${key}`);
}

function ambiguous(
  path: string,
  name: string,
  index: number,
  other: number,
  argument: string,
): SoftshardError {
  return formatError(
    path,
    `line 1: expected one column ${quoted(name)}, found it as columns ${index + 1} and ${other + 1}`,
    `Rename one of them, or ask for it by index in ${argument}.`,
    { value: name },
  );
}

/** A file of one column that holds another usual delimiter was probably written with that; else ''. */
export function delimiterRemedy(first: readonly string[]): string {
  const [text = '', ...others] = first;
  if (others.length > 0) return '';
  const other =
    [';', '\t', ',', '|'].find((delimiter) => text.includes(delimiter)) ?? delimiterBetweenNumbers(text);
  return other === undefined ? '' : delimiterHint(other);
}

export const delimiterHint = (delimiter: string): string =>
  `If the columns are separated by ${JSON.stringify(delimiter)}, pass options.delimiter ${JSON.stringify(delimiter)}.`;

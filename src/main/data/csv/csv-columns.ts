// Chooses the feature columns and the label column of a CSV file, and finds their names.

import { SoftshardError } from '../../../errors.js';
import { listed, quoted } from '../../../printable.js';
import { ambiguousColumn, columnIndex, isCounting } from '../column-keys.js';
import { formatError } from '../errors.js';
import {
  type DecimalMark,
  delimiterBetweenNumbers,
  isMissingAmongNumbers,
  isNumberText,
  isTruth,
  textWithPoint,
} from '../number-text.js';
import type { ColumnKey, ColumnOptions } from '../read-options.js';

export interface CsvColumnOptions extends ColumnOptions {
  /** Columns whose cells are text: no features unless they are asked for. */
  readonly texts?: ReadonlySet<number>;
  readonly decimal?: DecimalMark | undefined;
}

export class Columns {
  /** Cells per record. */
  readonly count: number;
  /** Column indices, in the order of the result. */
  readonly features: readonly number[];
  readonly label: number | undefined;
  readonly id: number | undefined;
  readonly firstLine: FirstLine;
  /** Names of columns left out because `featureNames` lacks them, or because they are row numbers or text. */
  readonly unused: readonly string[] | undefined;
  readonly #names: readonly string[] | undefined;

  /** `first`: the first record, header or not. */
  constructor(path: string, first: readonly string[], options: CsvColumnOptions) {
    const { labelColumn, idColumn, featureColumns, excludeColumns = [], featureNames: wanted } = options;
    const { header = 'auto', decimal } = options;
    const keys = [labelColumn, idColumn, ...(featureColumns ?? excludeColumns)];
    const areNamed = keys.some((key) => typeof key === 'string');
    if (areNamed && header === false) {
      throw new SoftshardError(
        'ERR_OPTION',
        'options.header: false leaves columns without names. Ask for columns by index, or pass header: true.',
        { argument: 'options.header', value: header },
      );
    }
    const names = areNamed || header === true ? first : undefined;
    const place = { path, names: first, place: 'line 1: ', remedy: delimiterRemedy(first) };
    const indexOf = (key: ColumnKey, argument: string) => columnIndex(place, key, argument);
    const label = labelColumn === undefined ? undefined : indexOf(labelColumn, 'options.labelColumn');
    const id = idColumn === undefined ? undefined : indexOf(idColumn, 'options.idColumn');
    const excluded = new Set(excludeColumns.map((key) => indexOf(key, 'options.excludeColumns')));
    const features = featureColumns
      ? featureColumns.map((key) => indexOf(key, 'options.featureColumns'))
      : Array.from(first.keys()).filter((index) => index !== label && index !== id && !excluded.has(index));
    this.count = first.length;
    this.label = label;
    this.id = id;
    this.firstLine = names
      ? 'names'
      : header === false
        ? 'values'
        : judgeFirstLine(
            first.map((cell) => textWithPoint(cell, decimal)),
            { features, label, wanted },
          );
    this.#names = this.hasHeader ? first : undefined;
    const isOpen = this.#names !== undefined && !featureColumns;
    const named = isOpen ? withoutRowNumbers(first, features) : features;
    const numbered =
      isOpen && !wanted && this.firstLine === 'names'
        ? withoutTexts(first, named, options.texts, names !== undefined)
        : named;
    const byName =
      wanted && this.#names ? featuresByName(path, first, { features: numbered, label, wanted }) : undefined;
    this.features = byName ?? numbered;
    const used = new Set(this.features);
    this.unused = featureColumns
      ? undefined
      : first.filter(
          (_, index) => index !== label && index !== id && !excluded.has(index) && !used.has(index),
        );
  }

  /** Provisional where line 1 may be either. */
  get hasHeader(): boolean {
    return this.firstLine === 'names' || this.firstLine === 'known' || this.firstLine === 'counting';
  }

  get featureNames(): string[] | undefined {
    const names = this.#names;
    return names && this.features.map((index) => names[index]!);
  }

  get idName(): string | undefined {
    return this.id === undefined ? undefined : this.#names?.[this.id];
  }

  /** For messages: column 3 ("petal width"). */
  describe(index: number): string {
    const name = this.#names?.[index];
    return name ? `column ${index + 1} (${quoted(name)})` : `column ${index + 1}`;
  }
}

/** pandas and R write row numbers or names as a first column without a name, which pandas calls "Unnamed: 0" where it reads one. */
const ROW_NUMBERS = /^(?:Unnamed: 0(?:\.\d+)?)?$/;

const withoutRowNumbers = (first: readonly string[], features: readonly number[]): readonly number[] =>
  ROW_NUMBERS.test(first[0]!) && features[0] === 0 && features.length > 1 ? features.slice(1) : features;

/** Names make sure that line 1 is no row; without a column of numbers, the message is to show a cell. */
function withoutTexts(
  first: readonly string[],
  features: readonly number[],
  texts: ReadonlySet<number> = new Set(),
  isAsked = false,
): readonly number[] {
  const isNamelessOrNoText = (index: number) => !texts.has(index) || first[index] === '';
  const kept = new Set(features.filter(isNamelessOrNoText).map((index) => first[index]));
  // Of two columns of one name, a model could not find the other.
  const others = features.filter((index) => isNamelessOrNoText(index) || kept.has(first[index]));
  // Else line 1 may be a row with texts, whose numbers are missing.
  const isNamed = others.some((index) => first[index] !== '' && !isMissingAmongNumbers(first[index]!));
  return others.length > 0 && (isAsked || isNamed) ? others : features;
}

interface WantedColumns {
  /** Taken where names do not decide. */
  readonly features: readonly number[];
  readonly label: number | undefined;
  readonly wanted: readonly string[];
}

/** Undefined if the columns of file or model are only numbered: then their positions decide. */
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
    if (other !== undefined) {
      throw ambiguousColumn({ path, place: 'line 1: ' }, name, index!, other, 'options.featureColumns');
    }
    return index!;
  });
}

/** For a single column that contains another usual delimiter: the file was probably written with it. Else ''. */
export function delimiterRemedy(first: readonly string[]): string {
  const [text = '', ...others] = first;
  if (others.length > 0) return '';
  const other =
    [';', '\t', ',', '|'].find((delimiter) => text.includes(delimiter)) ?? delimiterBetweenNumbers(text);
  return other === undefined ? '' : delimiterHint(other);
}

export const delimiterHint = (delimiter: string): string =>
  `If the columns are separated by ${JSON.stringify(delimiter)}, pass options.delimiter ${JSON.stringify(delimiter)}.`;

/**
 * 'names' and 'values' are certain. The others may be either: 'counting' is 0, 1, 2, …, as pandas names the columns of an
 * array; 'zero' is 0 alone; 'known' has all the names that were asked for, which are numbers.
 */
type FirstLine = 'names' | 'known' | 'counting' | 'zero' | 'values';

interface LineColumns {
  readonly features: readonly number[];
  readonly label: number | undefined;
  /** The `featureNames` asked for. */
  readonly wanted: readonly string[] | undefined;
}

function judgeFirstLine(first: readonly string[], columns: LineColumns): FirstLine {
  const { features, wanted } = columns;
  if (wanted && hasAll(first, columns, wanted)) return wanted.every(isNumberText) ? 'known' : 'names';
  const cells = features.map((index) => first[index]!);
  if (!cells.some(isNumberText) && cells.some((cell) => cell !== '')) {
    const isGap = cells.every((cell) => cell === '' || isMissingAmongNumbers(cell) || isTruth(cell));
    const isOtherDelimiter = first.length === 1 && delimiterBetweenNumbers(first[0]!) !== undefined;
    return isGap || isOtherDelimiter ? 'values' : 'names';
  }
  return judgeNumbers(first, features);
}

function hasAll(first: readonly string[], { label }: LineColumns, wanted: readonly string[]): boolean {
  const names = new Set(first.filter((_, index) => index !== label));
  return wanted.every((name) => names.has(name));
}

/** Cells outside the features may be words, such as the label column's name. */
function judgeNumbers(first: readonly string[], features: readonly number[]): FirstLine {
  const numbers = first.filter(isNumberText);
  if (!isCounting(numbers)) return 'values';
  const gaps = features.filter((index) => !isNumberText(first[index]!));
  // pandas leaves the name of its first column, of row numbers, empty.
  if (gaps.length > 0) return gaps.length === 1 && gaps[0] === 0 && first[0] === '' ? 'names' : 'values';
  return numbers.length > 1 ? 'counting' : 'zero';
}

// The options of all readers, checked before a file is opened.

import { SoftshardError } from '../../errors.js';
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkOneOf,
  checkOptionNames,
  checkSignal,
  checkStrings,
  inspectValue,
} from '../checks.js';
import type { Allocator } from '../memory/tensor.js';
import type { ReadOptions } from './data-file.js';
import type { DecimalMark } from './number-text.js';

/** A column by its name in the header or by its index from 0; -1 is the last. */
export type ColumnKey = string | number;

export interface ColumnOptions {
  /** The column with the class of each row; without it, all columns are features. */
  readonly labelColumn?: ColumnKey | undefined;
  /** The column with a name or number of each row: no feature; its cells come as text, in `ids`. */
  readonly idColumn?: ColumnKey | undefined;
  /** The feature columns in the order wanted; default: all but the label and id columns. */
  readonly featureColumns?: readonly ColumnKey[] | undefined;
  /** Columns that are no features, of all the others: not beside `featureColumns`. */
  readonly excludeColumns?: readonly ColumnKey[] | undefined;
  /**
   * What a model calls its features. Where the file has names the features come in this order, and `featureColumns` does not
   * count; other columns are left out, and a missing name is an error. A file without names is read by place.
   */
  readonly featureNames?: readonly string[] | undefined;
  /**
   * Whether line 1 holds names. 'auto' (the default): yes when a column is asked for by name, when no feature cell of
   * line 1 is a number, or when line 1 counts 0, 1, 2, … as pandas names the columns of an array; `headerIsGuess` says
   * where that is uncertain. Other names that are numbers need `true`.
   */
  readonly header?: boolean | 'auto' | undefined;
}

export interface LabelOptions {
  /** The classes in order, such as a trained model's: labels become indices in it, others are errors. */
  readonly classNames?: readonly string[] | undefined;
  /**
   * Labels that are numbers must be 'whole' (the default), as in scikit-learn: others are values to be predicted as numbers,
   * not classes. 'any' takes 0.5 for a class too. Ignored with `classNames`.
   */
  readonly numericLabels?: 'whole' | 'any' | undefined;
}

export interface TableOptions extends ColumnOptions, LabelOptions {
  /** The label column is only left out of the features: its cells may hold anything. */
  readonly skipLabels?: boolean | undefined;
  /** What to do with a feature cell that is empty or NaN, NA, inf and the like: 'throw' (the default), or read it as NaN. */
  readonly missingCells?: 'throw' | 'nan' | undefined;
  /** What stands before the fraction of numbers written as text: '.' (the default), or ',' as in 1,5. */
  readonly decimal?: DecimalMark | undefined;
}

/** Formats take those that apply to them. */
export interface CsvOptions extends TableOptions, ReadOptions {
  /**
   * Default: a tab for files named .tsv or .tab; else a tab, a semicolon or a bar if line 1 has it outside of quotes and no comma
   * but within numbers; else a comma.
   */
  readonly delimiter?: string | undefined;
  /** How many features a row has, as a model knows, where the format does not say: SVMlight. Not for readCsv. */
  readonly features?: number | undefined;
}

export const CSV_OPTIONS = [
  'labelColumn',
  'idColumn',
  'skipLabels',
  'missingCells',
  'featureColumns',
  'excludeColumns',
  'featureNames',
  'header',
  'delimiter',
  'decimal',
  'classNames',
  'numericLabels',
] as const satisfies readonly (keyof CsvOptions)[];

/** Those of readMatrix and its kin. */
export const READ_OPTIONS = [...CSV_OPTIONS, 'features'] as const satisfies readonly (keyof CsvOptions)[];

/** `own`: the options that a reader has besides those of all. */
export function checkReadOptions(options: ReadOptions, own: readonly string[] = []): void {
  checkOptionNames('options', options, [...own, 'signal', 'onProgress']);
  checkSignal('options.signal', options.signal);
  checkFunction('options.onProgress', options.onProgress);
}

/** Names and kinds only; whether the columns exist, the file says. */
export function checkCsvOptions(options: CsvOptions, names: readonly string[] = CSV_OPTIONS): void {
  checkReadOptions(options, names);
  if (options.features !== undefined) checkInteger('options.features', options.features, 1, 2 ** 31 - 1);
  const { header = 'auto', delimiter = ',', decimal = '.' } = options;
  for (const name of ['labelColumn', 'idColumn'] as const) {
    const key = options[name];
    if (key !== undefined) checkColumn(name, key);
  }
  for (const name of ['featureColumns', 'excludeColumns'] as const) {
    const keys = options[name];
    if (keys !== undefined) checkArray(`options.${name}`, keys, 'columns');
    for (const [i, key] of keys?.entries() ?? []) checkColumn(`${name}[${i}]`, key);
  }
  if (options.featureColumns !== undefined && options.excludeColumns !== undefined) {
    const message =
      'options.excludeColumns beside options.featureColumns, which says which columns are features: give one of them';
    throw new SoftshardError('ERR_OPTION', message, {
      argument: 'options.excludeColumns',
      value: options.excludeColumns,
    });
  }
  for (const name of ['classNames', 'featureNames'] as const) {
    const names = options[name];
    if (names !== undefined) checkStrings(`options.${name}`, names);
  }
  checkBoolean('options.skipLabels', options.skipLabels ?? false);
  checkOneOf('options.decimal', decimal, ['.', ',']);
  checkOneOf('options.missingCells', options.missingCells ?? 'throw', ['throw', 'nan']);
  checkOneOf('options.numericLabels', options.numericLabels ?? 'whole', ['whole', 'any']);
  if (![true, false, 'auto'].includes(header)) throw wrongOption('header', header, "true, false or 'auto'");
  if (typeof delimiter !== 'string' || !/^[^"\r\n]+$/.test(delimiter)) {
    throw wrongOption('delimiter', delimiter, 'one character or more, no quotes and no line ends');
  }
}

function checkColumn(name: string, key: unknown): void {
  if (typeof key !== 'string' && typeof key !== 'number') {
    throw wrongOption(name, key, 'the name of a column or its index');
  }
}

function wrongOption(name: string, value: unknown, right: string): SoftshardError {
  const argument = `options.${name}`;
  const message = `${argument} is ${inspectValue(value)}: it must be ${right}`;
  return new SoftshardError('ERR_OPTION', message, { argument, value });
}

export function checkAllocator(allocator: Allocator): void {
  const given: Partial<Allocator> | null | undefined = allocator;
  if (typeof given?.matrix === 'function' && typeof given.tensor === 'function') return;
  const message = `allocator is ${inspectValue(allocator)}: pass an engine or hostMemory`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'allocator', value: allocator });
}

// Which arrays of a file are features and which are labels: those that options name, else by dims and usual names.

import { SoftshardError } from '../../errors.js';
import { listed, quoted } from '../../printable.js';
import type { ByteSource } from './byte-source.js';
import { isOneARow } from './dense-labels.js';
import { type ArrayLayout, isRead, typeNameOf, type UnreadLayout } from './dense-layout.js';
import { formatError } from './errors.js';
import type { ColumnKey, ColumnOptions } from './read-options.js';

export interface NamedArray {
  readonly name: string;
  readonly layout: ArrayLayout | UnreadLayout;
  /** A pass over its values. */
  open(onProgress?: (fraction: number) => void): Promise<ByteSource>;
}

/** Those of numpy's, scikit-learn's and Keras' examples, and of embedding models; the first that is there counts. */
const FEATURE_NAMES = [
  ...['X', 'x', 'features', 'feature', 'embeddings', 'embedding', 'data', 'inputs', 'input', 'images'],
  ...['X_train', 'x_train', 'train_x', 'train_X', 'arr_0'],
];
const LABEL_NAMES = [
  ...['y', 'Y', 'labels', 'label', 'targets', 'target', 'classes', 'class'],
  ...['y_train', 'Y_train', 'train_y', 'train_labels', 'arr_1'],
];

/** 'X float32 [150, 4]' */
export const listing = ({ name, layout }: NamedArray): string =>
  `${quoted(name)} ${isRead(layout) ? typeNameOf(layout) : layout.type} [${layout.dims.join(', ')}]`;

const listingOf = (arrays: readonly NamedArray[]): string =>
  arrays.length === 0 ? 'no arrays' : listed(arrays.map(listing));

const isNumbers = ({ layout }: NamedArray): boolean => 'elements' in layout;
const widthOf = ({ layout }: NamedArray): number => layout.dims.slice(1).reduce((all, dim) => all * dim, 1);
const rowsOf = ({ layout }: NamedArray): number => layout.dims[0] ?? 0;

/** One array, or several with the same number of rows. */
export function chooseFeatures(
  path: string,
  arrays: readonly NamedArray[],
  { featureColumns, labelColumn }: ColumnOptions,
): readonly NamedArray[] {
  if (featureColumns !== undefined && featureColumns.length > 0) {
    const chosen = featureColumns.map((key) => arrayOf(path, arrays, key, 'options.featureColumns'));
    const odd = chosen.find((array) => rowsOf(array) !== rowsOf(chosen[0]!));
    if (odd) throw unequal(path, chosen[0]!, odd);
    return chosen;
  }
  const label =
    labelColumn === undefined ? undefined : arrayOf(path, arrays, labelColumn, 'options.labelColumn');
  const others = arrays.filter((array) => array !== label && isNumbers(array));
  const matrices = others.filter(({ layout }) => layout.dims.length > 1);
  // Labels may have a second dimension of 1.
  const wide = matrices.filter((array) => widthOf(array) > 1);
  const candidates = [wide, matrices, others].find(({ length }) => length > 0) ?? [];
  const array = onlyOrUsual(candidates, FEATURE_NAMES);
  if (array) return [array];
  throw formatError(
    path,
    `expected one array of features, found ${listingOf(arrays)}`,
    'Name the array of features in options.featureColumns.',
  );
}

function onlyOrUsual(arrays: readonly NamedArray[], names: readonly string[]): NamedArray | undefined {
  return arrays.length === 1 ? arrays[0] : usual(arrays, names);
}

function usual(arrays: readonly NamedArray[], names: readonly string[]): NamedArray | undefined {
  const name = names.find((name) => arrays.some((array) => array.name === name));
  return arrays.find((array) => array.name === name);
}

/** The array that labelColumn names, else one with a usual name and one entry a row; undefined if there is none. */
export function chooseLabels(
  path: string,
  arrays: readonly NamedArray[],
  features: readonly NamedArray[],
  { labelColumn }: ColumnOptions,
): NamedArray | undefined {
  const rows = rowsOf(features[0]!);
  if (labelColumn === undefined) {
    const others = arrays.filter((array) => !features.includes(array) && isRead(array.layout));
    return usual(
      others.filter((array) => isOneARow(array.layout.dims) && rowsOf(array) === rows),
      LABEL_NAMES,
    );
  }
  const labels = arrayOf(path, arrays, labelColumn, 'options.labelColumn');
  if (rowsOf(labels) !== rows) throw unequal(path, features[0]!, labels);
  return labels;
}

/** For a file whose features are not asked for. */
export function chooseOnlyLabels(
  path: string,
  arrays: readonly NamedArray[],
  { labelColumn }: ColumnOptions,
): NamedArray {
  if (labelColumn !== undefined) return arrayOf(path, arrays, labelColumn, 'options.labelColumn');
  if (arrays.length === 1) return arrays[0]!;
  const candidates = arrays.filter(({ layout }) => isRead(layout) && isOneARow(layout.dims));
  const labels = usual(candidates, LABEL_NAMES) ?? (candidates.length === 1 ? candidates[0] : undefined);
  if (labels) return labels;
  throw formatError(
    path,
    `expected one array of labels, found ${listingOf(arrays)}`,
    'Name the array of labels in options.labelColumn.',
  );
}

function arrayOf(path: string, arrays: readonly NamedArray[], key: ColumnKey, argument: string): NamedArray {
  const array =
    typeof key === 'number'
      ? arrays.at(Number.isInteger(key) ? key : arrays.length)
      : arrays.find(({ name }) => name === key);
  const shown = typeof key === 'number' ? key : quoted(key);
  if (array && array.layout.dims.length === 0 && isRead(array.layout)) {
    throw formatError(path, `expected rows, found ${listing(array)}`, 'Name an array that has rows.');
  }
  if (array) return array;
  throw new SoftshardError(
    'ERR_OPTION',
    `${argument}: expected the name or index of an array of ${path}, got ${shown}. Its arrays are ${listingOf(arrays)}`,
    { argument, value: key },
  );
}

const unequal = (path: string, one: NamedArray, other: NamedArray): SoftshardError =>
  formatError(
    path,
    `expected as many rows in each array, found ${listing(one)} and ${listing(other)}`,
    'Name arrays of the same rows in options.featureColumns and options.labelColumn.',
    { value: rowsOf(other) },
  );

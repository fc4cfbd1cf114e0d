// Chooses the feature columns and the label column of a table, by the rules of CSV; vectors are features by themselves.

import type { SoftshardError } from '../../../errors.js';
import { listed, quoted } from '../../../printable.js';
import { ambiguousColumn, columnIndex, isCounting } from '../column-keys.js';
import { formatError } from '../errors.js';
import type { ColumnKey, ColumnOptions } from '../read-options.js';
import type { ColumnTable, TableColumn } from './column-table.js';

/** A column, and the features that its values are: from `begin` on, `width` of them. */
export interface FeatureColumn {
  readonly column: number;
  readonly begin: number;
  readonly width: number;
}

export interface ChosenColumns {
  readonly features: readonly FeatureColumn[];
  readonly featureNames: string[];
  readonly label: number | undefined;
  readonly id: number | undefined;
  /** Names of columns that are left out unasked. */
  readonly unused: readonly string[];
}

/** What pandas calls an index that has no name of its own: it counts or names the rows. */
const PANDAS_INDEX = /^__index_level_\d+__$/;

export async function chooseColumns(table: ColumnTable, options: ColumnOptions): Promise<ChosenColumns> {
  const { labelColumn, idColumn, featureColumns, excludeColumns = [], featureNames: wanted } = options;
  const label = labelColumn === undefined ? undefined : keyIndex(table, labelColumn, 'options.labelColumn');
  const id = idColumn === undefined ? undefined : keyIndex(table, idColumn, 'options.idColumn');
  const asked = featureColumns?.map((key) => keyIndex(table, key, 'options.featureColumns'));
  const excluded = new Set(excludeColumns.map((key) => keyIndex(table, key, 'options.excludeColumns')));
  const columns =
    asked ??
    (wanted && (await columnsByName(table, label, wanted))) ??
    defaultColumns(table, { label, id, excluded });
  for (const index of columns) expectFeature(table, index);
  const widths = new Map<number, number>();
  for (const index of new Set(columns)) widths.set(index, await widthOf(table, index));
  let begin = 0;
  const features = columns.map((column) => {
    const width = widths.get(column)!;
    begin += width;
    return { column, begin: begin - width, width };
  });
  const used = new Set(columns);
  const isUnused = ({ isAlias }: TableColumn, index: number) =>
    !isAlias && index !== label && index !== id && !excluded.has(index) && !used.has(index);
  return {
    features,
    featureNames: features.flatMap(({ column, width }) => namesOf(table.columns[column]!, width)),
    label,
    id,
    unused: asked ? [] : table.columns.filter(isUnused).map(({ name }) => name),
  };
}

/** The values of a vector are called embedding[0], embedding[1], … */
function namesOf({ name, kind }: TableColumn, width: number): string[] {
  return kind === 'vector' ? Array.from({ length: width }, (_, index) => `${name}[${index}]`) : [name];
}

const widthOf = async (table: ColumnTable, column: number): Promise<number> =>
  table.columns[column]!.kind === 'vector' ? table.widthOf(column) : 1;

/** The column that an option names. */
export function keyIndex({ path, columns }: ColumnTable, key: ColumnKey, argument: string): number {
  const alias = columns.findIndex(({ name, isAlias }) => isAlias && name === key);
  const own = columns.filter(({ isAlias }) => !isAlias);
  if (alias >= 0 && !own.some(({ name }) => name === key)) return alias;
  return columnIndex({ path, names: own.map(({ name }) => name), place: '', remedy: '' }, key, argument);
}

/** All that is not an alias, the label, the id, excluded or an index of pandas: the only vector, or else the numbers. */
function defaultColumns(
  { path, columns }: ColumnTable,
  {
    label,
    id,
    excluded,
  }: { label: number | undefined; id: number | undefined; excluded: ReadonlySet<number> },
): number[] {
  const others = Array.from(columns.keys()).filter((index) => {
    const { name, isAlias } = columns[index]!;
    const isFeature = index !== label && index !== id && !excluded.has(index);
    return isFeature && !isAlias && !PANDAS_INDEX.test(name);
  });
  const vectors = others.filter((index) => columns[index]!.kind === 'vector');
  if (vectors.length === 1) return vectors;
  if (vectors.length > 1) {
    throw formatError(
      path,
      `expected one column of vectors, found ${vectors.length}: ${describe(vectors.map((index) => columns[index]!))}`,
      'Name those that are features in options.featureColumns.',
    );
  }
  const numbers = others.filter((index) => columns[index]!.kind === 'number');
  if (numbers.length > 0) return numbers;
  const found = others.length === 0 ? 'none' : describe(others.map((index) => columns[index]!));
  throw formatError(
    path,
    `expected columns of numbers or vectors${label === undefined ? '' : ' besides the label column'}, found ${found}`,
    'Give the file columns that hold numbers.',
  );
}

const describe = (columns: readonly TableColumn[]): string =>
  listed(columns.map(({ name, typeName }) => `${quoted(name)} (${typeName})`));

function expectFeature({ path, columns }: ColumnTable, index: number): void {
  const { name, kind, typeName } = columns[index]!;
  if (kind === 'number' || kind === 'vector') return;
  throw formatError(
    path,
    `column ${quoted(name)}: expected numbers or vectors of numbers, found ${typeName}`,
    kind === 'text'
      ? 'A column of classes is chosen with labelColumn; leave other text out of featureColumns.'
      : 'Write it as numbers, or leave it out of featureColumns.',
    { value: typeName },
  );
}

/** Undefined if the columns of file or model are only numbered: then their positions decide. */
async function columnsByName(
  table: ColumnTable,
  label: number | undefined,
  wanted: readonly string[],
): Promise<number[] | undefined> {
  const columnsOf = new Map<string, number[]>();
  for (const [index, { name }] of table.columns.entries()) {
    if (index === label) continue;
    const same = columnsOf.get(name);
    if (same) same.push(index);
    else columnsOf.set(name, [index]);
  }
  const find = (name: string): number | undefined => {
    const [index, other] = columnsOf.get(name) ?? [];
    if (other === undefined) return index;
    const { path } = table;
    throw ambiguousColumn({ path, place: '' }, name, index!, other, 'options.featureColumns');
  };
  const chosen: number[] = [];
  const missing: string[] = [];
  for (let at = 0; at < wanted.length; ) {
    const name = wanted[at]!;
    const scalar = find(name);
    if (scalar !== undefined) {
      chosen.push(scalar);
      at++;
      continue;
    }
    const vector = vectorAt(wanted, at);
    const column = vector && find(vector.name);
    if (vector && column !== undefined && table.columns[column]!.kind === 'vector') {
      const width = await table.widthOf(column);
      if (width !== vector.width) throw otherWidth(table, column, vector.width, width);
      chosen.push(column);
    } else missing.push(vector?.name ?? name);
    at += vector?.width ?? 1;
  }
  if (missing.length === 0) return chosen;
  const own = table.columns.filter(({ isAlias }, index) => !isAlias && index !== label);
  if (isCounting(own.map(({ name }) => name)) || isCounting(wanted)) return undefined;
  throw formatError(
    table.path,
    `expected the model's features ${listed(wanted.map(quoted))}, found the columns ${describe(own)}: ` +
      `${listed(missing.map(quoted))} ${missing.length === 1 ? 'is' : 'are'} missing`,
    'Name the columns as in the training data, or give the columns in the order of the features in options.featureColumns.',
    { value: missing },
  );
}

/** A vector column among the names of features: name[0], name[1], … from `at` on. */
function vectorAt(names: readonly string[], at: number): { name: string; width: number } | undefined {
  const name = /^(.*)\[0\]$/s.exec(names[at]!)?.[1];
  if (name === undefined) return undefined;
  let width = 1;
  while (names[at + width] === `${name}[${width}]`) width++;
  return { name, width };
}

function otherWidth(
  { path, columns }: ColumnTable,
  column: number,
  wanted: number,
  found: number,
): SoftshardError {
  const { name } = columns[column]!;
  return formatError(
    path,
    `column ${quoted(name)}: expected vectors of ${wanted} values, as the model's, found ${found}`,
    'Use the model with vectors from where its training data had them.',
    { value: found },
  );
}

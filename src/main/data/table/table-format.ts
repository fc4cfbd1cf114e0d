// Formats of named columns, such as Parquet: their columns become matrices and labels. The counterpart of dense.ts.

import { listed, quoted } from '../../../printable.js';
import type { Allocator } from '../../memory/tensor.js';
import { ClassLabels } from '../class-labels.js';
import type { DataFile } from '../data-file.js';
import { allocateFor, formatError } from '../errors.js';
import type { FileFormat, LabelContent, MatrixContent } from '../format.js';
import type { CsvOptions } from '../read-options.js';
import { chooseColumns, keyIndex } from './choose-columns.js';
import type { ColumnTable } from './column-table.js';
import { featureRequest, idRequest, labelRequest } from './fill.js';

/** What the formats of tables differ in. */
interface TableDescription extends Pick<FileFormat, 'name' | 'title' | 'extensions' | 'matches'> {
  /** Reads what says how many rows and which columns there are, and checks it against the size of the file. */
  open(file: DataFile, options: CsvOptions): Promise<ColumnTable>;
}

const TABLE_OPTIONS = [
  'labelColumn',
  'idColumn',
  'skipLabels',
  'missingCells',
  'featureColumns',
  'excludeColumns',
  'featureNames',
  'classNames',
  'numericLabels',
] as const satisfies readonly (keyof CsvOptions)[];

export function tableFormat({ open, ...description }: TableDescription): FileFormat {
  return {
    ...description,
    options: TABLE_OPTIONS,
    async readMatrix(file, allocator, options) {
      return readTable(file, await open(file, options), allocator, options);
    },
    async readLabels(file, options) {
      return readTableLabels(file, await open(file, options), options);
    },
  };
}

async function readTable(
  file: DataFile,
  table: ColumnTable,
  allocator: Allocator,
  options: CsvOptions,
): Promise<MatrixContent> {
  expectRows(table);
  const { features, featureNames, label, id, unused } = await chooseColumns(table, options);
  const labels = label === undefined || options.skipLabels ? undefined : labelsOf(table, label, options);
  if (id !== undefined) expectSingles(table, id, IDS);
  const ids: string[] = [];
  const matrix = allocateFor(table.path, () => allocator.matrix(table.rows, featureNames.length));
  try {
    const requests = features.map((feature) => featureRequest(table, matrix, feature, options));
    // Labels first: what is wrong with them shows sooner.
    if (labels) requests.unshift(labelRequest(table, label!, labels));
    if (id !== undefined) requests.push(idRequest(id, ids));
    await table.read(requests, options.onProgress);
    await file.expectUnchanged();
    options.signal?.throwIfAborted();
    options.onProgress?.(1);
    return {
      matrix,
      ...(id !== undefined && { ids, idName: table.columns[id]!.name }),
      ...labels?.finish(),
      featureNames,
      ...(unused.length > 0 && { unusedColumns: [...unused] }),
    };
  } catch (error) {
    matrix.free();
    throw error;
  }
}

/** The label column, or the only one that there is. */
async function readTableLabels(
  file: DataFile,
  table: ColumnTable,
  options: CsvOptions,
): Promise<LabelContent> {
  expectRows(table);
  const columns = table.columns.filter(({ isAlias }) => !isAlias);
  const { labelColumn } = options;
  if (labelColumn === undefined && columns.length !== 1) {
    throw formatError(
      table.path,
      `expected one column of labels, found ${columns.length}: ${listed(columns.map(({ name }) => quoted(name)))}`,
      'Name the column that holds the labels in options.labelColumn.',
      { value: columns.length },
    );
  }
  const label = keyIndex(table, labelColumn ?? 0, 'options.labelColumn');
  const labels = labelsOf(table, label, options);
  await table.read([labelRequest(table, label, labels)], options.onProgress);
  await file.expectUnchanged();
  options.signal?.throwIfAborted();
  options.onProgress?.(1);
  return labels.finish();
}

function labelsOf(table: ColumnTable, label: number, options: CsvOptions): ClassLabels {
  expectSingles(table, label, LABELS);
  return new ClassLabels(table.path, table.rows, options, table.placeOf);
}

/** Refuses vectors and types that are no text. */
function expectSingles(
  { path, columns }: ColumnTable,
  index: number,
  { wanted, holds, option }: { readonly wanted: string; readonly holds: string; readonly option: string },
): void {
  const { name, kind, typeName } = columns[index]!;
  if (kind === 'number' || kind === 'text') return;
  throw formatError(
    path,
    `column ${quoted(name)}: expected ${wanted}, found ${typeName}`,
    `Choose the column that holds ${holds} in ${option}.`,
    { value: typeName },
  );
}

const LABELS = {
  wanted: 'one label a row, text or a whole number',
  holds: 'the classes',
  option: 'options.labelColumn',
};

const IDS = {
  wanted: 'one name or number a row',
  holds: 'the names of the rows',
  option: 'options.idColumn',
};

function expectRows({ path, rows }: ColumnTable): void {
  if (rows > 0) return;
  throw formatError(path, 'expected rows of values, found none', 'Name a file with at least one row.');
}

// Reads a command's features and labels, and says how they do not fit together.

import { resolve } from 'node:path';
import { listed, quoted } from '../../printable.js';
import {
  type Allocator,
  detectFormat,
  type Engine,
  type Files,
  fileFormats,
  hostMemory,
  readFeatures,
  readLabels,
  SoftshardError,
  standardScaling,
  type Training,
} from '../index.js';
import type { Labels } from './classes.js';
import { type CsvFlags, given } from './command-options.js';
import { flagOf, MISSING_CELLS_REMEDY, UsageError } from './failures.js';
import { noteGuess, noteLoneLabel, settleHeaders } from './headers.js';
import { count, counted, either } from './output.js';
import type { Progress } from './progress.js';
import { type FileRows, openLarge, type RowsFile } from './rows-file.js';
import type { Session } from './session.js';

export interface LabeledRows {
  readonly path: string;
  readonly inputs: FileRows;
  readonly labels: Labels;
  /** Undefined where the file does not name its features. */
  readonly featureNames: readonly string[] | undefined;
}

/** Files, and the option that names the labels, for messages. */
export interface LabelSource {
  readonly data: string;
  readonly labels: string | undefined;
  readonly labelsOption: '--labels' | '--validation-labels' | '--test-labels';
}

/** What a model, --class-names or the training rows say before these rows are read. */
export interface Known {
  readonly featureNames?: readonly string[] | undefined;
  /** Their number, for formats that do not say. */
  readonly features?: number | undefined;
  /** Whether the classes are known, so that other labels are found later. */
  readonly classes: boolean;
  /** What the label column was called in training: it is no feature, and not worth a note. */
  readonly label?: string | undefined;
}

/** With 'ignore', missing cells are read as NaN. */
export interface TableFlags extends CsvFlags {
  readonly onInvalidInput?: Training.OnInvalidInput;
}

/** --features overrides names. */
export const featureNamesFor = (
  featureNames: readonly string[] | undefined,
  { featureColumns }: CsvFlags,
): readonly string[] | undefined => (featureColumns ? undefined : featureNames);

/** Labels come from their own file, which is read first because it is smaller, or from a column of the data. */
export async function readLabeledRows(
  session: Session,
  { data, labels, labelsOption }: LabelSource,
  flags: TableFlags,
  known: Known,
): Promise<LabeledRows> {
  const numericLabels = known.classes ? 'any' : 'whole';
  const { featureColumns, excludeColumns, idColumn } = flags;
  // The flags are for --data; validation and test rows may have another format.
  if (labelsOption === '--labels') await expectTaken(data, { featureColumns, excludeColumns, idColumn });
  if (labels === undefined || labelsAreInData({ data, labels }, flags)) {
    await requireLabels({ data, labels: undefined, labelsOption }, flags);
    const file = await readFile(session, data, { ...csvOptions(flags, known), numericLabels }, flags);
    noteGuess(data, file, session.progress);
    if (!known.classes && flags.header === undefined) noteLoneLabel(data, file, session.progress);
    noteColumns(data, file, known, session.progress);
    const { targets, classNames } = file;
    if (!targets) throw withoutLabels(data, file, labelsOption);
    return labeledRows(data, file, { path: data, targets, ...(classNames && { classNames }) });
  }
  const { labelColumn, header, ...ofData } = flags;
  if (labelsOption === '--labels') await expectTaken(labels, { labelColumn });
  const readColumn = async (labelColumn: Files.ColumnKey | undefined, header: boolean | undefined) => {
    const { delimiter, decimal } = flags;
    const table = given({ labelColumn, header, delimiter, decimal, numericLabels } as const);
    return readLabels(labels, { ...(await optionsFor(labels, table)), signal: session.signal });
  };
  const readLabelFile = (header: boolean | undefined) =>
    readColumn(labelColumn, header).catch((error: unknown) => {
      // The column may be one of --data, and this file have labels alone.
      if (labelsOption === '--labels' || !isOfLabelColumn(error)) throw error;
      return readColumn(undefined, header).catch(() => {
        throw error;
      });
    });
  const readDataFile = (header: boolean | undefined) =>
    readFile(
      session,
      data,
      { ...csvOptions({ ...ofData, ...given({ header }) }, known), skipLabels: true },
      flags,
    );
  // --header is for tables; a file of labels alone may have a name above them or not.
  const ofLabelFile = header === true && labelColumn === undefined ? undefined : header;
  const result = await readLabelFile(ofLabelFile);
  const { file, labelFile } = await settleHeaders(
    { path: data, result: await readDataFile(header), again: readDataFile },
    { path: labels, result, again: readLabelFile },
    header,
    session.progress,
  );
  noteColumns(data, file, known, session.progress);
  const { targets, classNames } = labelFile;
  return labeledRows(data, file, { path: labels, targets, ...(classNames && { classNames }) });
}

/** Named twice, a table still has its labels in a column, which is no feature. */
export const labelsAreInData = (
  { data, labels }: Pick<LabelSource, 'data' | 'labels'>,
  { labelColumn }: CsvFlags,
): boolean => labels === undefined || (labelColumn !== undefined && resolve(labels) === resolve(data));

export const isOfLabelColumn = (error: unknown): boolean =>
  error instanceof SoftshardError && error.code === 'ERR_OPTION' && error.argument === 'options.labelColumn';

function withoutLabels(data: string, { arrays }: RowsFile, labelsOption: string): UsageError {
  const others = arrays?.others ?? [];
  const found = others.length > 0 ? `; besides the features it has ${listed(others)}` : '';
  return new UsageError(
    `${data}: none of its arrays is known to be labels: name one with --label, or a file with ${labelsOption}${found}`,
  );
}

function labeledRows(path: string, file: RowsFile, labels: Labels): LabeledRows {
  return { path, inputs: file.matrix, labels, featureNames: file.featureNames };
}

/** Throws where neither options nor the data's format say where labels are. */
export async function requireLabels(
  { data, labels, labelsOption }: LabelSource,
  flags: CsvFlags,
): Promise<void> {
  if (labels !== undefined) return;
  if (flags.labelColumn === undefined) {
    if ((await formatOf(data)).bringsLabels) return;
    throw new UsageError(
      `labels are missing: give ${labelsOption}, or --label for a table or a file of several arrays`,
    );
  }
  await expectTaken(data, { labelColumn: flags.labelColumn }, `give the labels with ${labelsOption}`);
}

/** Refuses a flag that would do nothing for this file. */
export async function expectTaken(
  path: string,
  options: Pick<Files.CsvOptions, 'labelColumn' | 'featureColumns' | 'excludeColumns' | 'idColumn'>,
  remedy?: string,
): Promise<void> {
  for (const name of ['labelColumn', 'featureColumns', 'excludeColumns', 'idColumn'] as const) {
    if (options[name] === undefined) continue;
    const format = await formatOf(path);
    if (format.options.includes(name)) continue;
    const takers = titlesOf(fileFormats().filter(({ options }) => options.includes(name)));
    throw new UsageError(
      `${flagOf(name)} is for ${takers}, and ${path} is ${format.title}: ${remedy ?? `leave it out, or name a ${takers} file`}`,
    );
  }
}

export async function formatOf(path: string): Promise<Files.FileFormat> {
  const name = await detectFormat(path);
  return fileFormats().find((format) => format.name === name)!;
}

const titlesOf = (formats: readonly Files.FileFormat[]): string => either(formats.map(({ title }) => title));

/** Rows to predict; a label column is only left out. */
export async function readRows(
  session: Session,
  path: string,
  flags: TableFlags,
  { featureNames, features, label }: Omit<Known, 'classes'>,
): Promise<RowsFile> {
  const known = { featureNames, features, label, classes: true };
  const file = await readFile(session, path, { ...csvOptions(flags, known), skipLabels: true }, flags);
  noteGuess(path, file, session.progress);
  noteColumns(path, file, known, session.progress);
  return file;
}

async function readFile(
  session: Session,
  path: string,
  options: Files.CsvOptions,
  { onInvalidInput }: TableFlags,
): Promise<RowsFile> {
  const { engine, progress, signal } = session;
  try {
    const onDisk = await openLarge(session, path, await formatOf(path), await optionsFor(path, options));
    if (onDisk !== undefined) return onDisk;
    return await readFeatures(rowMemory(engine), path, {
      ...(await optionsFor(path, options)),
      signal,
      onProgress: progress.reading(path),
    });
  } catch (error) {
    if (onInvalidInput === undefined || !(error instanceof SoftshardError)) throw error;
    const message = error.message.replace(
      MISSING_CELLS_REMEDY,
      ' --on-invalid-input ignore takes it as NaN.',
    );
    if (message === error.message) throw error;
    const { code, row, value } = error;
    throw new SoftshardError(code, message, { value, cause: error, ...(row !== undefined && { row }) });
  }
}

/** Those that the file's format takes: flags and what a model knows are given to files of any. */
export async function optionsFor(path: string, options: Files.CsvOptions): Promise<Files.CsvOptions> {
  const taken: readonly string[] = (await formatOf(path)).options;
  return Object.fromEntries(Object.entries(options).filter(([name]) => taken.includes(name)));
}

/** Fraction of the arena's free memory; the rest is for weights and training. */
const MOST_FOR_ROWS = 0.75;

/**
 * Rows go into the arena, where threads use them in place; rows that would fill it go into ordinary memory, from which they
 * pass through the arena in parts.
 */
export function rowMemory(engine: Engine): Allocator {
  const holding = (bytes: number) =>
    bytes <= engine.memoryUsage().freeBytes * MOST_FOR_ROWS ? engine : hostMemory;
  return {
    matrix: (rows, columns) => holding(rows * columns * 4).matrix(rows, columns),
    vector: (type, length) => holding(length * 8).vector(type, length),
    tensor: (type, dims) =>
      holding(dims.reduce((product, dim) => product * dim, type === 'uint8' ? 1 : 8)).tensor(type, dims),
  };
}

function csvOptions(flags: TableFlags, { featureNames, features }: Known): Files.CsvOptions {
  const { labelColumn, idColumn, featureColumns, excludeColumns, onInvalidInput } = flags;
  const { header, delimiter, decimal } = flags;
  const missingCells = onInvalidInput === 'ignore' ? 'nan' : 'throw';
  const columns = { labelColumn, idColumn, featureColumns, excludeColumns, featureNames, features };
  return given({ ...columns, header, delimiter, decimal, missingCells } as const);
}

/** What columns are called that say which row it is. */
const ID_NAME = /^(?:id|index|\w+_id|uuid)$/i;

/** Notes unused columns, and warns where columns are matched by position for want of names. */
function noteColumns(
  path: string,
  file: RowsFile,
  { featureNames: wanted, label }: Known,
  progress: Progress,
): void {
  const { featureNames, arrays } = file;
  const unused = file.unusedColumns?.filter((name) => name !== label);
  const unusedColumns = unused?.length === 0 ? undefined : unused;
  if (arrays && arrays.others.length > 0) {
    const labels = arrays.labels === undefined ? '' : `, and the labels ${quoted(arrays.labels)}`;
    progress.note(
      `${path}: the features are ${listed(arrays.features.map(quoted))}${labels}; it also has ${listed(arrays.others)}`,
    );
  }
  if (unusedColumns && !wanted) {
    const many = counted(unusedColumns.length, 'column');
    const what = file.format === 'csv' ? `${many} of text or row numbers` : many;
    const are = unusedColumns.length === 1 ? 'is' : 'are';
    const names = unusedColumns.map((name) => (name === '' ? 'one without a name' : quoted(name)));
    progress.note(`${path}: ${what} ${are} left out: ${listed(names)}`);
  } else if (unusedColumns) {
    const many = counted(unusedColumns.length, 'column');
    const names = listed(unusedColumns.map(quoted));
    const are = unusedColumns.length === 1 ? 'is' : 'are';
    progress.note(`${path}: ${many} that the model does not know ${are} left out: ${names}`);
  }
  const id = wanted ? undefined : featureNames?.find((name) => ID_NAME.test(name));
  if (id !== undefined) {
    progress.warn(
      `${path}: the column ${quoted(id)} is taken for a feature; --id-column ${id} leaves it out`,
    );
  }
  if (wanted && featureNames && wanted.some((name, index) => name !== featureNames[index])) {
    progress.warn(`${path}: its columns are taken by place, since the names of one side only count from 0`);
  }
}

export function checkFeatures(path: string, inputs: FileRows, features: number, of: string): void {
  const [, columns] = inputs.dims;
  if (columns === features) return;
  const message = `${path} has ${counted(columns, 'feature')} a row, ${of} has ${count(features)}: they must be the same`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'data', value: columns });
}

const SCALES = ['auto', 'none', 'unit', 'standard'] as const;
export type Scale = (typeof SCALES)[number];

/** Of the rows that are trained on, if not of all. */
export async function scalingOf(
  { inputs }: LabeledRows,
  scale: Scale,
  training?: Uint32Array,
): Promise<Training.FeatureScaling | undefined> {
  const kind = scale === 'auto' ? (inputs.type === 'uint8' ? 'unit' : 'none') : scale;
  if (kind === 'none') return undefined;
  if (kind === 'unit') return { shift: 0, scale: 1 / 255 };
  return 'gather' in inputs ? standardScaling(inputs, training) : standardScaling(inputs, training);
}

/** The files behind the API's `inputs` and `options.validation.inputs`. */
export interface InputFiles {
  readonly data: string;
  readonly validationData?: string | undefined;
}

const ROW_OF_INPUTS = /^(options\.validation\.)?inputs\[(\d+)(?:, (\d+))?\]/;

/** Makes errors about rows name their file. `first`: the row of the file that the API's inputs begin with. */
export async function namingFiles<Result>(
  files: InputFiles,
  work: () => Promise<Result>,
  first = 0,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SoftshardError) || error.code !== 'ERR_NOT_FINITE') throw error;
    const message = error.message.replace(ROW_OF_INPUTS, (_, validation, row, feature) => {
      const path = validation === undefined ? files.data : files.validationData;
      return `${path}: row ${Number(row) + first}${feature === undefined ? '' : `, feature ${feature}`}`;
    });
    const { row, feature, value } = error;
    throw new SoftshardError(error.code, message, {
      argument: 'data',
      value,
      cause: error,
      ...(row !== undefined && { row: row + first }),
      ...(feature !== undefined && { feature }),
    });
  }
}

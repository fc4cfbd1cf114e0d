// Reads the features and labels that a command works on, with one message for each way they may not fit together.

import { listed, quoted } from '../../printable.js';
import {
  type CsvOptions,
  detectFormat,
  type Engine,
  type FeatureFile,
  type FeatureMatrix,
  type FeatureScaling,
  type FileFormat,
  fileFormats,
  type OnInvalidInput,
  readFeatures,
  readLabels,
  SoftshardError,
  standardScaling,
} from '../index.js';
import type { Labels } from './classes.js';
import type { CsvFlags } from './command-options.js';
import { flagOf, UsageError } from './failures.js';
import { noteGuess, noteLoneLabel, settleHeaders } from './headers.js';
import { count, counted, either } from './output.js';
import type { Progress } from './progress.js';
import { RowMemory } from './row-memory.js';

export interface ReadContext {
  readonly engine: Engine;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface LabeledRows {
  readonly path: string;
  /** As stored in the file, numbers of other types than bytes as float32. */
  readonly inputs: FeatureMatrix;
  readonly labels: Labels;
  /** What the features are called; undefined where the file does not say, or not clearly. */
  readonly featureNames: readonly string[] | undefined;
}

/** What the options are called, for messages: they differ for the validation data. */
export interface LabelSource {
  readonly data: string;
  readonly labels: string | undefined;
  readonly labelsOption: '--labels' | '--validation-labels';
}

/** What is known before rows are read: of a model, of class names that are given, or of the rows that are trained on. */
export interface Known {
  readonly featureNames?: readonly string[] | undefined;
  /** Whether the classes are known: labels that are none of them will be found. */
  readonly classes: boolean;
}

/** Of commands that predict, rows to be ignored may have cells that are no numbers. */
interface TableFlags extends CsvFlags {
  readonly onInvalidInput?: OnInvalidInput;
}

/** Columns that are chosen by hand are taken as they are, whatever they are called. */
export const featureNamesFor = (
  featureNames: readonly string[] | undefined,
  { featureColumns }: CsvFlags,
): readonly string[] | undefined => (featureColumns ? undefined : featureNames);

/** Labels come from their own file or from a column of the data. They are read first: they are the smaller file. */
export async function readLabeledRows(
  context: ReadContext,
  { data, labels, labelsOption }: LabelSource,
  flags: TableFlags,
  known: Known,
): Promise<LabeledRows> {
  const numericLabels = known.classes ? 'any' : 'whole';
  if (labels === undefined) {
    await requireLabelColumn(data, flags, labelsOption);
    const file = await readFile(context, data, { ...csvOptions(flags, known), numericLabels });
    noteGuess(data, file, context.progress);
    if (!known.classes && flags.header === undefined) noteLoneLabel(data, file, context.progress);
    noteColumns(data, file, known, context.progress);
    return labeledRows(data, file, { path: data, targets: file.targets!, classNames: file.classNames! });
  }
  const { labelColumn, header, ...ofData } = flags;
  // Validation data may be of another format than --data, which the flags then are for.
  if (labelsOption === '--labels') {
    await expectTaken(labels, { labelColumn });
    await expectTaken(data, { featureColumns: ofData.featureColumns });
  }
  const readLabelFile = (header: boolean | undefined) => {
    const table = given({ labelColumn, header, delimiter: flags.delimiter });
    return readLabels(labels, { ...table, numericLabels, signal: context.signal });
  };
  const readDataFile = (header: boolean | undefined) =>
    readFile(context, data, csvOptions({ ...ofData, ...given({ header }) }, known));
  // --header is for tables; with labels alone in the file there may be a name above them or not.
  const ofLabelFile = header === true && labelColumn === undefined ? undefined : header;
  const result = await readLabelFile(ofLabelFile);
  const { file, labelFile } = await settleHeaders(
    { path: data, result: await readDataFile(header), again: readDataFile },
    { path: labels, result, again: readLabelFile },
    header,
    context.progress,
  );
  noteColumns(data, file, known, context.progress);
  const { targets, classNames } = labelFile;
  return labeledRows(data, file, { path: labels, targets, ...(classNames && { classNames }) });
}

function labeledRows(path: string, file: FeatureFile, labels: Labels): LabeledRows {
  return { path, inputs: file.matrix, labels, featureNames: file.featureNames };
}

async function requireLabelColumn(data: string, flags: CsvFlags, labelsOption: string): Promise<void> {
  if (flags.labelColumn === undefined) {
    throw new UsageError(
      `labels are missing: give their file with ${labelsOption}, or the column of a CSV file with --label-column`,
    );
  }
  await expectTaken(data, { labelColumn: flags.labelColumn }, `give the labels with ${labelsOption}`);
}

/** Refuses a flag that would do nothing for this file. */
export async function expectTaken(
  path: string,
  options: Pick<CsvOptions, 'labelColumn' | 'featureColumns'>,
  remedy?: string,
): Promise<void> {
  for (const name of ['labelColumn', 'featureColumns'] as const) {
    if (options[name] === undefined) continue;
    const format = await formatOf(path);
    if (format.options.includes(name)) continue;
    const takers = titlesOf(fileFormats().filter(({ options }) => options.includes(name)));
    throw new UsageError(
      `${flagOf(name)} is for ${takers}, and ${path} is ${format.name}: ${remedy ?? `leave it out, or name a ${takers} file`}`,
    );
  }
}

/** The format that a file turns out to have. */
export async function formatOf(path: string): Promise<FileFormat> {
  const name = await detectFormat(path);
  return fileFormats().find((format) => format.name === name)!;
}

const titlesOf = (formats: readonly FileFormat[]): string => either(formats.map(({ title }) => title));

/** Rows to predict: a label column is no feature, and that is all. */
export async function readRows(
  context: ReadContext,
  path: string,
  flags: TableFlags,
  featureNames: readonly string[] | undefined,
): Promise<FeatureFile> {
  const known = { featureNames, classes: true };
  const file = await readFile(context, path, { ...csvOptions(flags, known), skipLabels: true });
  noteGuess(path, file, context.progress);
  noteColumns(path, file, known, context.progress);
  return file;
}

async function readFile(
  { engine, progress, signal }: ReadContext,
  path: string,
  options: CsvOptions,
): Promise<FeatureFile> {
  return readFeatures(new RowMemory(engine), path, {
    ...options,
    signal,
    onProgress: progress.reading(path),
  });
}

function csvOptions(flags: TableFlags, { featureNames }: Known): CsvOptions {
  const { labelColumn, featureColumns, header, delimiter, onInvalidInput } = flags;
  const missingCells = onInvalidInput === 'ignore' ? 'nan' : 'throw';
  return given({ labelColumn, featureColumns, featureNames, header, delimiter, missingCells } as const);
}

/** Those that are there. */
function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]?: Exclude<Options[Name], undefined>;
  };
}

/** Says which columns of the file are not used, and where names could not tell which are. */
function noteColumns(
  path: string,
  file: FeatureFile,
  { featureNames: wanted }: Known,
  progress: Progress,
): void {
  const { featureNames, unusedColumns } = file;
  if (unusedColumns && !wanted) {
    progress.note(
      `${path}: column 1 has no name and is left out, as numbers of rows are; --feature-columns takes it`,
    );
  } else if (unusedColumns) {
    const many = counted(unusedColumns.length, 'column');
    const names = listed(unusedColumns.map(quoted));
    const are = unusedColumns.length === 1 ? 'is' : 'are';
    progress.note(`${path}: ${many} that the model does not know ${are} left out: ${names}`);
  }
  if (wanted && featureNames && wanted.some((name, index) => name !== featureNames[index])) {
    progress.warn(`${path}: its columns are taken by place, since the names of one side only count from 0`);
  }
}

export function checkFeatures(path: string, inputs: FeatureMatrix, features: number, of: string): void {
  const [, columns] = inputs.dims;
  if (columns === features) return;
  const message = `${path} has ${counted(columns, 'feature')} a row, ${of} has ${count(features)}: they must be the same`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'data', value: columns });
}

const SCALES = ['auto', 'none', 'unit', 'standard'] as const;
export type Scale = (typeof SCALES)[number];

/** How the rows are to be scaled. */
export function scalingOf({ inputs }: LabeledRows, scale: Scale): FeatureScaling | undefined {
  const kind = scale === 'auto' ? (inputs.type === 'uint8' ? 'unit' : 'none') : scale;
  if (kind === 'none') return undefined;
  return kind === 'unit' ? { shift: 0, scale: 1 / 255 } : standardScaling(inputs);
}

/** What rows of the API's `inputs` and `options.validation.inputs` are of. */
export interface InputFiles {
  readonly data: string;
  readonly validationData?: string | undefined;
}

const ROW_OF_INPUTS = /^(options\.validation\.)?inputs\[(\d+)(?:, (\d+))?\]/;

/** Does work whose errors about rows are to name their file. */
export async function namingFiles<Result>(files: InputFiles, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SoftshardError) || error.code !== 'ERR_NOT_FINITE') throw error;
    const message = error.message.replace(ROW_OF_INPUTS, (_, validation, row, feature) => {
      const path = validation === undefined ? files.data : files.validationData;
      return `${path}: row ${row}${feature === undefined ? '' : `, feature ${feature}`}`;
    });
    const { row, feature, value } = error;
    throw new SoftshardError(error.code, message, {
      argument: 'data',
      value,
      cause: error,
      ...(row !== undefined && { row }),
      ...(feature !== undefined && { feature }),
    });
  }
}

// Reads the features and labels that a command works on, with one message for each way they may not fit together.

import {
  type CsvOptions,
  detectFormat,
  type Engine,
  type FeatureFile,
  type FeatureMatrix,
  type FeatureScaling,
  readFeatures,
  readLabels,
  SoftshardError,
  standardScaling,
} from '../index.js';
import type { Labels } from './classes.js';
import type { CsvFlags } from './command-options.js';
import { UsageError } from './failures.js';
import { count, counted } from './output.js';
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
}

/** What the options are called, for messages: they differ for the validation data. */
export interface LabelSource {
  readonly data: string;
  readonly labels: string | undefined;
  readonly labelsOption: '--labels' | '--validation-labels';
}

/** Labels come from their own file or from a column of the data. They are read first: they are the smaller file. */
export async function readLabeledRows(
  context: ReadContext,
  { data, labels, labelsOption }: LabelSource,
  flags: CsvFlags,
): Promise<LabeledRows> {
  if (labels === undefined) {
    await requireLabelColumn(data, flags, labelsOption);
    const file = await readRows(context, data, flags);
    return labeledRows(data, file, { path: data, targets: file.targets!, classNames: file.classNames! });
  }
  const { labelColumn, header, ...ofData } = flags;
  // Validation data may be of another format than --data, which the flags then are for.
  if (labelsOption === '--labels') {
    await requireCsv(labels, '--label-column', labelColumn);
    await requireCsv(data, '--feature-columns', ofData.featureColumns);
  }
  const table = labelColumn === undefined ? {} : { labelColumn, ...(header && { header }) };
  const labelFile = await readLabels(labels, { ...delimiterOf(flags), ...table, signal: context.signal });
  const file = await readRows(context, data, { ...ofData, ...(header && { header }) });
  const rows = file.matrix.dims[0];
  if (labelFile.targets.length !== rows) {
    const message = `${labels} has ${counted(labelFile.targets.length, 'label')} for the ${counted(rows, 'row')} of ${data}: they must be one for each row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'labels', value: labelFile.targets.length });
  }
  const { targets, classNames } = labelFile;
  return labeledRows(data, file, { path: labels, targets, ...(classNames && { classNames }) });
}

function labeledRows(path: string, file: FeatureFile, labels: Labels): LabeledRows {
  return { path, inputs: file.matrix, labels };
}

async function requireLabelColumn(data: string, flags: CsvFlags, labelsOption: string): Promise<void> {
  if (flags.labelColumn === undefined) {
    throw new UsageError(
      `labels are missing: give their file with ${labelsOption}, or the column of a CSV file with --label-column`,
    );
  }
  await requireCsv(data, '--label-column', flags.labelColumn, `give the labels with ${labelsOption}`);
}

/** A flag that would do nothing for this file is a mistake. */
export async function requireCsv(
  path: string,
  flag: string,
  value: unknown,
  remedy = 'leave it out, or name a CSV file',
): Promise<void> {
  if (value === undefined) return;
  const format = await detectFormat(path);
  if (format !== 'csv') throw new UsageError(`${flag} is for CSV, and ${path} is ${format}: ${remedy}`);
}

export async function readRows(
  { engine, progress, signal }: ReadContext,
  path: string,
  flags: CsvFlags,
): Promise<FeatureFile> {
  const options = { ...csvOptions(flags), signal, onProgress: progress.reading(path) };
  return readFeatures(new RowMemory(engine), path, options);
}

const delimiterOf = ({ delimiter }: CsvFlags): CsvOptions => (delimiter === undefined ? {} : { delimiter });

function csvOptions(flags: CsvFlags): CsvOptions {
  const { labelColumn, featureColumns, header } = flags;
  return {
    ...delimiterOf(flags),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(featureColumns && { featureColumns }),
    ...(header && { header }),
  };
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

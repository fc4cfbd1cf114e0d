// The label column of the table that a model was trained on, which tables to evaluate and predict likely have as well.

import { quoted } from '../../printable.js';
import { SoftshardError, type Training } from '../index.js';
import { type CsvFlags, given } from './command-options.js';
import {
  formatOf,
  isOfLabelColumn,
  type Known,
  type LabeledRows,
  type LabelSource,
  labelsAreInData,
  readLabeledRows,
  readRows,
  requireLabels,
  type TableFlags,
} from './dataset.js';
import { UsageError } from './failures.js';
import type { RowsFile } from './rows-file.js';
import type { ModelSession } from './session.js';

/** What train and sweep save with the model. An index says little of other tables. */
export function savedLabel(flags: CsvFlags & { readonly data: string; readonly labels?: string }): {
  labelColumn?: string;
} {
  const { data, labels, labelColumn } = flags;
  const isSaved = typeof labelColumn === 'string' && labelsAreInData({ data, labels }, flags);
  return isSaved ? { labelColumn } : {};
}

/** Undefined of models that were trained otherwise, or by a version that did not save it. */
export function rememberedLabel({ trainingOptions }: Training.Model): string | undefined {
  const { labelColumn } = Object(trainingOptions) as { readonly labelColumn?: unknown };
  return typeof labelColumn === 'string' ? labelColumn : undefined;
}

/** Before anything is read. Of a table, the model may say where labels are, once it is read. */
export async function expectLabels(source: LabelSource, flags: CsvFlags): Promise<void> {
  if (isLabelOpen(source, flags) && (await isTable(source.data, flags))) return;
  await requireLabels(source, flags);
}

const isLabelOpen = ({ labels }: Pick<LabelSource, 'labels'>, { labelColumn }: CsvFlags): boolean =>
  labels === undefined && labelColumn === undefined;

/** Rows to evaluate or calibrate a model with. */
export async function readRowsForModel(
  session: ModelSession,
  source: LabelSource,
  flags: TableFlags,
  known: Known,
): Promise<LabeledRows> {
  const { data } = source;
  const label = rememberedLabel(session.model);
  if (label === undefined || !isLabelOpen(source, flags) || !(await isTable(data, flags))) {
    return readLabeledRows(session, source, flags, known);
  }
  try {
    const rows = await readLabeledRows(session, source, { ...flags, labelColumn: label }, known);
    session.progress.note(`${data}: the labels are in ${quoted(label)}, as they were in training`);
    return rows;
  } catch (error) {
    if (!isOfLabelColumn(error)) throw error;
    throw new UsageError(
      `labels are missing: ${data} has no column ${quoted(label)}, where they were in training: give ${source.labelsOption} or --label`,
    );
  }
}

/** Rows to predict. Where features go by place, the label column has to be found, or else be a feature too many. */
export async function readRowsToPredict(
  session: ModelSession,
  path: string,
  flags: TableFlags,
  known: Omit<Known, 'classes' | 'label'>,
): Promise<RowsFile> {
  const label = flags.labelColumn === undefined ? rememberedLabel(session.model) : undefined;
  const read = (labelColumn: CsvFlags['labelColumn']) =>
    readRows(session, path, { ...flags, ...given({ labelColumn }) }, { ...known, label });
  const isFeature = flags.featureColumns !== undefined || known.featureNames?.includes(label ?? '');
  if (label === undefined || isFeature || !(await isTable(path, flags))) return read(flags.labelColumn);
  return read(label).catch((error: unknown) => {
    const isTwice = error instanceof SoftshardError && error.code === 'ERR_FORMAT' && error.value === label;
    if (!isOfLabelColumn(error) && !isTwice) throw error;
    return read(undefined);
  });
}

/** A table with names; other files say by themselves which of their arrays is labels. */
async function isTable(path: string, { header }: CsvFlags): Promise<boolean> {
  if (header === false) return false;
  const { options, bringsLabels } = await formatOf(path);
  return options.includes('labelColumn') && !bringsLabels;
}

// The rows that train and sweep learn from: their files, classes and names.

import { listed, quoted } from '../../printable.js';
import {
  type Classes,
  classesOf,
  classesWithoutRows,
  type Labels,
  readClassNames,
  targetsOf,
} from './classes.js';
import type { CsvFlags } from './command-options.js';
import { type LabeledRows, readLabeledRows } from './dataset.js';
import { count, counted } from './output.js';
import type { Progress } from './progress.js';
import type { Session } from './session.js';

export interface TrainingRowFlags extends CsvFlags {
  data: string;
  labels?: string;
  classNames?: string;
  ignoreIndex?: number;
}

/** The options that name files of rows and of what says how they count. */
export const ROW_FILES = [
  'data',
  'labels',
  'classNames',
  'validationData',
  'validationLabels',
  'sampleWeight',
  'mask',
] as const;

export interface TrainingRows {
  readonly rows: LabeledRows;
  readonly targets: Int32Array;
  readonly model: ModelShape;
}

/** What rows say of the model that learns from them. */
export interface ModelShape {
  readonly features: number;
  /** Undefined where the file names none, or two alike. */
  readonly featureNames: readonly string[] | undefined;
  readonly classes: Classes;
}

export async function readTrainingRows(session: Session, flags: TrainingRowFlags): Promise<TrainingRows> {
  const { data, labels, classNames, ignoreIndex } = flags;
  const named = classNames === undefined ? undefined : await readClassNames(classNames);
  const source = { data, labels, labelsOption: '--labels' } as const;
  const rows = await readLabeledRows(session, source, flags, { classes: named !== undefined });
  const classes = named ?? classesOf(rows.labels, ignoreIndex);
  const targets = targetsOf(rows.labels, classes, flags);
  if (!named) noteMissingLabels(rows.labels, session.progress);
  const featureNames = distinctNames(rows, session.progress);
  return { rows, targets, model: { features: rows.inputs.dims[1], featureNames, classes } };
}

/** What tables have in place of a value; among words it may be one, as NA is for Namibia. */
const NO_VALUE = /^(?:NA|N\/A|n\/a|NULL|null|None|\?|-)$/;

function noteMissingLabels({ path, classNames = [] }: Labels, progress: Progress): void {
  const missing = classNames.filter((name) => NO_VALUE.test(name));
  if (missing.length === 0) return;
  const are = missing.length === 1 ? 'is a class like any other' : 'are classes like any other';
  progress.warn(
    `${path}: ${listed(missing.map(quoted))} ${are}: leave those rows out if their label is missing`,
  );
}

function distinctNames(
  { path, featureNames }: LabeledRows,
  progress: Progress,
): readonly string[] | undefined {
  if (!featureNames) return undefined;
  const seen = new Set<string>();
  const twice = featureNames.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return featureNames;
  progress.warn(
    `${path}: two features are called ${quoted(twice)}, so the model keeps no names, and columns go by place`,
  );
  return undefined;
}

export function noteEmptyClasses(targets: Int32Array, classes: Classes, progress: Progress): void {
  const empty = classesWithoutRows(targets, classes);
  if (empty.length === 0) return;
  const names = empty.map((index) => classes.names?.[index] ?? String(index));
  const many = `${count(empty.length)} of ${counted(classes.count, 'class', 'classes')}`;
  progress.warn(`${many} without a row to train on: ${listed(names)}`);
}

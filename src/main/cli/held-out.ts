// Rows to validate on and to test on: from files of their own, or a fraction of --data by a seed of its own.

import { type SoftmaxClassifier, SoftshardError, selectRows, splitRows, type Training } from '../index.js';
import { type Classes, targetsOf } from './classes.js';
import type { CsvFlags } from './command-options.js';
import { checkFeatures, namingFiles, readLabeledRows } from './dataset.js';
import type { HeldOutFlags, ValidationFlags } from './held-out-options.js';
import type { ModelLossFlags } from './model-loss.js';
import type { FileRows } from './rows-file.js';
import type { Session } from './session.js';

/** Undefined where no row of --data is held out. */
export function splitOf(
  targets: Int32Array,
  { validationSplit: validation = 0, testSplit: test = 0, splitSeed: seed = 0, stratify }: HeldOutFlags,
): Training.SplitInThree | undefined {
  if (validation === 0 && test === 0) return undefined;
  try {
    return splitRows(targets, { validation, test, seed, stratify });
  } catch (error) {
    if (!(error instanceof SoftshardError)) throw error;
    const message = error.message.replace(/options\.(validation|test)\b/g, 'options.$1Split');
    throw new SoftshardError(error.code, message, { value: error.value, cause: error });
  }
}

interface ModelShape {
  readonly features: number;
  readonly featureNames: readonly string[] | undefined;
  readonly classes: Classes;
}

type RowFlags = CsvFlags & ModelLossFlags & { readonly data: string };

export interface TargetedRows {
  readonly inputs: FileRows;
  readonly targets: Int32Array;
}

export const readValidation = (
  session: Session,
  flags: ValidationFlags & RowFlags,
  model: ModelShape,
): Promise<TargetedRows | undefined> =>
  readApart(session, flags, model, {
    data: flags.validationData,
    labels: flags.validationLabels,
    labelsOption: '--validation-labels',
  });

export const readTest = (
  session: Session,
  flags: HeldOutFlags & RowFlags,
  model: ModelShape,
): Promise<TargetedRows | undefined> =>
  readApart(session, flags, model, {
    data: flags.testData,
    labels: flags.testLabels,
    labelsOption: '--test-labels',
  });

async function readApart(
  session: Session,
  flags: RowFlags,
  model: ModelShape,
  {
    data,
    labels,
    labelsOption,
  }: Omit<Parameters<typeof readLabeledRows>[1], 'data'> & { data?: string | undefined },
): Promise<TargetedRows | undefined> {
  if (data === undefined) return undefined;
  const known = { featureNames: model.featureNames, features: model.features, classes: true };
  const rows = await readLabeledRows(session, { data, labels, labelsOption }, flags, known);
  checkFeatures(data, rows.inputs, model.features, flags.data);
  return { inputs: rows.inputs, targets: targetsOf(rows.labels, model.classes, flags) };
}

interface Tested {
  readonly classifier: SoftmaxClassifier;
  readonly signal: AbortSignal;
  readonly flags: HeldOutFlags & RowFlags;
  /** All rows of --data. */
  readonly rows: TargetedRows & { readonly mask: Mask };
  readonly split: Training.SplitInThree | undefined;
  /** Rows of --test-data. */
  readonly apart: TargetedRows | undefined;
}

/**
 * By the plain cross-entropy: options of training's loss do not count here, but for a mask. Called before training as well, so
 * that what is wrong with the test rows is found then.
 */
export async function evaluateTest(tested: Tested): Promise<Training.Evaluation | undefined> {
  const { classifier, signal, flags, rows, split, apart } = tested;
  if (apart !== undefined) {
    const files = { data: flags.testData ?? flags.data };
    return namingFiles(files, () => classifier.evaluate(apart.inputs, apart.targets, { signal }));
  }
  if (split === undefined || split.test.length === 0) return undefined;
  const { test } = split;
  const targets = Int32Array.from(test, (row) => rows.targets[row]!);
  const mask = rows.mask && rowsOf(rows.mask, test, classifier.classes);
  const options = { signal, ...(mask && { mask }) };
  return namingFiles(flags, () =>
    classifier.evaluate(selectRows(rows.inputs, test), targets, options).catch((error) => {
      throw inRowsOfFile(error, test);
    }),
  );
}

/** An error about one of the chosen rows names it by its place among all. */
function inRowsOfFile(error: unknown, chosen: Uint32Array): unknown {
  if (!(error instanceof SoftshardError) || error.row === undefined) return error;
  const row = chosen[error.row]!;
  const message = error.message.replace(/^inputs\[\d+/, `inputs[${row}`);
  const { code, feature, value } = error;
  return new SoftshardError(code, message, {
    row,
    value,
    cause: error,
    ...(feature !== undefined && { feature }),
  });
}

type Mask = Uint8Array | undefined;

function rowsOf(mask: Uint8Array, rows: Uint32Array, columns: number): Uint8Array {
  const chosen = new Uint8Array(rows.length * columns);
  for (const [i, row] of rows.entries()) {
    chosen.set(mask.subarray(row * columns, (row + 1) * columns), i * columns);
  }
  return chosen;
}

/** For --json. */
export const heldOutFacts = (
  flags: HeldOutFlags,
  split: Training.SplitInThree | undefined,
  test: Training.Evaluation | undefined,
) => ({
  testLoss: test?.loss ?? null,
  testAccuracy: test?.accuracy ?? null,
  testMajority: test?.majority ?? null,
  testRows: test?.rows ?? 0,
  splitSeed: split === undefined ? null : (flags.splitSeed ?? 0),
});

/** What the model keeps of how its rows were chosen. */
export const savedSplit = (flags: HeldOutFlags, split: Training.SplitInThree | undefined) => ({
  validationSplit: flags.validationSplit ?? 0,
  ...(split && {
    testSplit: flags.testSplit ?? 0,
    splitSeed: flags.splitSeed ?? 0,
    stratify: flags.stratify,
  }),
});

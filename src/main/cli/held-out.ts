// Rows to validate on and to test on: from files of their own, or a fraction of --data by a seed of its own.

import {
  type Engine,
  type SoftmaxClassifier,
  SoftshardError,
  selectRows,
  splitRows,
  type Training,
} from '../index.js';
import { targetsOf } from './classes.js';
import { checkFeatures, namingFiles, readLabeledRows } from './dataset.js';
import type { HeldOutFiles, HeldOutFlags } from './held-out-options.js';
import { ownRows } from './rank-rows.js';
import { type FileRows, windowOf } from './rows-file.js';
import type { Session } from './session.js';
import type { ModelShape, TrainingRowFlags } from './training-rows.js';

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

export interface TargetedRows {
  readonly inputs: FileRows;
  readonly targets: Int32Array;
}

/** From files of their own; undefined where none is given. */
export async function readHeldOut(
  session: Session,
  flags: HeldOutFiles & TrainingRowFlags,
  model: ModelShape,
  part: 'validation' | 'test',
): Promise<TargetedRows | undefined> {
  const data = flags[`${part}Data`];
  if (data === undefined) return undefined;
  const source = { data, labels: flags[`${part}Labels`], labelsOption: `--${part}-labels` } as const;
  const known = { featureNames: model.featureNames, features: model.features, classes: true };
  const rows = await readLabeledRows(session, source, flags, known);
  checkFeatures(data, rows.inputs, model.features, flags.data);
  return { inputs: rows.inputs, targets: targetsOf(rows.labels, model.classes, flags) };
}

interface Tested {
  readonly engine: Engine;
  readonly classifier: SoftmaxClassifier;
  readonly signal: AbortSignal;
  readonly flags: HeldOutFiles & TrainingRowFlags;
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
  const { flags, split, apart } = tested;
  if (apart !== undefined) return evaluateAll(tested, apart, { data: flags.testData ?? flags.data });
  if (split === undefined || split.test.length === 0) return undefined;
  return evaluatePart(tested, split.test);
}

/** All rows of a file; each rank its own of them. */
async function evaluateAll(
  { engine, classifier, signal }: Tested,
  { inputs, targets, mask }: TargetedRows & { readonly mask?: Mask },
  files: { readonly data: string },
): Promise<Training.Evaluation> {
  const { rowBegin, rowEnd } = ownRows(engine, targets.length);
  const { classes } = classifier;
  const options = { signal, ...(mask && { mask: mask.subarray(rowBegin * classes, rowEnd * classes) }) };
  const [own, ownTargets] = [windowOf(inputs, rowBegin, rowEnd), targets.subarray(rowBegin, rowEnd)];
  return namingFiles(files, () => classifier.evaluate(own, ownTargets, options), rowBegin);
}

/** Some of the rows of --data. */
async function evaluatePart(
  { engine, classifier, signal, flags, rows }: Tested,
  part: Uint32Array,
): Promise<Training.Evaluation> {
  const { rowBegin, rowEnd } = ownRows(engine, part.length);
  const own = part.subarray(rowBegin, rowEnd);
  const targets = Int32Array.from(own, (row) => rows.targets[row]!);
  const mask = rows.mask && rowsOf(rows.mask, own, classifier.classes);
  const options = { signal, ...(mask && { mask }) };
  const evaluation = await namingFiles(flags, () =>
    classifier.evaluate(selectRows(rows.inputs, own), targets, options).catch((error) => {
      throw inRowsOfFile(error, own);
    }),
  );
  const worstRows = evaluation.worstRows.map((worst) => ({ ...worst, row: part[worst.row]! }));
  return { ...evaluation, worstRows };
}

/** The rows that tell most of a model, and how it does on them. */
export interface Evaluated {
  readonly of: 'test' | 'validation' | 'training';
  readonly evaluation: Training.Evaluation;
}

/** On rows of the test (`test`), of validation, or else those trained on. */
export async function evaluateBest(
  tested: Tested,
  validation: TargetedRows | undefined,
  test: Training.Evaluation | undefined,
): Promise<Evaluated> {
  const { flags, rows, split } = tested;
  if (test !== undefined) return { of: 'test', evaluation: test };
  if (validation !== undefined) {
    const files = { data: flags.validationData ?? flags.data };
    return { of: 'validation', evaluation: await evaluateAll(tested, validation, files) };
  }
  if (split !== undefined && split.validation.length > 0) {
    return { of: 'validation', evaluation: await evaluatePart(tested, split.validation) };
  }
  return { of: 'training', evaluation: await evaluateAll(tested, rows, flags) };
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

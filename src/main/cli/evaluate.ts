// softshard evaluate: how well a model does on rows whose classes are known.

import { resolve } from 'node:path';
import type { Losses, Training } from '../index.js';
import { targetsOf } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { checkFeatures, featureNamesFor, namingFiles, readLabeledRows } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs } from './files.js';
import { BALANCED, type ModelLossFlags, modelLossFiles, readEvaluationLoss } from './model-loss.js';
import { count, loss, percent, print, printJson, table } from './output.js';
import { type ModelSession, runFacts, withModel } from './session.js';

export interface EvaluateFlags extends CsvFlags, EngineFlags, ReportFlags, ModelLossFlags {
  model: string;
  data: string;
  labels?: string;
  topK?: number;
  onEmpty: Losses.OnEmpty;
  onInvalidInput: Training.OnInvalidInput;
  onInvalidTarget: Losses.OnInvalidTarget;
}

export async function evaluate(flags: EvaluateFlags): Promise<void> {
  const { model, data, labels, topK, onEmpty, onInvalidInput } = flags;
  if (labels === undefined && flags.labelColumn === undefined) {
    throw new UsageError('labels are missing: give --labels, or --label for a column of a table');
  }
  if (flags.classWeight === BALANCED) {
    throw new UsageError(
      '--class-weight balanced is for training: name a file with a weight for each class (./balanced, if it is called so)',
    );
  }
  await checkInputs([model, data, labels, ...modelLossFiles(flags)]);
  await withModel(model, flags, async (context) => {
    const { classifier, signal } = context;
    const { classes, classNames } = classifier;
    if (topK !== undefined && topK > classes) {
      throw new UsageError(`--top-k is ${topK}, but ${model} has ${classes} classes`);
    }
    const source = { data, labels, labelsOption: '--labels' } as const;
    const known = { featureNames: featureNamesFor(classifier.featureNames, flags), classes: true };
    const rows = await readLabeledRows(context, source, flags, known);
    checkFeatures(data, rows.inputs, classifier.features, model);
    const targets = targetsOf(rows.labels, { count: classes, names: classNames }, flags);
    const lossOptions = await readEvaluationLoss(context, flags, {
      rows: targets.length,
      classes,
      classNames,
    });
    const options = { ...lossOptions, onEmpty, onInvalidInput, signal, ...(topK && { topK }) };
    const begin = performance.now();
    const evaluation = await namingFiles({ data }, () => classifier.evaluate(rows.inputs, targets, options));
    const durationMs = performance.now() - begin;
    if (flags.json) await printJson(jsonOf(flags, context, evaluation, durationMs));
    else await print(textOf(evaluation, classNames));
  });
}

interface ClassResult {
  readonly class: number;
  readonly name: string;
  /** Rows of this class. */
  readonly rows: number;
  /** Fraction of them predicted as this class; 0 without rows. */
  readonly recall: number;
  /** Fraction of the rows predicted as this class that are of it; 0 without such rows. */
  readonly precision: number;
}

function classResults(
  { perClass }: Training.Evaluation,
  classNames: readonly string[] | undefined,
): ClassResult[] {
  return Array.from(perClass.support, (rows, index) => ({
    class: index,
    name: classNames?.[index] ?? String(index),
    rows,
    recall: perClass.recall[index]!,
    precision: perClass.precision[index]!,
  }));
}

function confusionRows({ confusion }: Training.Evaluation): Uint32Array[] | undefined {
  if (confusion === undefined) return undefined;
  const classes = confusion.dims[0]!;
  return Array.from({ length: classes }, (_, row) =>
    confusion.data.subarray(row * classes, (row + 1) * classes),
  );
}

function jsonOf(
  { model, data }: EvaluateFlags,
  { engine, classifier }: ModelSession,
  evaluation: Training.Evaluation,
  durationMs: number,
): object {
  const { confusion: _, ...metrics } = evaluation;
  const rows = confusionRows(evaluation);
  return {
    ...metrics,
    features: classifier.features,
    classes: classifier.classes,
    classNames: classifier.classNames ?? null,
    confusion: rows?.map((row) => [...row]) ?? null,
    perClass: classResults(evaluation, classifier.classNames),
    ...runFacts(engine, metrics.rows, durationMs),
    model: resolve(model),
    data: resolve(data),
  };
}

/** More classes than this do not fit a screen. */
const MAX_LISTED_CLASSES = 50;

export function textOf(evaluation: Training.Evaluation, classNames: readonly string[] | undefined): string {
  const { rows, ignored, invalid, accuracy, majority, correct, topK, topKAccuracy } = evaluation;
  const summary = [
    ['rows', count(rows)],
    ...(ignored > 0 ? [['ignored rows', count(ignored)]] : []),
    ...(invalid > 0 ? [['invalid rows', count(invalid)]] : []),
    ['loss', loss(evaluation.loss)],
    ['accuracy', percent(accuracy)],
    ['largest class', percent(majority)],
    [`top-${topK} accuracy`, percent(topKAccuracy)],
    ['macro F1', percent(evaluation.macro.f1)],
    ['calibration error', percent(evaluation.calibration.expectedError)],
  ];
  const sentence = `${count(correct)} of ${count(rows)} rows are classified correctly.\n`;
  const results = classResults(evaluation, classNames);
  if (results.length > MAX_LISTED_CLASSES) return `${table(summary)}\n${sentence}`;
  const header = ['class', 'rows', 'recall', 'precision'];
  const classes = results.map((result) => {
    return [result.name, count(result.rows), percent(result.recall), percent(result.precision)];
  });
  return `${table(summary)}\n${table([header, ...classes])}\n${sentence}`;
}
